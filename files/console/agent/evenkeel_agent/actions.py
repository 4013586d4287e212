"""Carries out what people ask for, one change at a time, under the cluster's lock, and on record."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem, quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import SYSTEM_CLOCK, Clock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import Override, write_overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import PoolAction
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import RunFailedError, reconcile_locked
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rotation import HaltedError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.steps import Step

from . import verbs
from .action import DONE, FAILED, HALT, HALTED, INTENT, RESULT, RUNNING, Action, restored
from .begins import Begins
from .drained import Drained
from .journal import Journal
from .keeper import is_ended
from .node_state import IN_ROTATION
from .node_work import Hands, NodeWork
from .planning import Planner, Reach, check_only_nodes, new_id, wished
from .pool import Pool, balancer_of, ports_of, read_pool
from .settings import Settings
from .stopped import Stopped
from .verbs import BusyError, ChangedError, Plan, RefusedError, UnknownError, Wish
from .verification import Verification

#: The actor of what the agent does by itself.
CONSOLE = "console"
_LOCK_SECONDS = 5.0
_KEPT_PLANS, _KEPT_ACTIONS = 200, 100
_KEPT_ENTRIES = 3 * _KEPT_ACTIONS


def reach(settings: Settings, client: DockerClient) -> tuple[Pool, Ports]:
    """What is declared now, and what it is reached through.

    Raises:
        EvenkeelError: there is no declaration, or Docker does not answer.
    """
    pool = read_pool(settings)
    ports = ports_of(settings, pool, client, balancer_of(settings))
    ports.engine.connect()
    return pool, ports


class Actions:
    """All that the agent can change.

    Args:
        settings: the agent's.
        audit: where intents and results are written.
        changed: called with an action whenever it has changed, from several threads.
        drained: the nodes that people have told to drain; kept here.
        reach: gives what is declared and what it is reached through, at the time of the question.
        hands: does to a container what the pool's ports cannot.
        clock: tells and passes the time.
    """

    def __init__(
        self,
        settings: Settings,
        audit: Journal,
        changed: Callable[[Action], None],
        drained: Drained,
        reach: Reach,
        hands: Hands,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Actions that a former agent has begun and not ended are told as unfinished."""
        self._settings = settings
        self._audit = audit
        self._changed = changed
        self._reach = reach
        self._planner = Planner(reach)
        self._drained = drained
        #: The nodes that people have stopped.
        self.stopped = Stopped(settings.data_dir / "stopped.json")
        self._nodes = NodeWork(hands, drained, self.stopped, settings.limits.ready_timeout, clock)
        self._clock = clock
        self._begins = Begins()
        self._writes = threading.Lock()
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        # Key of a request to its action and its plan.
        self._requests: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._unwritten: deque[Mapping[str, Any]] = deque(maxlen=_KEPT_ENTRIES)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="action")
        self._work: Future[None] | None = None
        former, unfinished = restored(audit.page(count=_KEPT_ENTRIES))
        self._actions: OrderedDict[str, Action] = OrderedDict((each.id, each) for each in former[-_KEPT_ACTIONS:])
        for action in unfinished:
            self._record(action.entry(RESULT, time.time()))

    # -- plan ------------------------------------------------------------------------

    def plan(self, wish: Wish) -> Plan:
        """What it would do now; nothing is changed.

        Raises:
            EvenkeelError: it cannot be done.
        """
        return self._kept(self._planner.plan(wish))

    def _kept(self, found: Plan) -> Plan:
        with self._lock:
            self._plans[found.id] = found
            while len(self._plans) > _KEPT_PLANS:
                self._plans.popitem(last=False)
        return found

    # -- do --------------------------------------------------------------------------

    def do(self, plan_id: str, actor: str, key: str, typed: str = "") -> Action:
        """Begin to carry out a plan; it goes on after this returns.

        Args:
            plan_id: of the plan, which is used up.
            actor: the person.
            key: the same for repetitions of one request, which get the first one's action.
            typed: the tier's name, where the plan wants it.

        Raises:
            UnknownError: there is no such plan, or it was used.
            ChangedError: the cluster has changed since; nothing was done. It has the new plan.
            RefusedError: the name is not typed, the key is that of another plan, or the agent ends.
            BusyError: another action runs, or begins.
            LockBusyError: another run holds the lock.
            OSError: the intent cannot be written; nothing was done.
        """
        with self._lock:
            if known := self._known(key, plan_id):
                return known
        with self._begins.turn(key, f"{CONSOLE}: {actor}"):
            with self._lock:
                if known := self._known(key, plan_id):
                    return known
                agreed = self._agreed(plan_id, typed)
                self._check_idle()
            action = Action(new_id(), agreed.wish, actor, time.time(), agreed.lines)
            held = self._held(action, agreed)
            try:
                self._begins.check_open()
                self._audit.add(action.entry(INTENT, action.at))
                with self._lock:
                    self._plans.pop(plan_id, None)
                    self._remember(action, key, plan_id)
                self._work = self._worker.submit(self._run, action, agreed, held)
            except BaseException:
                held.close()
                raise
        self._changed(action)
        return action

    def _known(self, key: str, plan_id: str) -> Action | None:
        """The action of a request that is repeated."""
        if key not in self._requests:
            return None
        action, plan = self._requests[key]
        if plan != plan_id:
            raise RefusedError(
                Problem("Idempotency-Key", "one of another plan", "a new one for a new plan", "send another")
            )
        return self._actions[action]

    def _agreed(self, plan_id: str, typed: str) -> Plan:
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
        return agreed

    def _check_idle(self) -> None:
        running = next((item for item in self._actions.values() if item.state == RUNNING), None)
        if running is not None:
            raise BusyError(_what(running))

    def _held(self, action: Action, agreed: Plan) -> contextlib.ExitStack:
        """The cluster's lock, if the plan is still the one that was agreed to; the worker gives it back."""
        with contextlib.ExitStack() as stack:
            # A verification changes nothing. As that of the playbook, it waits for nothing and hinders nothing.
            if agreed.wish.verb != verbs.VERIFY:
                stack.enter_context(cluster_lock(self._settings.cluster, _what(action), _LOCK_SECONDS))
            try:
                verbs.moved_on(agreed, now := self._planner.plan(agreed.wish))
            except ChangedError as error:
                error.plan = self._kept(now)
                raise
            return stack.pop_all()

    def _remember(self, action: Action, key: str, plan_id: str) -> None:
        self._actions[action.id] = action
        self._requests[key] = (action.id, plan_id)
        while len(self._actions) > _KEPT_ACTIONS:
            gone, _ = self._actions.popitem(last=False)
            self._requests = OrderedDict((k, v) for k, v in self._requests.items() if v[0] != gone)

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
        self._record(action.entry(HALT, time.time(), actor))
        self._changed(action)
        return action

    def end(self, seconds: float) -> bool:
        """Let nothing begin any more, halt what runs, and wait for its end; whether nothing runs any more.

        Args:
            seconds: to wait at most.
        """
        until = time.monotonic() + seconds
        if not self._begins.end(seconds):
            return False
        with self._lock:
            running = [action.id for action in self._actions.values() if action.state == RUNNING]
        for name in running:
            with contextlib.suppress(RefusedError):  # it has ended meanwhile
                self.halt(name, CONSOLE)
        return self._work is None or not wait([self._work], max(0.0, until - time.monotonic())).not_done

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

    def write_again(self) -> None:
        """Write what the audit log could not take, for example because the disk was full."""
        with self._writes:
            while self._unwritten:
                try:
                    self._audit.add(self._unwritten[0])
                except OSError:
                    return
                self._unwritten.popleft()

    def seen(self, nodes: Mapping[str, Mapping[str, Any]], at: float) -> None:
        """Forget of what people have done to nodes whatever is over.

        Args:
            nodes: the agent's state of them.
            at: when they were seen so.
        """
        ended = {name for name, node in nodes.items() if is_ended(node)}
        out = {name for name, node in nodes.items() if node["word"] != IN_ROTATION}
        # It is forgotten also where it cannot be written, and written with the next look.
        with contextlib.suppress(OSError):
            self.stopped.forget(ended, at)
        with contextlib.suppress(OSError):
            self._drained.keep_only(out, at)

    def _record(self, entry: Mapping[str, Any]) -> None:
        """Write an entry, now or later: what has happened is not undone by a full disk."""
        self._unwritten.append(entry)
        self.write_again()

    # -- the worker's ----------------------------------------------------------------

    def _run(self, action: Action, agreed: Plan, held: contextlib.ExitStack) -> None:
        began = time.monotonic()
        state, result = FAILED, ""
        try:
            with held:
                action.warnings = tuple(self._perform(action, agreed))
            state, result = DONE, _end_of(action)
        except (EvenkeelError, OSError) as error:
            state, result = HALTED if _is_halted(error) else FAILED, str(error)
        except Exception as error:  # whatever it is: the next action must find a worker, and the page the reason
            result = f"{type(error).__name__}: {error}"
            traceback.print_exc()
        finally:
            seconds = round(time.monotonic() - began, 1)
            # On record before anything can see that it is over.
            over = dataclasses.replace(action, state=state, result=result, seconds=seconds)
            self._record(over.entry(RESULT, time.time()))
            action.result, action.state, action.seconds = result, state, seconds
            self._changed(action)

    def _perform(self, action: Action, agreed: Plan) -> Sequence[str]:
        wish = agreed.wish
        if wish.verb == verbs.VERIFY:
            verification = Verification(self._settings, self._reach(), lambda: action.halted_by)
            return verification.run(wish.tier, action.verdicts, lambda: self._changed(action))
        if wish.verb in verbs.OF_NODES:
            return self._nodes.do(wish.verb, wish.node, action.actor, self._reach(), self._stepper(action))
        return self._perform_on_tier(action, agreed)

    def _perform_on_tier(self, action: Action, agreed: Plan) -> Sequence[str]:
        pool, ports = self._reach()

        def accept(actions: Sequence[PoolAction]) -> None:
            # The reconciliation has waited for nodes that were about to be ready.
            verbs.moved_on(agreed, dataclasses.replace(agreed, lines=tuple(map(str, actions))))
            check_only_nodes(actions)
            # Before anything is changed: a run that is killed half-way must be gone on with, not undone.
            if agreed.wish.verb == verbs.SCALE:
                self._keep_override(pool, agreed.wish, action)

        before = _serving(ports, agreed.wish.tier)
        try:
            outcome = reconcile_locked(
                wished(pool, agreed.wish),
                ports,
                on_step=self._stepper(action),
                halt=lambda: f"a halt by {action.halted_by}" if action.halted_by else "",
                accept=accept,
                clock=self._clock,
            )
        except (EvenkeelError, OSError) as error:
            if agreed.wish.verb == verbs.SCALE and not _is_halted(error):
                # What was begun and not returned is gone on with; else the former number holds.
                with contextlib.suppress(EvenkeelError, OSError):
                    if _serving(ports, agreed.wish.tier) == before:
                        write_overrides(Path(self._settings.overrides), pool.overrides)
            raise
        if agreed.wish.verb == verbs.SETTLE:
            self._keep_override(pool, agreed.wish, action)
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

    def _stepper(self, action: Action) -> Callable[[Step], None]:
        def tell(step: Step) -> None:
            action.steps.append({"node": step.node, "step": step.step, "at": step.at})
            self._changed(action)

        return tell


def _is_halted(error: Exception) -> bool:
    """Whether it ended because a person halted it, and nothing failed."""
    return isinstance(error, HaltedError) or (isinstance(error, RunFailedError) and error.halted)


def _serving(ports: Ports, tier: str) -> set[str]:
    """The tier's managed nodes that run."""
    return {node.id for node in ports.engine.nodes() if node.managed and node.running and node.tier == tier}


def _what(action: Action) -> str:
    """What holds the lock, in words."""
    return f"console: {action.actor}, {action.wish.verb} {action.wish.tier or 'all tiers'}"


def _end_of(action: Action) -> str:
    failed = [item for item in action.verdicts if item["ok"] is False]
    return f"done, {len(failed)} of {len(action.verdicts)} checks failed" if failed else "done"
