# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Action plugin: run the module node_pool and show its progress."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """Ansible looks for the class by this name."""
