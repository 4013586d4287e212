# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Action plugin: run the module cluster_info, on the controller from its source files."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.plugin_utils.from_source import SourceAction


class ActionModule(SourceAction):
    """Ansible looks for the class by this name."""
