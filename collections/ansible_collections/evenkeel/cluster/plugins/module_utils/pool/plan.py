# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What has to happen to make the pool equal to what is declared.

Pure: no I/O. ``plan()`` is the one source of what a run does, of what check mode predicts, of the diff and of
``changed``.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from ..cluster.node import BROKEN, ENDED, RUNNING, STARTING, Node
from ..traefik.route_file import RouteTable
from ..traefik.routes import Route
from .takeover import takeover_words, takeovers

REMOVE = "remove"
#: Why a node is removed whatever its state.
TAKEN_DOWN = "the cluster is taken down"
MEND = "mend"
START = "start"
ROUTE = "route"
DRAIN = "drain"
RELEASE = "release"
_Item = TypeVar("_Item")
# States in which a managed node is replaced.
_OVER = frozenset({ENDED, BROKEN})
_ALIVE = frozenset({RUNNING, STARTING})
_NO_ANSWER = "replaces a node that does not answer"
#: Why a tier's nodes are replaced although nothing about them changed.
ASKED = "to be renewed"
LOST = "its secrets were removed by hand"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class TierTarget:
    """What one tier must become.

    Attributes:
        name: the tier's name.
        count: how many nodes.
        revision: identifies the image and options they are made with.
        image_id: the engine's identifier of their image.
        route: the tier's route, which has the balancer's service.
        prefix: what the nodes' names begin with; their number follows.
        release_command: the program that runs before the first node of a revision; empty for none.
        replace: its node must not run twice: the old one ends before the new one starts.
    """

    name: str
    count: int
    revision: str
    image_id: str
    route: Route
    prefix: str
    release_command: str = ""
    replace: bool = False

    @property
    def service(self) -> str:
        """The balancer's service of the nodes."""
        return self.route.service


@dataclasses.dataclass(frozen=True)
class PoolAction:
    """One step for one node. Steps of a tier run in order; actions of one step and kind run in parallel.

    Attributes:
        kind: one of :data:`REMOVE`, :data:`MEND`, :data:`RELEASE`, :data:`START`, :data:`ROUTE`, :data:`DRAIN`.
        tier: the tier's name.
        node: the node's name; the tier's for a route or a release.
        step: the number of the step; 0 comes first.
        reason: why, for people.
        id: the engine's identifier of the node; empty for a node that does not exist yet and for a route.
        together: of a route that changes hands: all tiers whose routes change in the same write.
    """

    kind: str
    tier: str
    node: str
    step: int
    reason: str
    id: str = ""
    together: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.kind} {self.node} ({self.reason})"


def surge_size(count: int, percent: int) -> int:
    """How many nodes of ``count`` are replaced at the same time: ``percent`` of them, rounded up, at least one."""
    return max(1, math.ceil(count * percent / 100))


def plan(
    nodes: Iterable[Node],
    targets: Iterable[TierTarget],
    table: RouteTable,
    surge_percent: int = 25,
    renewed: Mapping[str, str] = _NONE,
) -> list[PoolAction]:
    """Compute the actions that turn ``nodes`` and routes into ``targets``.

    Managed nodes come to the declared number. Guests are beside them: they serve, but they are not declared, so they
    leave first; those that were stopped by hand are left alone. Broken managed nodes are removed at once, because they
    serve nothing; so are those that do not answer, where others of their tier do. What was changed by hand is set back
    where the node stays. Nodes that drain already, such as those of a run that was killed, do not count, and the run
    waits for their end. Nodes that are stale, do not answer, or cannot be set back are replaced in waves; in each wave,
    new nodes start before old ones drain; a tier whose node must not run twice lets the old one end first. When the
    tier's balancer service changes, first all new nodes join the new service, then the route is switched, and then the
    old nodes drain. A tier takes over the path of another one, or its own under a former name, when its nodes are in
    rotation.

    Args:
        nodes: all nodes and guests of the cluster.
        targets: the declared tiers.
        table: the balancer's routes now.
        surge_percent: the size of a wave, in percent of the tier's count.
        renewed: tiers whose running nodes count as stale although nothing about them changed, and why: :data:`ASKED` or
            :data:`LOST`.
    """
    by_tier: dict[str, list[Node]] = {}
    for node in nodes:
        by_tier.setdefault(node.tier, []).append(node)
    wanted = {target.name: target for target in targets}
    routes = {name: target.route for name, target in wanted.items()}
    actions: list[PoolAction] = []
    for tier in sorted(by_tier.keys() | wanted.keys() | table.routes.keys()):
        target = wanted.get(tier)
        members = by_tier.get(tier, [])
        if target is None:
            actions += _dissolve(tier, members, tier in table.routes)
        else:
            reason = _route_reason(target.route, table.routes.get(tier), current=table.current)
            why = renewed.get(tier, "")
            actions += _plan_tier(target, members, table.routes.get(tier), reason, surge_percent, renew=why)
    return _joined(actions, table.routes, routes)


