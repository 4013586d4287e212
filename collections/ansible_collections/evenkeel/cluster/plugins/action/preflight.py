# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Action plugin: run the module preflight, from its source files if it can; its result holds the environment."""

from __future__ import annotations

from ansible_collections.evenkeel.cluster.plugins.plugin_utils.discreet import Discreet
from ansible_collections.evenkeel.cluster.plugins.plugin_utils.from_source import SourceAction


class ActionModule(Discreet, SourceAction):
    """Ansible looks for the class by this name."""
