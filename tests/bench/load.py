"""Open-loop HTTP load: requests are sent at their time, whether or not earlier ones are answered.

70 % GET and 30 % POST with an idempotency key of its own, on several paths in turn. Half of the clients keep cookies;
of each half, every fourth client opens a connection per request, the others keep theirs. Nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import aiohttp

CLIENTS = 40
POST_SHARE = 0.3
TIMEOUT_SECONDS = 10.0
# With more unanswered requests than this, the next ones count as failed and are not sent: the load stays bounded.
MAX_UNANSWERED = 4000
_NEW_CONNECTION_EVERY = 4
_HTTP_OK = range(200, 300)


@dataclasses.dataclass(frozen=True)
class Target:
    """One tier's addresses.

    Attributes:
        tier: its name.
        get: URL for GET.
        post: URL for POST.
        counts: its nodes say in the answer to a POST whether they had executed it before.
    """

    tier: str
    get: str
    post: str
    counts: bool = True


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one request.

    Attributes:
        at: when it was due, seconds since the load began.
        late: seconds between due and sent.
        seconds: from sent to the last byte of the answer.
        tier: where it went.
        method: GET or POST.
        client: the number of the client that sent it.
        error: empty when the answer was 2xx and complete.
        repeated: a POST that the node had executed before.
    """

    at: float
    late: float
    seconds: float
    tier: str
    method: str
    client: int
    error: str
    repeated: bool = False


class Load:
    """Sends at a rate until it is told to stop."""

    def __init__(self, targets: Sequence[Target], rate: float, seed: int = 1) -> None:
        """Prepare; nothing is sent.

        Args:
            targets: the tiers, in turn.
            rate: requests per second.
            seed: of the order of methods and clients; the keys of POSTs are new in every run.
        """
        self._targets = list(targets)
        self._rate = rate
        self._random = random.Random(seed)
        self._run = f"bench-{time.time_ns():x}"
        self._sessions: list[aiohttp.ClientSession] = []
        self.outcomes: list[Outcome] = []
        self.began = 0.0
        self.seconds = 0.0

    async def run(self, go_on: Callable[[float], bool]) -> None:
        """Send while *go_on*, called with the seconds since the start, is true; then wait for the last answers."""
        self._sessions = [_session(number) for number in range(CLIENTS)]
        try:
            await self._send(go_on)
        finally:
            for session in self._sessions:
                await session.close()

    async def _send(self, go_on: Callable[[float], bool]) -> None:
        unanswered: set[asyncio.Task[None]] = set()
        self.began = time.monotonic()
        for index, target in enumerate(itertools.cycle(self._targets)):
            due = self.began + index / self._rate
            delay = due - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            elif index % 16 == 0:
                await asyncio.sleep(0)  # late already, but answers must be read as well
            if not go_on(time.monotonic() - self.began):
                break
            method = "POST" if self._random.random() < POST_SHARE else "GET"
            client = self._random.randrange(CLIENTS)
            if len(unanswered) >= MAX_UNANSWERED:
                late = time.monotonic() - due
                self.outcomes.append(
                    Outcome(due - self.began, late, 0.0, target.tier, method, client, "not sent, too many unanswered")
                )
                continue
            task = asyncio.create_task(self._one(target, method, client, index, due))
            unanswered.add(task)
            task.add_done_callback(unanswered.discard)
        self.seconds = time.monotonic() - self.began
        await asyncio.gather(*unanswered)

    async def _one(self, target: Target, method: str, client: int, index: int, due: float) -> None:
        session = self._sessions[client]
        sent = time.monotonic()
        error, repeated = "", False
        try:
            if method == "POST":
                headers = {"Idempotency-Key": f"{self._run}-{index}"}
                request = session.post(target.post, json={"n": index}, headers=headers, allow_redirects=False)
            else:
                request = session.get(target.get, allow_redirects=False)
            async with request as answer:
                body = await answer.read()
                if answer.status not in _HTTP_OK:
                    error = f"status {answer.status}"
                elif method == "POST" and target.counts:
                    repeated = bool(json.loads(body)["replayed"])
        except asyncio.TimeoutError:
            error = f"no answer within {TIMEOUT_SECONDS:g} s"
        except (aiohttp.ClientError, OSError, ValueError, KeyError) as problem:
            error = f"{type(problem).__name__}: {problem}"[:120]
        self.outcomes.append(
            Outcome(
                at=due - self.began,
                late=sent - due,
                seconds=time.monotonic() - sent,
                tier=target.tier,
                method=method,
                client=client,
                error=error,
                repeated=repeated,
            )
        )


def _session(number: int) -> aiohttp.ClientSession:
    sticky = number % 2 == 0
    fresh = (number // 2) % _NEW_CONNECTION_EVERY == 0
    session = aiohttp.ClientSession(
        # No limit: a request that waits for a connection would leave later than it is due.
        connector=aiohttp.TCPConnector(limit=0, force_close=True) if fresh else aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.CookieJar(unsafe=True) if sticky else aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        headers={"User-Agent": "evenkeel-bench"},
        trust_env=False,
    )
    # The library sends a GET again when a kept connection turns out to be closed; that would hide what is measured.
    session._retry_connection = False
    return session


@contextmanager
def under_load(targets: Sequence[Target], rate: float) -> Iterator[list[Outcome]]:
    """Send requests meanwhile, and until a second after; the list has what became of them when that is over."""
    over, found = threading.Event(), list[Outcome]()
    load = Load(targets, rate)
    thread = threading.Thread(target=lambda: asyncio.run(load.run(lambda _: not over.is_set())))
    thread.start()
    try:
        yield found
        time.sleep(1)
    finally:
        over.set()
        thread.join()
        found += load.outcomes