def _joined(actions: Iterable[PoolAction], now: Mapping[str, Route], wanted: Mapping[str, Route]) -> list[PoolAction]:
    """The actions; routes that change hands know of each other."""
    groups = takeovers(now, wanted)
    return [
        dataclasses.replace(
            action,
            reason=f"{action.reason}, {takeover_words(action.tier, now, wanted)}",
            together=groups[action.tier],
        )
        if action.kind == ROUTE and action.tier in groups
        else action
        for action in actions
    ]


def _route_reason(wanted: Route, now: Route | None, *, current: bool) -> str:
    """Why the tier's route is written; empty when it stays."""
    if now is None:
        return f"leads to {wanted.service}"
    if now.service != wanted.service:
        return f"policy changed, {now.service} -> {wanted.service}"
    if now.plain == wanted and now.servers is not None:
        return "still on a set of servers: a run was killed, or the balancer missed nodes"
    if now != wanted:
        return "path, host names or options changed"
    return "" if current else "the route file is of another version"


def _dissolve(tier: str, members: Sequence[Node], is_routed: bool) -> list[PoolAction]:
    """A tier that is not declared any more: its route is dropped first, then its nodes drain."""
    reason = "tier is not declared"
    actions = [_remove(node) for node in _ordered(members) if node.managed and node.state in _OVER]
    if is_routed:
        actions.append(PoolAction(ROUTE, tier, tier, 1, reason))
    actions += [
        PoolAction(DRAIN, tier, node.name, 1, reason, node.id) for node in _ordered(members) if node.state in _ALIVE
    ]
    return actions


def _plan_tier(
    target: TierTarget,
    members: Sequence[Node],
    now: Route | None,
    route_reason: str,
    surge_percent: int,
    *,
    renew: str,
) -> list[PoolAction]:
    over = [node for node in _ordered(members) if node.managed and node.state in _OVER and not _is_mended(node, target)]
    alive = [node for node in _ordered(members) if node.state in _ALIVE or _is_mended(node, target)]
    hung = _hung(alive)
    actions = [_remove(node) for node in [*over, *hung]]
    alive = [node for node in alive if node not in hung]
    over += hung
    guests = [node for node in alive if not node.managed]
    drained = [node for node in alive if node.managed and node.leaving]
    fresh = [node for node in alive if node.managed and not node.leaving and _is_fresh(node, target) and not renew]
    stale = [node for node in alive if node.managed and not node.leaving and node not in fresh]

    # Those that were changed by hand leave first, then those with high numbers.
    keep = sorted(fresh, key=lambda node: (bool(node.altered), node.number, node.name))[: target.count]
    surplus = [node for node in fresh if node not in keep]
    actions += [_mend(node) for node in keep if node.altered]
    missing = target.count - len(keep)
    names = free_names(target.prefix, _taken(node for node in members if node not in over), missing)

    route = [PoolAction(ROUTE, target.name, target.name, 1, route_reason)] if route_reason else []
    if names and target.release_command and not any(node.managed and not _is_stale(node, target) for node in members):
        reason = f"runs {target.release_command} before the first node of its revision"
        actions.append(PoolAction(RELEASE, target.name, target.name, 0, reason))
    leaving = _leave_order(stale, [*surplus, *drained, *guests])
    if target.replace and names and leaving:
        return actions + _in_turn(target, names, leaving, route, renew=renew)
    if not stale:
        reason = _NO_ANSWER if hung else "scale up" if alive or now else "first start"
        actions += [PoolAction(START, target.name, name, 1, reason) for name in names]
        return actions + route + [_drain(node, target, 1) for node in leaving]

    switching = now is not None and now.service != target.service
    wave = missing if switching else surge_size(target.count, surge_percent)
    return actions + _waves(target, names, leaving, max(wave, 1), route, renew=renew)


def _in_turn(
    target: TierTarget, names: Sequence[str], leaving: Sequence[Node], route: Sequence[PoolAction], *, renew: str
) -> list[PoolAction]:
    """Where an application must not run twice: all that runs ends, then the new one starts."""
    # The route goes first: it waits for no node, and a switch that fails finds nothing half-done.
    words = ", before the next one starts (roll: replace)"
    ends = [_drain(node, target, 1, renew=renew) for node in leaving]
    gone = " and ".join(node.name for node in leaving)
    reason = f"when {gone} has ended, with 503 until then (roll: replace)"
    return [
        *route,
        *(dataclasses.replace(action, reason=action.reason + words) for action in ends),
        *(PoolAction(START, target.name, name, 2, reason) for name in names),
    ]


