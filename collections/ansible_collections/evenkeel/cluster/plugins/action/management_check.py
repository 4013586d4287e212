# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Action plugin: run the module management_check, on the controller from its source files."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.plugin_utils.from_source import SourceAction


class ActionModule(SourceAction):
    """Ansible looks for the class by this name."""
