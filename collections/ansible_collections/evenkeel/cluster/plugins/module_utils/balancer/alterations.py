# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a user has changed about edge and balancer with Docker's commands or in a management tool. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from ..engine.alterations import changed_settings
from ..engine.container_spec import ContainerSpec
from .options import BalancerOptions
from .plan import BalancerContainer, Desired
from .specs import balancer_spec, edge_spec


def spec_of(options: BalancerOptions, desired: Desired, slot: str) -> ContainerSpec:
    """What the balancer of a slot is made with; what the edge is made with if there is no slot."""
    # Kernel parameters cannot be changed later.
    return balancer_spec(options, desired, slot) if slot else edge_spec(options, desired.edge, migrate=False)


def with_alterations(
    options: BalancerOptions,
    desired: Desired,
    found: Sequence[BalancerContainer],
    defects: Mapping[str, str] | None = None,
) -> list[BalancerContainer]:
    """The containers; those that are as declared but for what was changed by hand have that in words.

    Args:
        options: what is declared.
        desired: its revisions.
        found: the edge and all balancers.
        defects: what only another balancer cures, in words, by the id of the container that has it.
    """
    # Those that have ended are removed before.
    names = {container.name for container in found if container.alive}
    marked = [_marked(options, desired, container, names) for container in found]
    incurable = defects or {}
    return [
        dataclasses.replace(item, altered=_joined(item.altered, incurable[item.id]), mendable=False)
        if item.id in incurable
        else item
        for item in marked
    ]


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))


def _marked(
    options: BalancerOptions, desired: Desired, container: BalancerContainer, names: Iterable[str]
) -> BalancerContainer:
    is_edge = container.own_name == desired.edge_name
    declared = desired.edge if is_edge else desired.balancer if container.slot else None
    if not container.alive or container.revision != declared:
        return container  # it is replaced
    renamed = container.name != container.own_name and container.own_name not in names
    words = [f"is {container.name}, renamed by hand"] if renamed else []
    spec = spec_of(options, desired, container.slot)
    changed = changed_settings(container.settings, spec) if container.settings else []
    if is_edge:
        # It only holds the network: a share of the CPU that cannot be given back is no reason to refuse connections.
        changed = [(text, mendable) for text, mendable in changed if mendable]
    words += [text for text, _mendable in changed]
    return dataclasses.replace(
        container, altered=_joined(*words), mendable=all(mendable for _text, mendable in changed)
    )
