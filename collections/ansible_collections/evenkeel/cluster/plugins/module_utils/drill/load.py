# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Sends the requests of a schedule at their times and records what became of each: thin I/O, no judgement.

Open loop: a request leaves when it is due, whether or not earlier ones have been answered. Nothing is sent twice, not
even over a kept connection that turns out to be closed: hiding that would hide what is measured.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

try:
    import aiohttp

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # told by the module as one line
    IMPORT_ERROR = error

from .records import THIS_MACHINE, Record, cause_of_status
from .schedule import GET, POST, Arrival, Client, Paths, path_of

# Sockets, ports and memory that this machine has run out of.
_OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
_MIN_UNANSWERED = 256
_WORDS_LENGTH = 100


class Load:
    """One load, from its first request to its last answer.

    Args:
        bases: tier to the URL that its paths are appended to.
        paths: tier to what it can be asked.
        clients: who sends.
        run: the begin of every request's key; unlike that of any other load.
        rate: requests per second, for the bound of unanswered ones.
        host: ``Host`` header; empty for that of the URL.
        timeout: seconds from when a request leaves to the end of its answer.
    """

    def __init__(
        self,
        bases: Mapping[str, str],
        paths: Mapping[str, Paths],
        clients: Sequence[Client],
        run: str,
        *,
        rate: float,
        host: str = "",
        timeout: float = 10.0,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._bases = dict(bases)
        self._paths = dict(paths)
        self._clients = list(clients)
        self._run = run
        self._host = host
        self._timeout = timeout
        # An answer is given up after the time-out, so more than this cannot pile up unless this machine is too slow.
        self._max_unanswered = max(_MIN_UNANSWERED, int(2 * rate * timeout))
        self._sessions: list[aiohttp.ClientSession] = []
        self._homes: dict[tuple[int, str], str] = {}
        self._began = time.monotonic()
        #: Requests that give every client that keeps cookies a session, before the load begins.
        self.greetings: list[Record] = []
        #: The requests of the schedule, in the order in which they ended.
        self.records: list[Record] = []
        #: How long the load ran.
        self.seconds = 0.0

    def lead(self, bases: Mapping[str, str]) -> None:
        """Send to other addresses, before anything has been sent."""
        self._bases = dict(bases)

    @property
    def began(self) -> float:
        """When the load began, monotonic seconds."""
        return self._began

    def now(self) -> float:
        """Seconds from the begin of the load; negative before."""
        return time.monotonic() - self._began

    async def run(self, schedule: Iterable[Arrival], begin: Callable[[], None], go_on: Callable[[float], bool]) -> None:
        """Greet, call *begin*, send until *go_on*, asked with a request's time, says no; wait for the last answers.

        Every answer is there or given up when this returns. The caller may cancel: what was recorded stays.
        """
        _allow_many_sockets()
        self._sessions = [self._session(client) for client in self._clients]
        try:
            await self._greet()
            self._began = time.monotonic()
            begin()
            await self._send(schedule, go_on)
        finally:
            for session in self._sessions:
                await session.close()

    def probe(self) -> str:
        """One GET per tier, without cookies, before the load; why it was not answered, empty when it was."""
        return asyncio.run(self._probe())

    async def _probe(self) -> str:
        answers: list[Record] = []
        self._sessions = [self._session(Client(0, sticky=False, fresh=True))]
        try:
            for place, tier in enumerate(self._bases):
                await self._one(Arrival(-1 - place, 0.0, tier, GET, slow=False, client=0), answers)
        finally:
            await self._sessions[0].close()
        return first_failure(answers)

    async def _greet(self) -> None:
        """One GET per tier from each client that keeps cookies, so that its first requests do not race for one.

        Ends at the first failure: a cluster that does not answer now is not worth a load.
        """
        greeting = [client for client in self._clients if client.sticky] or self._clients[:1]
        for number, (client, tier) in enumerate(itertools.product(greeting, self._bases)):
            arrival = Arrival(-1 - number, self.now(), tier, GET, slow=False, client=client.number)
            await self._one(arrival, self.greetings)
            if self.greetings[-1].error:
                return

    async def _send(self, schedule: Iterable[Arrival], go_on: Callable[[float], bool]) -> None:
        unanswered: set[asyncio.Task[None]] = set()
        for arrival in schedule:
            delay = arrival.at - self.now()
            if delay > 0:
                await asyncio.sleep(delay)
            elif arrival.index % 16 == 0:
                await asyncio.sleep(0)  # behind time: let answers be read all the same
            if not go_on(max(arrival.at, self.now())):
                break
            if len(unanswered) >= self._max_unanswered:
                self._not_sent(arrival)
                continue
            task = asyncio.ensure_future(self._one(arrival, self.records))
            unanswered.add(task)
            task.add_done_callback(unanswered.discard)
        self.seconds = self.now()
        await asyncio.gather(*unanswered)

    def _key(self, arrival: Arrival) -> str:
        return f"{self._run}-{arrival.index}" if arrival.index >= 0 else f"{self._run}-g{-arrival.index}"

    def _not_sent(self, arrival: Arrival) -> None:
        now = self.now()
        words = f"{THIS_MACHINE}{self._max_unanswered} requests unanswered"
        self.records.append(
            Record(
                self._key(arrival),
                arrival.at,
                now,
                now,
                arrival.tier,
                arrival.method,
                arrival.client,
                None,
                None,
                words,
            )
        )

    async def _one(self, arrival: Arrival, records: list[Record]) -> None:
        key = self._key(arrival)
        home = self._homes.get((arrival.client, arrival.tier))
        status: int | None = None
        node: str | None = None
        replayed = False
        sent = self.now()
        try:
            async with self._request(arrival, key) as answer:
                body = await answer.read()
                status, node = answer.status, answer.headers.get("X-Served-By")
                self._settle(arrival, answer, node)
                error = cause_of_status(status)
                if arrival.method == POST and not error:
                    replayed = _replayed(body)
        except asyncio.TimeoutError:
            error = f"no answer within {self._timeout:g} s"
        except (aiohttp.ClientError, OSError) as problem:
            error = _words(problem)
        records.append(
            Record(
                key=key,
                at=arrival.at,
                sent=sent,
                done=self.now(),
                tier=arrival.tier,
                method=arrival.method,
                client=arrival.client,
                status=status,
                node=node,
                error=error,
                replayed=replayed,
                home=home,
            )
        )

    def _request(self, arrival: Arrival, key: str) -> Any:
        url = self._bases[arrival.tier] + path_of(self._paths[arrival.tier], arrival.method, arrival.slow)
        headers = {"X-Request-Id": key}
        if self._host:
            headers["Host"] = self._host
        session = self._sessions[arrival.client]
        if arrival.method == POST:
            headers["Idempotency-Key"] = key
            return session.post(url, json={"n": arrival.index}, headers=headers, allow_redirects=False)
        return session.get(url, headers=headers, allow_redirects=False)

    def _settle(self, arrival: Arrival, answer: Any, node: str | None) -> None:
        """Remember which node the cookie that just came stands for."""
        if node and self._clients[arrival.client].sticky and "Set-Cookie" in answer.headers:
            self._homes[arrival.client, arrival.tier] = node

    def _session(self, client: Client) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            # No limit: a request that waits for a connection would leave later than it is due.
            connector=aiohttp.TCPConnector(limit=0, force_close=client.fresh),
            cookie_jar=aiohttp.CookieJar(unsafe=True) if client.sticky else aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            headers={"User-Agent": "evenkeel-drill"},
            trust_env=False,
        )
        # Newer versions of the library send a GET again when a kept connection turns out to be closed.
        session._retry_connection = False
        return session


def _replayed(body: bytes) -> bool:
    """Whether the node says that it has executed this POST before; applications of others need not say."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("replayed") is True


def _words(problem: Exception) -> str:
    """Why there is no answer, short and without what differs from request to request."""
    number = getattr(problem, "errno", None)
    if number in _OUT_OF:
        return f"{THIS_MACHINE}{errno.errorcode[number]}"
    if isinstance(problem, (aiohttp.ServerDisconnectedError, ConnectionResetError)):
        return "connection closed without an answer"
    if isinstance(problem, (aiohttp.ClientConnectorError, ConnectionRefusedError)):
        return "connection refused" if number == errno.ECONNREFUSED else "no connection"
    if isinstance(problem, aiohttp.ClientPayloadError):
        return "answer cut short"
    return f"{type(problem).__name__}: {problem}"[:_WORDS_LENGTH]


def _allow_many_sockets() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def first_failure(records: Iterable[Record]) -> str:
    """Why the first of these requests failed; empty when none did."""
    for record in records:
        if record.error:
            served = f" from {record.node}" if record.node and record.status != HTTPStatus.OK else ""
            return f"{record.error}{served} for {record.method} {record.tier}"
    return ""
