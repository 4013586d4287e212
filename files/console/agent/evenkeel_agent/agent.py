"""The agent at work: it looks whenever something happens, and lets viewers and actions at what it has seen."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import traceback
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import LockBusyError
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient

from .action import Action
from .actions import CONSOLE, Actions, reach
from .changes import Changes
from .drained import Drained
from .engine import CachingClient
from .engine_stream import EngineStreams, StreamError, told
from .glance import TELLING, glance, over
from .history import History
from .journal import Journal
from .keeper import Keeper, is_ended, stopped_by_hand
from .look import Look
from .node_work import DockerHands
from .planning import new_id
from .pool import read_pool
from .samples import Samples
from .settings import Settings
from .transitions import STATE, transitions
from .verbs import KEEP, RESTART, BusyError, ChangedError, Wish

#: Bytes of events and of the audit log on disk.
EVENTS_BYTES, AUDIT_BYTES = 20 * 1024 * 1024, 20 * 1024 * 1024
# Between two looks while somebody watches, and otherwise; and between the first event and the look that it causes.
_WATCHED_SECONDS, _IDLE_SECONDS, _GATHER_SECONDS = 1.0, 10.0, 0.1
# Between two glances.
_GLANCE_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
# A viewer that is silent longer than this may have gone without a word.
_BEAT_SECONDS = 5.0
# Seconds in which a state that was asked for is asked for again.
_ASKED_SECONDS = 5.0
# Between two tellings of one action.
_ACTION_SECONDS = 0.1
_EVENTS_LOOKED_AT = 5000
# Events that may wait for a slow disk; then Docker's wait, too.
_NOTES = 1000
_LAST_KNOWN = ("tiers", "nodes", "undeclared", "drift")


class Agent:
    """Everything that the agent keeps while it runs.

    Args:
        settings: the agent's.

    Raises:
        EvenkeelError: a file that it needs cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the journals; Docker and the balancer are not asked yet."""
        self.settings = settings
        self.events = Journal(settings.data_dir / "events.jsonl", EVENTS_BYTES)
        self.audit = Journal(settings.data_dir / "audit.jsonl", AUDIT_BYTES)
        self.streams = EngineStreams(settings.docker_socket, settings.cluster)
        self.changes = Changes()
        self._drained = Drained(settings.data_dir / "drained.json")
        self._client = CachingClient(settings.docker_socket)
        acting = DockerClient(f"unix://{settings.docker_socket}")
        self.actions = Actions(
            settings,
            self.audit,
            self._action_changed,
            self._drained,
            lambda: reach(settings, acting),
            DockerHands(acting),
        )
        self.samples = Samples(settings.docker_socket)
        self.history = History()
        self._look = Look(settings, self._client, self._drained, self._look_again)
        # Docker's words that the state is made of; none while the cluster cannot be read.
        self._told: Mapping[str, str] | None = None
        self._happened_at = -math.inf
        self._stirred = asyncio.Event()
        self._sight = asyncio.Lock()
        self._notes: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_NOTES)
        self._keeper = Keeper(time.monotonic) if settings.keep else None
        self._action_news: dict[str, dict[str, Any]] = {}
        self._viewers = 0
        self._asked = -_ASKED_SECONDS
        self._wake = asyncio.Event()
        self._acted = asyncio.Event()
        self._news = asyncio.Condition()
        self._loop = asyncio.get_running_loop()
        self._engine_trouble = ""
        self._keep_trouble: list[str] = []

    # -- looking ---------------------------------------------------------------------

    async def run(self) -> None:
        """Look and follow until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_events())
            tasks.create_task(self._keep_looking())
            tasks.create_task(self._keep_glancing())
            tasks.create_task(self._write_notes())
            tasks.create_task(self._tell_actions())

    async def _follow_events(self) -> None:
        # From where a former agent has stopped: Docker keeps the last events.
        since = await asyncio.to_thread(self._newest_event)
        while True:
            try:
                async for event in self.streams.events(since):
                    if self._engine_trouble:
                        self._engine_trouble = ""
                        self._wake.set()
                    since = await self._happened(event) or since
            except StreamError as error:
                self._engine_trouble = f"Docker's events: got '{error}', want them to go on (trying again)"
                self._client.forget()
                self._wake.set()
            await asyncio.sleep(_AGAIN_SECONDS)

    def _newest_event(self) -> float | None:
        """The time after the newest of Docker's events in the journal; None for none."""
        try:
            # While Docker is away, there may be many events of states.
            newest = self.events.newest(lambda entry: entry.get("kind") != STATE)
        except OSError:  # it is followed from now on
            traceback.print_exc()
            return None
        return _after(newest) if newest else None

    async def _happened(self, event: Mapping[str, Any]) -> float | None:
        kept = told(event)
        if kept is None:
            return None
        self._client.forget(kept["node"])
        self._wake.set()
        if kept["kind"] in TELLING:
            self._happened_at = time.monotonic()
            self._stirred.set()
        await self._notes.put(kept)
        return _after(kept)

    async def _write_notes(self) -> None:
        """In a task of their own: a slow disk must not hold up what follows an event."""
        while True:
            event = await self._notes.get()
            with contextlib.suppress(OSError):  # a full disk must not end the view of what goes on
                event = await asyncio.to_thread(self.events.add, event)
            await self._tell({"event": event})

    async def _keep_glancing(self) -> None:
        """Tell at once what Docker alone knows; a look may have to wait for answers of nodes and the balancer."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            async with self._sight:
                if self._told is not None:
                    state, self._told = await self._glanced(self.changes.state["state"], self._told)
                    await self._become(state)
            await asyncio.sleep(_GLANCE_SECONDS)

    async def _glanced(
        self, state: dict[str, Any], words: Mapping[str, str]
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        try:
            return over(state, words, await asyncio.to_thread(glance, self.settings, self._client, words))
        except EvenkeelError:  # the next look says why
            return state, words

    async def _become(self, state: dict[str, Any]) -> None:
        async with self._news:
            if self.changes.set(state):
                self._news.notify_all()

    async def _keep_looking(self) -> None:
        before = self.changes.state["state"]
        while True:
            self._wake.clear()
            state = await asyncio.to_thread(self._take)
            is_whole = not state["trouble"]
            state = self._with_keeping(before, state)
            async with self._sight:
                self._told = self._look.statuses if is_whole else None
                # What has happened while the look waited for answers is newer than what it tells.
                if self._told is not None and self._happened_at > self._look.listed_at:
                    state, self._told = await self._glanced(state, self._told)
                await self._become(state)
            for event in transitions(before, state):
                await self._notes.put(event)
            before = state
            if is_whole:
                self.history.add(state)
                await asyncio.to_thread(self.actions.seen, state["nodes"], state["at"])
                if self._keeper:
                    await asyncio.to_thread(self._keep, self._keeper, state)
            await asyncio.to_thread(self.actions.write_again)
            interval = _WATCHED_SECONDS if self._is_watched() else _IDLE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), interval)
                await asyncio.sleep(_GATHER_SECONDS)

    def _look_again(self) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the agent ends
            self._loop.call_soon_threadsafe(self._wake.set)

    def _take(self) -> dict[str, Any]:
        before = self.changes.state["state"]
        try:
            state = self._look.take()
        except (EvenkeelError, OSError) as error:
            state = {**before, "at": time.time(), "trouble": str(error).splitlines()}
        except Exception as error:  # a bug in the look must not end the actions
            traceback.print_exc()
            state = {**before, "at": time.time(), "trouble": [f"look: {type(error).__name__}: {error}"]}
        if self._engine_trouble:
            state["trouble"] = [*state.get("trouble", []), self._engine_trouble]
        if state["trouble"] and not state.get("tiers"):
            # What was there before it began: the page shows it as such, with the trouble and since when.
            state = {**state, **{part: before[part] for part in _LAST_KNOWN if part in before}}
        since = before.get("trouble_since") or state["at"]
        return {**state, "trouble_since": since if state["trouble"] else None}

    def _with_keeping(self, before: Mapping[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        """The state, with what keeps the agent from replacing a node."""
        if not self._keep_trouble:
            return state
        since = state["trouble_since"] or before.get("trouble_since") or state["at"]
        return {**state, "trouble": [*state["trouble"], *self._keep_trouble], "trouble_since": since}

    def _keep(self, keeper: Keeper, state: Mapping[str, Any]) -> None:
        """Replace one node that ended or hangs, if none does it now."""
        nodes, stopped = state["nodes"], self.actions.stopped
        ended = {name for name, node in nodes.items() if is_ended(node)}

        def left() -> set[str]:
            restarts = self.audit.page(count=_EVENTS_LOOKED_AT, verb=RESTART)
            by_hand = stopped_by_hand(self.events.page(count=_EVENTS_LOOKED_AT), restarts)
            # A node that crashes again and again drives older events out.
            stopped.add(by_hand & ended)
            return by_hand | stopped.nodes | self._drained.keys()

        try:
            if not state["balancer"].get("reachable") or state["lock"]:
                self._keep_trouble = []  # nothing is tried now
                return
            chosen = keeper.next(nodes, left, self._patience)
            self._keep_trouble = []
            if chosen is None:
                return
            node, tier = chosen
            plan = self.actions.plan(Wish(KEEP, tier, node))
            if plan.lines:
                self.actions.do(plan.id, CONSOLE, new_id())
                keeper.began(tier)
        except (BusyError, LockBusyError, ChangedError):  # another run is at work: later
            return
        except (EvenkeelError, OSError) as error:
            self._keep_trouble = str(error).splitlines()
        except Exception as error:  # a bug here must not end the looks
            traceback.print_exc()
            self._keep_trouble = [f"keep: {type(error).__name__}: {error}"]

    def _patience(self, tier: str) -> float:
        """Seconds that a node of the tier gets to become ready."""
        declared = read_pool(self.settings).tier(tier)
        return (declared.ready_seconds if declared else 0) or self.settings.limits.ready_timeout

    def state(self) -> dict[str, Any]:
        """The state now with its number; for some seconds from now on, looks are as frequent as for a viewer."""
        if time.monotonic() - self._asked > _WATCHED_SECONDS:
            self._wake.set()
        self._asked = time.monotonic()
        return self.changes.state

    def _is_watched(self) -> bool:
        return self._viewers > 0 or time.monotonic() - self._asked < _ASKED_SECONDS

    # -- telling ---------------------------------------------------------------------

    def _action_changed(self, action: Action) -> None:
        """From any thread."""
        shown = action.shown()

        def note() -> None:
            self._action_news[action.id] = shown
            self._acted.set()
            self._wake.set()

        with contextlib.suppress(RuntimeError):  # the agent ends, and what it has begun goes on
            self._loop.call_soon_threadsafe(note)

    async def _tell_actions(self) -> None:
        """Steps of many nodes come at once; what is told of an action is the whole of it."""
        while True:
            await self._acted.wait()
            self._acted.clear()
            news, self._action_news = self._action_news, {}
            for shown in news.values():
                await self._tell({"action": shown})
            await asyncio.sleep(_ACTION_SECONDS)

    async def _tell(self, what: Mapping[str, Any]) -> None:
        async with self._news:
            self.changes.tell(what)
            self._news.notify_all()

    async def watch(self, since: int) -> AsyncGenerator[dict[str, Any], None]:
        """What a viewer must know: the whole state if it lacks too much, then every change, and a beat in silence.

        Args:
            since: the number of the last change that the viewer has; -1 for none.
        """
        self._viewers += 1
        self._wake.set()
        try:
            while True:
                news = self.changes.since(since)
                if news is None:
                    whole = self.changes.state
                    yield whole
                    since = whole["number"]  # not the newest: something may have come while this was written
                    continue
                for item in news:
                    yield item
                    since = item["number"]
                if not news and not await self._awaited(since):
                    yield {"beat": time.time()}
        finally:
            self._viewers -= 1

    async def _awaited(self, since: int) -> bool:
        """Whether something new came before the next beat was due."""
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(lambda: self.changes.number > since), _BEAT_SECONDS)
            except TimeoutError:
                return False
            return True


def _after(event: Mapping[str, Any]) -> float:
    """The next moment: Docker repeats what happened in the very one."""
    return float(event["at"]) + 1e-6
