"""Plans and carries out what people ask for, one change at a time, under the cluster's lock."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import DRAIN_COMMANDS
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem, quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import LockBusyError, cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import SYSTEM_CLOCK, Clock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import docker_errors
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.one_node import OneNode
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import Override, write_overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import (
    DRAIN,
    RELEASE,
    ROUTE,
    PoolAction,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    Outcome,
    PoolRequest,
    preview,
    reconcile_locked,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step

from . import verbs
from .journal import Journal
from .pool import Pool, balancer_of, ports_of, read_pool
from .settings import Settings
from .verbs import Plan, RefusedError, UnknownError, Wish

_LOCK_SECONDS = 5.0
_KEPT_PLANS = 200
_KEPT_ACTIONS = 100
# A killed node is started again after this time, as `docker run --restart` would not: see the note in `_kill`.
_AWAY_SECONDS = 1.0
_SITE = "ansible-playbook site.yml"
RUNNING, DONE, FAILED, HALTED, UNFINISHED = "running", "done", "failed", "halted", "unfinished"


class Hands(Protocol):
    """What is done to one container, beside what a reconciliation does. Each raises an ``EngineError`` if it fails."""

    def kill(self, container: str) -> None:
        """SIGKILL, as in a crash."""

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in it; its exit code and its output."""


