# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the rollout of one tier remembers, and small helpers of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future

from ..cluster.node import Node, TierBuild
from ..core.errors import EvenkeelError, Problem
from ..traefik.routes import Route
from .plan import ROUTE, START, TAKEN_DOWN, PoolAction
from .rotation import ReconcileError


@dataclasses.dataclass(frozen=True)
class RolloutLimits:
    """How much is done at the same time, and how long a step may take.

    Attributes:
        workers: nodes started at the same time; more than 8 are no faster on one engine.
        surge_percent: how many nodes of a tier are replaced at the same time, in percent of its count.
        ready_timeout: seconds without any progress after which a step has failed.
    """

    workers: int = 8
    surge_percent: int = 25
    ready_timeout: float = 60.0


@dataclasses.dataclass
class NodeTiming:
    """When a node reached each step, in seconds since the reconciliation began."""

    started: float | None = None
    ready: float | None = None
    in_rotation: float | None = None
    drain_began: float | None = None
    gone: float | None = None


@dataclasses.dataclass
class RollbackState:
    """What is needed to return one tier to its former state.

    Attributes:
        former: the route before.
        rerouted: the route was changed.
        handed_over: it was changed together with another tier's, which relies on it from then on.
        started: names of new nodes.
        drained: nodes that were drained, kept until all steps are done.
        staying: names of nodes from before that stay, until they are known to be in rotation.
    """

    former: Route | None = None
    rerouted: bool = False
    handed_over: bool = False
    started: list[str] = dataclasses.field(default_factory=list)
    drained: list[Node] = dataclasses.field(default_factory=list)
    staying: list[str] = dataclasses.field(default_factory=list)


def plain(route: Route | None) -> Route | None:
    """The route without a set of servers."""
    return route.plain if route else None


def all_over(runs: Sequence[Future[None]]) -> bool | None:
    """Whether all have ended; None when one of them failed, which is raised later."""
    over = all(run.done() for run in runs)
    return None if over and any(run.exception() for run in runs) else over


def ended(runs: Iterable[Future[None]]) -> None:
    """Wait for all, then raise the first error."""
    errors = [error for error in (run.exception() for run in runs) if error is not None]
    if errors:
        raise errors[0]


def told_once(error: Exception, words: str) -> str:
    """Why it failed, and what was done then; words that end with the same reason do not repeat it."""
    return f"{error}; " + words.replace(f": {error};", " for the same reason;")


@contextlib.contextmanager
def told_after(error: Exception, words: str) -> Iterator[None]:
    """Clean up after a failure; where that fails too, tell both, because the first one is the cause.

    Args:
        error: the failure.
        words: what it means that the cleaning has failed.

    Raises:
        ReconcileError: the cleaning has failed.
    """
    try:
        yield
    except (EvenkeelError, OSError) as left:
        if not isinstance(error, (EvenkeelError, OSError)):
            raise error from left
        raise ReconcileError(f"{error}; {words}: {left}") from error


def node_words(names: Sized) -> str:
    """How many nodes, in words."""
    return "1 node" if len(names) == 1 else f"{len(names)} nodes"


def of_kind(actions: Iterable[PoolAction], kind: str) -> list[PoolAction]:
    """The actions of one kind."""
    return [action for action in actions if action.kind == kind]


def by_tier(nodes: Iterable[Node]) -> list[tuple[str, list[Node]]]:
    """The nodes of each tier."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(node.tier, []).append(node)
    return list(found.items())


def staying(nodes: Iterable[Node], build: TierBuild, leaving: Container[str]) -> list[str]:
    """The names of a tier's nodes that run, are as declared, and do not leave.

    Args:
        nodes: of the cluster.
        build: what the tier's nodes are made with.
        leaving: identifiers.
    """
    return [
        node.name
        for node in nodes
        if (node.tier, node.managed, node.running) == (build.tier.name, True, True)
        and (node.service, node.revision) == (build.tier.service, build.revision)
        and node.id not in leaving
    ]


def lost_routes(
    actions: Sequence[PoolAction], now: Callable[[str], Route | None], wanted: Callable[[str], Route | None]
) -> dict[str, Route | None]:
    """Tier to the route that is gone although none of its nodes must start first.

    The balancer may still have these routes from a file that was broken since: the first write must not lack them.

    Args:
        actions: of all tiers.
        now: tells a tier's route as the file has it.
        wanted: tells it as declared.
    """
    starting = {action.tier for action in of_kind(actions, START)}
    return {
        action.tier: wanted(action.tier)
        for action in of_kind(actions, ROUTE)
        if action.tier not in starting and not action.together and now(action.tier) is None
    }


def missing(actions: Sequence[PoolAction], nodes: Iterable[Node]) -> dict[str, str]:
    """Identifier of each node that is gone since its action was planned -> that, in words."""
    there = {node.id for node in nodes}
    return {
        action.id: str(Problem(f"node {action.node}", "no container", "it running", "see what removed it"))
        for action in actions
        if action.id not in there
    }


def started_since(removals: Sequence[PoolAction], nodes: Callable[[], Iterable[Node]]) -> set[str]:
    """The identifiers of nodes that run by now: one that was started after its removal was planned serves.

    Args:
        removals: what was planned of nodes that had ended, or of all when the cluster is taken down.
        nodes: looks at the nodes again.
    """
    if all(action.reason == TAKEN_DOWN for action in removals):
        return set()
    return {node.id for node in nodes() if node.running}
