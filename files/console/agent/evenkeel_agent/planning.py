"""What a wish would do now. Nothing is changed here."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.in_turn import count_problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import DRAIN_COMMANDS
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import REPLACE, Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem, quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import DRAIN, RELEASE, ROUTE, START, PoolAction
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    PoolRequest,
    preview_locked,
)

from . import verbs
from .pool import Pool
from .verbs import Plan, RefusedError, UnknownError, Wish

Reach = Callable[[], tuple[Pool, Ports]]
_PAUSED = "paused"
_SITE = "ansible-playbook site.yml"
_PLAN_BYTES = 16


class Planner:
    """Tells what a wish would do.

    Args:
        reach: gives what is declared and what it is reached through, at the time of the question.
    """

    def __init__(self, reach: Reach) -> None:
        """Nothing is asked yet."""
        self._reach = reach

    def plan(self, wish: Wish) -> Plan:
        """The plan for a wish. No lock is taken: what is carried out is planned again under it.

        Args:
            wish: what is asked for.

        Raises:
            UnknownError: there is no such tier or node.
            RefusedError: its state does not allow it, or the declaration has changed.
            EvenkeelError: it cannot be told.
        """
        pool, ports = self._reach()
        if wish.verb in verbs.OF_NODES:
            return _of_node(wish, pool, ports)
        if wish.verb == verbs.VERIFY:
            tiers = [wish.tier] if wish.tier else sorted(pool.request.tiers)
            for name in tiers:
                tier_of(pool, name)
            return Plan(new_id(), wish, tuple(f"measure {name}" for name in tiers))
        request = wished(pool, wish)
        outcome = preview_locked(request, ports)
        actions = outcome.actions
        check_only_nodes(actions)
        is_empty = wish.verb in {verbs.SCALE, verbs.SETTLE} and request.tiers[wish.tier].nodes == 0
        return Plan(
            new_id(),
            wish,
            tuple(map(str, actions)),
            tuple(_side_effects(wish, actions, request)),
            wish.tier if is_empty or _ends_all(outcome, wish.tier) else "",
        )


def new_id() -> str:
    """A name that nothing else has, and that cannot be guessed."""
    return secrets.token_hex(_PLAN_BYTES)


def tier_of(pool: Pool, name: str) -> Tier:
    """The declared tier of this name.

    Raises:
        UnknownError: there is none.
    """
    tier = pool.tier(name)
    if tier is None:
        known = ", ".join(sorted(pool.request.tiers)) or "none"
        raise UnknownError(Problem("tier", quote(name), f"one of {known}", "choose one of these"))
    return tier


def wished(pool: Pool, wish: Wish) -> PoolRequest:
    """What a reconciliation is asked for: of the wish's tier alone.

    Raises:
        UnknownError: there is no such tier.
        RefusedError: it must not have as many nodes.
    """
    tier = tier_of(pool, wish.tier)
    count = {verbs.SCALE: wish.count, verbs.SETTLE: pool.declared[wish.tier]}.get(wish.verb)
    tiers = dict(pool.request.tiers)
    if count is not None:
        if problem := count_problem(tier.name, count, tier.roll):
            raise RefusedError(problem)
        tiers[wish.tier] = dataclasses.replace(tier, nodes=count)
    renew = (wish.tier,) if wish.verb == verbs.ROLL else ()
    replace = (wish.node,) if wish.verb == verbs.KEEP else ()
    return dataclasses.replace(pool.request, tiers=tiers, renew=renew, only=(wish.tier,), replace=replace)


def check_only_nodes(actions: Sequence[PoolAction]) -> None:
    """Refuse a plan that does more than to start and to end nodes.

    Raises:
        RefusedError: it has more.
    """
    other = [action for action in actions if action.kind in {ROUTE, RELEASE}]
    if other:
        raise RefusedError(Problem("plan", f"'{other[0]}'", "nodes that start and end alone", _SITE))


def _ends_all(outcome: Outcome, tier: str) -> bool:
    """Whether all that serve of a tier end before anything of it starts."""
    serving = {node.id for node in outcome.before if (node.tier, node.running) == (tier, True)}
    serving -= {node.id for node in outcome.before if node.leaving or node.silent}
    # The starts of a step come before its ends.
    first = min((action.step for action in outcome.actions if action.kind == START), default=None)
    ends = {a.id for a in outcome.actions if a.kind == DRAIN and (first is None or a.step < first)}
    return bool(serving) and serving <= ends


def _of_node(wish: Wish, pool: Pool, ports: Ports) -> Plan:
    nodes = ports.engine.nodes()
    node = next((item for item in nodes if item.id == wish.node), None)
    if node is None:
        got = f"none with the identifier {quote(wish.node[:12])}"
        raise UnknownError(Problem("node", got, "a node of this cluster", "look at the nodes again"))
    tier = pool.tier(node.tier)
    if tier is None:
        raise RefusedError(Problem(f"node {node.name}", f"undeclared tier {node.tier}", "a declared one", _SITE))
    _check_state(wish.verb, node, tier)
    _check_alone(wish.verb, node, tier, nodes)
    up = ports.balancer().server_status(tier.service)
    others = [item for item in nodes if item.id != node.id and item.tier == tier.name and up.get(item.url) == "UP"]
    leaves = wish.verb in verbs.LEAVING and up.get(node.url) == "UP"
    warnings = ["Clients with a session on this node move once."] if leaves and tier.sticky else []
    if wish.verb == verbs.KILL:
        warnings.append("Requests that it works on are lost. It is started again after a second.")
    if node.managed and wish.verb in {verbs.STOP, verbs.REMOVE, verbs.DRAIN}:
        warnings.append("The next run replaces it.")
    return Plan(
        new_id(),
        dataclasses.replace(wish, tier=tier.name),
        (f"{wish.verb} {node.name}",),
        tuple(warnings),
        tier.name if leaves and not others else "",
    )


def _side_effects(wish: Wish, actions: Sequence[PoolAction], request: PoolRequest) -> list[str]:
    leaving = [action for action in actions if action.kind == DRAIN]
    found = []
    if leaving and request.tiers[wish.tier].sticky:
        found.append("Clients with a session on nodes that leave move once.")
    guests = [action.node for action in leaving if "guest" in action.reason]
    if guests:
        found.append(f"Guests leave, too: {', '.join(guests)}.")
    return found


def _check_state(verb: str, node: Node, tier: Tier) -> None:
    """Refuse what the node's state does not allow.

    Raises:
        RefusedError: it does not.
    """
    if verb != verbs.REMOVE and node.detail == _PAUSED:
        fix = f"docker unpause {node.name}, or remove it"
        raise RefusedError(Problem(f"{verb} of {node.name}", node.condition, "a node that is not frozen", fix))
    if verb in {verbs.DRAIN, verbs.UNDRAIN} and tier.leaving not in DRAIN_COMMANDS:
        got = "an image that nothing can tell to drain (leaving: balancer)"
        raise RefusedError(Problem(f"{verb} of {node.name}", got, "leaving: own or held", "stop it instead"))
    running = {verbs.DRAIN, verbs.UNDRAIN, verbs.STOP, verbs.KILL}
    if verb in running and not node.running:
        raise RefusedError(Problem(f"{verb} of {node.name}", node.condition, "a node that runs", "start it first"))
    if verb == verbs.START and node.state != ENDED:
        raise RefusedError(Problem(f"start of {node.name}", node.condition, "a node that has ended", "restart it"))


def _check_alone(verb: str, node: Node, tier: Tier, nodes: Iterable[Node]) -> None:
    """Refuse to start a second node of an application that must not run twice.

    Raises:
        RefusedError: another one is there.
    """
    if tier.roll != REPLACE or node.running or verb not in {verbs.START, verbs.RESTART}:
        return
    other = next(
        (item for item in nodes if item.tier == tier.name and item.id != node.id and item.state != ENDED), None
    )
    if other is not None:
        what, got = f"{verb} of {node.name}", f"{other.name} {other.condition} (roll: replace)"
        raise RefusedError(Problem(what, got, "no other node of its tier", f"stop {other.name} first"))
