# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The declared tiers without what they keep secret, for a module whose arguments Ansible shows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: without_secrets
short_description: Leave the values of secrets out of the declared tiers
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Leaves out C(secrets) and C(secret_environment) of all tiers, and the value of each option that no tier has. It may
    be a mistyped option, and its value secret.
  - What is left out reaches modules through the filter P(evenkeel.cluster.tier_secrets#filter).
positional: _input
options:
  _input:
    description: The tiers, as C(cluster_tiers) declares them.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Check a cluster with secrets
  evenkeel.cluster.preflight:
    name: shop
    domain: shop.example.org
    hosts: [shop.example.org]
    engine: docker
    web_port: 8080
    dashboard_port: 9000
    portainer: false
    portainer_port: 9090
    image_source: registry
    tiers: "{{ cluster_tiers | evenkeel.cluster.without_secrets }}"
    tier_secrets: "{{ cluster_tiers | evenkeel.cluster.tier_secrets }}"
"""

RETURN = r"""
_value:
  description: The tiers. What cannot be a tier becomes the name of its type, and is reported by the module.
  type: raw
  sample: {app: {image: example/app:1.2, port: 8000, path: /, nodes: 2}}
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils.cluster.secrets import SECRET_OPTIONS
from ..module_utils.inventory.tier_values import kind_of
from ..module_utils.inventory.tiers import TIER_KEYS


def without_secrets(tiers: object) -> Any:
    """The tiers without the values of secrets.

    Args:
        tiers: the declared tiers, whatever is in them.
    """
    if not isinstance(tiers, Mapping):
        return kind_of(tiers)
    return {name: _options(tier) if isinstance(tier, Mapping) else kind_of(tier) for name, tier in tiers.items()}


def _options(tier: Mapping[str, Any]) -> dict[str, Any]:
    """The options; those that are unknown keep their name, so that it can be told."""
    return {key: value if key in TIER_KEYS else None for key, value in tier.items() if key not in SECRET_OPTIONS}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"without_secrets": without_secrets}
