# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that must read the tiers' routes."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the routes are."""

    DOCUMENTATION = r"""
options:
  routes_file:
    description: File with the tiers' routes, in the balancer's folder for dynamic configuration.
    type: path
    required: true
"""