class DockerHands:
    """The same at a Docker Engine.

    Args:
        client: of the engine; its version must be known, see :meth:`DockerClient.connect`.
    """

    def __init__(self, client: DockerClient) -> None:
        """Nothing is done yet."""
        self._client = client

    def kill(self, container: str) -> None:
        """SIGKILL, as in a crash."""
        with docker_errors(f"kill of {container[:12]}"):
            self._client.api.kill(container, "SIGKILL")

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in it; its exit code and its output."""
        return self._client.execute(container, command)


def reach(settings: Settings, client: DockerClient) -> tuple[Pool, Ports]:
    """What is declared now, and what it is reached through.

    Raises:
        EvenkeelError: there is no declaration, or Docker does not answer.
    """
    pool = read_pool(settings)
    ports = ports_of(settings, pool, client, balancer_of(settings))
    ports.engine.connect()
    return pool, ports


@dataclasses.dataclass
class Action:
    """One change, as all viewers see it.

    Attributes:
        id: names it.
        wish: what was asked for.
        actor: the person.
        at: when, in seconds since the epoch.
        lines: what was agreed to.
        state: one of this module's words.
        steps: what was reached, with seconds since the begin.
        result: the end in words; empty while it runs.
        warnings: what else to know.
        seconds: how long it took; None while it runs.
    """

    id: str
    wish: Wish
    actor: str
    at: float
    lines: tuple[str, ...]
    state: str = RUNNING
    steps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    result: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    halted_by: str = ""

    def shown(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)


class Actions:
    """All that the agent can change.

    Args:
        settings: the agent's.
        audit: where intents and results are written.
        changed: called with an action whenever it has changed, from several threads.
        drained_by: node's identifier to the person that told it to drain; kept here.
        reach: gives what is declared and what it is reached through, at the time of the question.
        hands: does to a container what the pool's ports cannot.
        clock: tells and passes the time.
    """

    def __init__(
        self,
        settings: Settings,
        audit: Journal,
        changed: Callable[[Action], None],
        drained_by: dict[str, str],
        reach: Callable[[], tuple[Pool, Ports]],
        hands: Hands,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Actions that a former agent has begun and not ended are told as unfinished."""
        self._settings = settings
        self._audit = audit
        self._changed = changed
        self._drained_by = drained_by
        self._pool = reach
        self._hands = hands
        self._clock = clock
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._requests: OrderedDict[str, str] = OrderedDict()
        self._actions: OrderedDict[str, Action] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="action")
        self._tell_unfinished()

    def _tell_unfinished(self) -> None:
        entries = self._audit.page(count=_KEPT_ACTIONS)
        ended = {entry.get("action") for entry in entries if entry.get("kind") == "result"}
        for entry in reversed(entries):
            if entry.get("kind") == "intent" and entry.get("action") not in ended:
                self._audit.add({**_said(entry), "kind": "result", "at": time.time(), "state": UNFINISHED})

    # -- plan ------------------------------------------------------------------------

    def plan(self, wish: Wish) -> Plan:
        """What it would do now; nothing is changed.

        Raises:
            EvenkeelError: it cannot be done.
        """
        found = self._made(wish)
        with self._lock:
            self._plans[found.id] = found
            while len(self._plans) > _KEPT_PLANS:
                self._plans.popitem(last=False)
        return found

    def _made(self, wish: Wish) -> Plan:
        pool, ports = self._pool()
        if wish.verb in verbs.OF_NODES:
            return self._node_plan(wish, pool, ports)
        request = _wished(pool, wish)
        actions = preview(request, ports).actions
        _check_only_nodes(actions)
        return Plan(
            _new_id(),
            wish,
            tuple(map(str, actions)),
            tuple(_side_effects(wish, actions, request)),
            wish.tier if _empties(wish, request) else "",
        )

    def _node_plan(self, wish: Wish, pool: Pool, ports: Ports) -> Plan:
        nodes = ports.engine.nodes()
        node = next((item for item in nodes if item.id == wish.node), None)
        if node is None:
            got = f"none with the identifier {quote(wish.node[:12])}"
            raise UnknownError(Problem("node", got, "a node of this cluster", "look at the nodes again"))
        tier = pool.tier(node.tier)
        if tier is None:
            raise RefusedError(Problem(f"node {node.name}", f"undeclared tier {node.tier}", "a declared one", _SITE))
        _check_state(wish.verb, node, tier)
        up = ports.balancer().server_status(tier.service)
        others = [item for item in nodes if item.id != node.id and item.tier == tier.name and up.get(item.url) == "UP"]
        leaves = wish.verb in verbs.LEAVING and up.get(node.url) == "UP"
        warnings = ["Clients with a session on this node move once."] if leaves and tier.sticky else []
        if wish.verb == verbs.KILL:
            warnings.append("Requests that it works on are lost. It is started again after a second.")
        if node.managed and wish.verb in {verbs.STOP, verbs.REMOVE, verbs.DRAIN}:
            warnings.append("The next run replaces it.")
        return Plan(
            _new_id(),
            dataclasses.replace(wish, tier=tier.name),
            (f"{wish.verb} {node.name}",),
            tuple(warnings),
            tier.name if leaves and not others else "",
        )

    # -- do --------------------------------------------------------------------------

    def do(self, plan_id: str, actor: str, key: str, typed: str = "") -> Action:
        """Carry out a plan; it goes on after this returns.

        Args:
            plan_id: of the plan, which is used up.
            actor: the person.
            key: the same for repetitions of one request, which get the first one's action.
            typed: the tier's name, where the plan wants it.

        Raises:
            UnknownError: there is no such plan, or it was used.
            ChangedError: the cluster has changed since; nothing was done.
            RefusedError: the name is not typed, or another action runs.
            LockBusyError: another run holds the lock.
        """
        with self._lock:
            if key in self._requests:
                return self._actions[self._requests[key]]
            agreed = self._plans.get(plan_id)
            if agreed is None:
                raise UnknownError(Problem("plan", "none of this name", "one that was not used", "make a new one"))
            if agreed.type_name and typed != agreed.type_name:
                raise RefusedError(
                    Problem(
                        f"tier {agreed.type_name}",
                        quote(typed),
                        "its name typed, because no node of it would serve",
                        f"type {agreed.type_name}",
                    )
                )
            running = next((item for item in self._actions.values() if item.state == RUNNING), None)
            if running is not None:
                got = f"{running.wish.verb} of {running.actor} running"
                raise RefusedError(Problem("action", got, "one at a time", "wait for its end, or halt it"))
            del self._plans[plan_id]
            action = Action(_new_id(), agreed.wish, actor, time.time(), agreed.lines)
            self._audit.add({**_intent(action), "kind": "intent", "at": action.at})
            self._remember(action, key)
        self._worker.submit(self._run, action, agreed)
        self._changed(action)
        return action

    def _remember(self, action: Action, key: str) -> None:
        self._actions[action.id] = action
        self._requests[key] = action.id
        while len(self._actions) > _KEPT_ACTIONS:
            gone, _ = self._actions.popitem(last=False)
            self._requests = OrderedDict((k, v) for k, v in self._requests.items() if v != gone)

    def halt(self, action_id: str, actor: str) -> Action:
        """Stop before the next wave; what has begun is finished.

        Raises:
            UnknownError: there is no such action.
            RefusedError: it does not run any more.
        """
        action = self.action(action_id)
        if action.state != RUNNING:
            raise RefusedError(Problem("action", action.state, "one that runs", "nothing is to be halted"))
        action.halted_by = actor
        self._audit.add({**_intent(action), "kind": "halt", "at": time.time(), "actor": actor})
        self._changed(action)
        return action

    def action(self, action_id: str) -> Action:
        """The action of this name.

        Raises:
            UnknownError: there is none.
        """
        with self._lock:
            found = self._actions.get(action_id)
        if found is None:
            raise UnknownError(Problem("action", "none of this name", "one of the newest", "look at the actions"))
        return found

    def recent(self) -> list[dict[str, Any]]:
        """The newest actions, newest first."""
        with self._lock:
            return [action.shown() for action in reversed(self._actions.values())]

    def _run(self, action: Action, agreed: Plan) -> None:
        began = time.monotonic()
        what = f"console: {action.actor}, {action.wish.verb} {action.wish.tier}"
        try:
            with cluster_lock(self._settings.cluster, what, _LOCK_SECONDS):
                warnings = self._perform(action, agreed)
            action.state, action.result, action.warnings = DONE, "done", tuple(warnings)
        except LockBusyError as error:
            action.state, action.result = FAILED, str(error)
        except (EvenkeelError, OSError) as error:
            action.state = HALTED if action.halted_by else FAILED
            action.result = str(error)
        except Exception as error:  # whatever it is: the next action must find a worker, and the page the reason
            action.state, action.result = FAILED, f"{type(error).__name__}: {error}"
            raise
        finally:
            action.seconds = round(time.monotonic() - began, 1)
            self._audit.add({**_intent(action), "kind": "result", "at": time.time(), **_ending(action)})
            self._changed(action)

    def _perform(self, action: Action, agreed: Plan) -> Sequence[str]:
        if agreed.wish.verb in verbs.OF_TIERS:
            return self._perform_on_tier(action, agreed)
        verbs.moved_on(agreed, self._made(agreed.wish))
        return self._perform_on_node(action)

    def _perform_on_tier(self, action: Action, agreed: Plan) -> Sequence[str]:
        wish = agreed.wish
        pool, ports = self._pool()
        request = _wished(pool, wish)

        def accept(actions: Sequence[PoolAction]) -> None:
            verbs.moved_on(agreed, dataclasses.replace(agreed, lines=tuple(map(str, actions))))
            _check_only_nodes(actions)
            # Before anything is changed: a run that is killed half-way must be gone on with, not undone.
            self._keep_override(pool, wish, action)

        outcome: Outcome = reconcile_locked(
            request,
            ports,
            on_step=lambda step: self._step(action, step),
            halt=lambda: f"a halt by {action.halted_by}" if action.halted_by else "",
            accept=accept,
            clock=self._clock,
        )
        return outcome.warnings

    def _keep_override(self, pool: Pool, wish: Wish, action: Action) -> None:
        kept = dict(pool.overrides)
        if wish.verb == verbs.SETTLE:
            kept.pop(wish.tier, None)
        elif wish.verb == verbs.SCALE and wish.count is not None:
            declared = pool.declared[wish.tier]
            kept[wish.tier] = Override(wish.tier, wish.count, declared, action.actor, action.at)
            if wish.count == declared:
                del kept[wish.tier]
        if kept != pool.overrides:
            write_overrides(Path(self._settings.overrides), kept)

    def _perform_on_node(self, action: Action) -> Sequence[str]:
        pool, ports = self._pool()
        node = next(item for item in ports.engine.nodes() if item.id == action.wish.node)
        tier = pool.request.tiers[node.tier]
        target = OneNode(
            node,
            tier,
            ports,
            self._settings.limits.ready_timeout,
            on_step=lambda step: self._step(action, step),
            clock=self._clock,
        )
        work: dict[str, Callable[[], object]] = {
            verbs.STOP: target.stop,
            verbs.START: target.start,
            verbs.RESTART: target.restart,
            verbs.REMOVE: target.remove,
            verbs.KILL: lambda: self._kill(node, target),
            verbs.DRAIN: lambda: self._drain(node, tier, action.actor),
            verbs.UNDRAIN: lambda: self._undrain(node, tier),
        }
        work[action.wish.verb]()
        return target.warnings

    def _kill(self, node: Node, target: OneNode) -> None:
        # Docker takes a kill through its API for a stop by a person, and does not start the container again.
        self._hands.kill(node.id)
        self._clock.sleep(_AWAY_SECONDS)
        target.start()

    def _drain(self, node: Node, tier: Tier, actor: str) -> None:
        self._told(node, tier, "on")
        self._drained_by[node.id] = actor

    def _undrain(self, node: Node, tier: Tier) -> None:
        self._told(node, tier, "off")
        self._drained_by.pop(node.id, None)

    def _told(self, node: Node, tier: Tier, word: str) -> None:
        command = [*DRAIN_COMMANDS[tier.leaving], word]
        code, output = self._hands.execute(node.id, command)
        if code:
            got = f"exit code {code}: {output.strip()[-200:]}"
            raise EvenkeelError(Problem(f"{' '.join(command)} in {node.name}", got, "success", "read its log"))

    def _step(self, action: Action, step: Step) -> None:
        action.steps.append({"node": step.node, "step": step.step, "at": step.at})
        self._changed(action)