def _waves(
    target: TierTarget,
    names: Sequence[str],
    leaving: Sequence[Node],
    wave: int,
    route: Sequence[PoolAction],
    *,
    renew: str,
) -> list[PoolAction]:
    """Replace in waves: never fewer nodes than before or than declared, whichever is less."""
    actions: list[PoolAction] = []
    # A surplus leaves in the first wave, and nodes that replace none start in it.
    grow = max(0, len(names) - len(leaving))
    shrink = max(0, len(leaving) - len(names))
    starts, drains = list(names), list(leaving)
    reason = _start_reason(target, leaving, renew=renew)
    step = 1
    while starts or drains:
        first = step == 1
        coming, starts = _split(starts, wave + (grow if first else 0))
        going, drains = _split(drains, len(coming) - (grow if first else 0) + (shrink if first else 0))
        actions += [PoolAction(START, target.name, name, step, reason) for name in coming]
        if first:
            actions += route
        actions += [_drain(node, target, step, renew=renew) for node in going]
        step += 1
    return actions


def _split(items: list[_Item], size: int) -> tuple[list[_Item], list[_Item]]:
    at = max(size, 0)
    return items[:at], items[at:]


def _start_reason(target: TierTarget, leaving: Sequence[Node], *, renew: str) -> str:
    if renew:
        return "renews a node" if renew == ASKED else f"renews a node, because {renew}"
    if any(_is_stale(node, target) for node in leaving):
        return "replaces a stale node"
    if any(node.silent for node in leaving):
        return _NO_ANSWER
    return "replaces a node that was changed by hand"


def _is_stale(node: Node, target: TierTarget) -> bool:
    return node.revision != target.revision or node.service != target.service


def _is_fresh(node: Node, target: TierTarget) -> bool:
    return not _is_stale(node, target) and not node.silent and node.mendable


def _is_mended(node: Node, target: TierTarget) -> bool:
    """Whether it is broken only by what can be set back."""
    return node.managed and node.state == BROKEN and bool(node.altered) and _is_fresh(node, target)


def _hung(alive: Sequence[Node]) -> list[Node]:
    """Those that do not answer, where others do: they go first.

    The balancer takes each node for UP when its configuration changes, until the next probe: a new node that joins
    before them would send them requests.
    """
    others = [node for node in alive if not node.silent and not node.leaving]
    return [node for node in alive if node.managed and node.silent and not node.leaving] if others else []


def _remove(node: Node) -> PoolAction:
    why = "does not answer" if node.silent else f"is {node.condition}"
    return PoolAction(REMOVE, node.tier, node.name, 0, why, node.id)


def _mend(node: Node) -> PoolAction:
    return PoolAction(MEND, node.tier, node.name, 0, node.altered, node.id)


def _leave_order(stale: Sequence[Node], surplus: Sequence[Node]) -> list[Node]:
    """Guests leave before managed nodes, stale before fresh ones, high numbers before low ones."""
    return sorted([*stale, *surplus], key=lambda node: (node.managed, node not in stale, -node.number, node.name))


def _drain(node: Node, target: TierTarget, step: int, *, renew: str = "") -> PoolAction:
    return PoolAction(DRAIN, target.name, node.name, step, _leave_reason(node, target, renew=renew), node.id)


def _leave_reason(node: Node, target: TierTarget, *, renew: str) -> str:
    if node.copy_of:
        return f"a copy of {node.copy_of}, made by hand"
    if not node.managed:
        return "a guest, started by hand"
    if node.leaving:
        return "drains already"
    if _is_stale(node, target):
        return "stale node"
    if node.silent:
        return "does not answer"
    if not node.mendable:
        return node.altered
    if renew:
        return renew
    return f"scale down to {target.count}"


def _ordered(members: Iterable[Node]) -> list[Node]:
    return sorted(members, key=lambda node: (not node.managed, node.number, node.name))


def _taken(members: Iterable[Node]) -> set[str]:
    """Names that a new node must not have: also those that the balancer knows others by."""
    return {name for node in members for name in (node.name, node.own_name, node.copy_of)}


def free_names(prefix: str, taken: Container[str], count: int) -> list[str]:
    """The ``count`` names with this prefix and the lowest free numbers."""
    candidates = (f"{prefix}{number}" for number in itertools.count(1))
    return list(itertools.islice((name for name in candidates if name not in taken), max(count, 0)))


def plan_removal(nodes: Iterable[Node]) -> list[PoolAction]:
    """Remove every node of the cluster at once, in any state; for taking the whole cluster down."""
    return [PoolAction(REMOVE, node.tier, node.name, 0, TAKEN_DOWN, node.id) for node in _ordered(nodes)]


def drift(
    nodes: Iterable[Node], targets: Iterable[TierTarget], table: RouteTable, renewed: Mapping[str, str] = _NONE
) -> dict[str, list[str]]:
    """Per tier, what differs from the declaration, in words; an empty list means no drift."""
    wanted = list(targets)
    differences: dict[str, list[str]] = {target.name: [] for target in wanted}
    for action in plan(nodes, wanted, table, renewed=renewed):
        differences.setdefault(action.tier, []).append(str(action))
    return differences
