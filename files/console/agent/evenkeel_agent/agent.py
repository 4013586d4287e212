"""The agent at work: it looks whenever something happens, and lets viewers and actions at what it has seen."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient

from .actions import Action, Actions, DockerHands, reach
from .changes import Changes
from .engine import CachingClient
from .engine_stream import EngineStreams, StreamError, told
from .journal import Journal
from .look import Look
from .settings import Settings

#: Bytes of events and of the audit log on disk.
EVENTS_BYTES, AUDIT_BYTES = 20 * 1024 * 1024, 20 * 1024 * 1024
# Between two looks while somebody watches, and otherwise; and between the first event and the look that it causes.
_WATCHED_SECONDS, _IDLE_SECONDS, _GATHER_SECONDS = 1.0, 10.0, 0.1
_AGAIN_SECONDS = 1.0
# A viewer that is silent longer than this may have gone without a word.
_BEAT_SECONDS = 5.0


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
        self._drained_by: dict[str, str] = {}
        self._client = CachingClient(settings.docker_socket)
        acting = DockerClient(f"unix://{settings.docker_socket}")
        self.actions = Actions(
            settings,
            self.audit,
            self._action_changed,
            self._drained_by,
            lambda: reach(settings, acting),
            DockerHands(acting),
        )
        self._look = Look(settings, self._client, self._drained_by)
        self._viewers = 0
        self._wake = asyncio.Event()
        self._news = asyncio.Condition()
        self._loop = asyncio.get_running_loop()
        self._engine_trouble = ""

    # -- looking ---------------------------------------------------------------------

    async def run(self) -> None:
        """Look and follow until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_events())
            tasks.create_task(self._keep_looking())

    async def _follow_events(self) -> None:
        since: float | None = None
        while True:
            try:
                async for event in self.streams.events(since):
                    self._engine_trouble = ""
                    since = await self._happened(event) or since
            except StreamError as error:
                self._engine_trouble = f"Docker's events: got '{error}', want them to go on (trying again)"
                self._client.forget()
                self._wake.set()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _happened(self, event: Mapping[str, Any]) -> float | None:
        kept = told(event)
        if kept is None:
            return None
        self._client.forget(kept["node"])
        self._wake.set()
        with contextlib.suppress(OSError):  # a full disk must not end the view of what goes on
            kept = await asyncio.to_thread(self.events.add, kept)
        await self._tell({"event": kept})
        # The next second: Docker repeats what happened in the very moment.
        return float(kept["at"]) + 1e-6

    async def _keep_looking(self) -> None:
        while True:
            self._wake.clear()
            state = await asyncio.to_thread(self._take)
            async with self._news:
                if self.changes.set(state):
                    self._news.notify_all()
            interval = _WATCHED_SECONDS if self._viewers else _IDLE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), interval)
                await asyncio.sleep(_GATHER_SECONDS)

    def _take(self) -> dict[str, Any]:
        try:
            state = self._look.take()
        except (EvenkeelError, OSError) as error:
            state = {**self.changes.state["state"], "at": time.time(), "trouble": str(error).splitlines()}
        if self._engine_trouble:
            state["trouble"] = [*state.get("trouble", []), self._engine_trouble]
        return state

    # -- telling ---------------------------------------------------------------------

    def _action_changed(self, action: Action) -> None:
        """From any thread."""
        shown = action.shown()
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._tell({"action": shown})))
        self._loop.call_soon_threadsafe(self._wake.set)

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
                    yield self.changes.state
                    since = self.changes.number
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