def _new_id() -> str:
    return secrets.token_hex(16)


def _wished(pool: Pool, wish: Wish) -> PoolRequest:
    """What a reconciliation is asked for: of this tier alone."""
    tier = pool.tier(wish.tier)
    if tier is None:
        known = ", ".join(sorted(pool.request.tiers)) or "none"
        raise UnknownError(Problem("tier", quote(wish.tier), f"one of {known}", "choose one of these"))
    count = {verbs.SCALE: wish.count, verbs.SETTLE: pool.declared[wish.tier]}.get(wish.verb)
    tiers = dict(pool.request.tiers)
    if count is not None:
        tiers[wish.tier] = dataclasses.replace(tier, nodes=count)
    renew = (wish.tier,) if wish.verb == verbs.ROLL else ()
    return dataclasses.replace(pool.request, tiers=tiers, renew=renew, only=(wish.tier,))


def _empties(wish: Wish, request: PoolRequest) -> bool:
    return wish.verb != verbs.ROLL and request.tiers[wish.tier].nodes == 0


def _check_only_nodes(actions: Sequence[PoolAction]) -> None:
    """Refuse a plan that does more than to start and to end nodes.

    Raises:
        RefusedError: it has more.
    """
    other = [action for action in actions if action.kind in {ROUTE, RELEASE}]
    if other:
        raise RefusedError(Problem("plan", f"'{other[0]}'", "nodes that start and end alone", _SITE))


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
    if verb in {verbs.DRAIN, verbs.UNDRAIN} and tier.leaving not in DRAIN_COMMANDS:
        got = "an image that nothing can tell to drain (leaving: balancer)"
        raise RefusedError(Problem(f"{verb} of {node.name}", got, "leaving: own or held", "stop it instead"))
    running = {verbs.DRAIN, verbs.UNDRAIN, verbs.STOP, verbs.KILL}
    if verb in running and not node.running:
        raise RefusedError(Problem(f"{verb} of {node.name}", node.condition, "a node that runs", "start it first"))
    if verb == verbs.START and node.state != ENDED:
        raise RefusedError(Problem(f"start of {node.name}", node.condition, "a node that has ended", "restart it"))


def _intent(action: Action) -> Mapping[str, Any]:
    return {
        "action": action.id,
        "actor": action.actor,
        "verb": action.wish.verb,
        "tier": action.wish.tier,
        "node": action.wish.node,
        "count": action.wish.count,
        "lines": list(action.lines),
    }


def _ending(action: Action) -> Mapping[str, Any]:
    return {"state": action.state, "result": action.result, "seconds": action.seconds}


def _said(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in {"number", "kind", "at"}}
