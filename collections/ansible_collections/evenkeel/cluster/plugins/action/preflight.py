# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Action plugin: run the module preflight, whose result holds the tiers' environment."""

from __future__ import annotations

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.evenkeel.cluster.plugins.plugin_utils.discreet import Discreet


class ActionModule(Discreet, NormalAction):
    """Ansible looks for the class by this name."""
