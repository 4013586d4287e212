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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

try:
    import aiohttp

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # told by the module as one line
    IMPORT_ERROR = error

from ..core.poll import SYSTEM_CLOCK, Clock
from .records import THIS_MACHINE, Record, cause_of_status
from .schedule import GET, POST, Arrival, Client, Paths, path_of

# Sockets, ports and memory that this machine has run out of.
_OUT_OF = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})
_MIN_UNANSWERED = 256
_WORDS_LENGTH = 100


@dataclass(frozen=True)
class Request:
    """One request as it leaves.

    Attributes:
        client: which client sends it.
        method: GET or POST.
        url: where it goes.
        key: its name: request id and, of a POST, idempotency key.
        number: what a POST carries.
    """

    client: Client
    method: str
    url: str
    key: str
    number: int


@dataclass(frozen=True)
class Reply:
    """The answer to a request.

    Attributes:
        status: its HTTP status.
        node: ``X-Served-By``; None when absent.
        body: all of it.
        sets_cookie: it gives the client a cookie.
    """

    status: int
    node: str | None
    body: bytes = b""
    sets_cookie: bool = False


class Sender(Protocol):
    """Sends single requests for simulated clients."""

    def open(self, clients: Sequence[Client]) -> None:
        """Begin: none of the clients has a cookie or a connection. Called in the event loop."""

    async def send(self, request: Request) -> Reply:
        """Send it once.

        Raises:
            asyncio.TimeoutError: no answer in time.
            OSError: no answer, or none that is complete; of :class:`HttpSender` also ``aiohttp.ClientError``.
        """

    async def close(self) -> None:
        """End all connections."""


class HttpSender:
    """Sends over HTTP.

    Args:
        host: ``Host`` header; empty for that of the URL.
        timeout: seconds from when a request leaves to the end of its answer.
    """

    def __init__(self, host: str = "", timeout: float = 10.0) -> None:
        """Prepare; nothing is opened yet."""
        self._host = host
        self._timeout = timeout
        self._sessions: dict[int, aiohttp.ClientSession] = {}

    def open(self, clients: Sequence[Client]) -> None:
        """Begin: none of the clients has a cookie or a connection."""
        _allow_many_sockets()
        self._sessions = {client.number: self._session(client) for client in clients}

    async def send(self, request: Request) -> Reply:
        """Send it once."""
        headers = {"X-Request-Id": request.key}
        if self._host:
            headers["Host"] = self._host
        options: dict[str, Any] = {"headers": headers, "allow_redirects": False}
        if request.method == POST:
            headers["Idempotency-Key"] = request.key
            options["json"] = {"n": request.number}
        session = self._sessions[request.client.number]
        async with session.request(request.method, request.url, **options) as answer:
            body = await answer.read()
            return Reply(answer.status, answer.headers.get("X-Served-By"), body, "Set-Cookie" in answer.headers)

    async def close(self) -> None:
        """End all connections."""
        for session in self._sessions.values():
            await session.close()

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


@dataclass(frozen=True)
class LoadSpec:
    """What a load consists of.

    Attributes:
        paths: tier to what it can be asked.
        clients: the simulated clients.
        run: the begin of every request's key; unlike that of any other load.
        rate: requests per second, for the bound of unanswered ones.
        timeout: seconds after which a request is given up.
        min_unanswered: the least bound of unanswered requests.
    """

    paths: Mapping[str, Paths]
    clients: Sequence[Client]
    run: str
    rate: float
    timeout: float = 10.0
    min_unanswered: int = _MIN_UNANSWERED

    @property
    def max_unanswered(self) -> int:
        """How many requests may be unanswered; more pile up only when this machine is too slow."""
        return max(self.min_unanswered, int(2 * self.rate * self.timeout))


class Load:
    """One load, from its first request to its last answer.

    Args:
        spec: what it consists of.
        bases: tier to the URL that its paths are appended to.
        sender: sends the requests.
        clock: tells the time.
        pause: lets that many seconds of the clock pass in an event loop.
    """

    def __init__(
        self,
        spec: LoadSpec,
        bases: Mapping[str, str],
        sender: Sender,
        clock: Clock = SYSTEM_CLOCK,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._spec = spec
        self._bases = dict(bases)
        self._sender = sender
        self._clock = clock
        self._pause = pause
        self._clients = {client.number: client for client in spec.clients}
        self._homes: dict[tuple[int, str], str] = {}
        self._began = clock.now()
        #: Requests that give every client that keeps cookies a session, before the load begins.
        self.greetings: list[Record] = []
        #: The requests of the schedule, in the order in which they ended.
        self.records: list[Record] = []
        #: How long the load ran.
        self.seconds = 0.0

    def point_to(self, bases: Mapping[str, str]) -> None:
        """Send to other addresses, before anything has been sent."""
        self._bases = dict(bases)

    @property
    def began(self) -> float:
        """When the load began, by its clock."""
        return self._began

    def now(self) -> float:
        """Seconds from the begin of the load; negative before."""
        return self._clock.now() - self._began

    async def run(self, schedule: Iterable[Arrival], begin: Callable[[], None], go_on: Callable[[float], bool]) -> None:
        """Greet, call *begin*, send until *go_on*, asked with a request's time, says no; wait for the last answers.

        Every answer is there or given up when this returns. The caller may cancel: what was recorded stays.
        """
        self._sender.open(self._spec.clients)
        try:
            await self._greet()
            self._began = self._clock.now()
            begin()
            await self._send(schedule, go_on)
        finally:
            await self._sender.close()

    def probe(self) -> str:
        """One GET per tier, without cookies, before the load; why it was not answered, empty when it was."""
        return asyncio.run(self._probe())

    async def _probe(self) -> str:
        answers: list[Record] = []
        client = Client(-1, sticky=False, fresh=True)
        self._sender.open([client])
        try:
            for place, tier in enumerate(self._bases):
                arrival = Arrival(-1 - place, 0.0, tier, GET, slow=False, client=client.number)
                await self._one(arrival, client, answers)
        finally:
            await self._sender.close()
        return first_failure(answers)

    async def _greet(self) -> None:
        """One GET per tier from each client that keeps cookies, so that its first requests do not race for one.

        Ends at the first failure: a cluster that does not answer now is not worth a load.
        """
        clients = list(self._clients.values())
        greeting = [client for client in clients if client.sticky] or clients[:1]
        for number, (client, tier) in enumerate(itertools.product(greeting, self._bases)):
            arrival = Arrival(-1 - number, self.now(), tier, GET, slow=False, client=client.number)
            await self._one(arrival, client, self.greetings)
            if self.greetings[-1].error:
                return

    async def _send(self, schedule: Iterable[Arrival], go_on: Callable[[float], bool]) -> None:
        unanswered: set[asyncio.Task[None]] = set()
        broken: list[BaseException] = []

        def ended(task: asyncio.Task[None]) -> None:
            unanswered.discard(task)
            problem = None if task.cancelled() else task.exception()
            if problem is not None:
                broken.append(problem)

        for arrival in schedule:
            delay = arrival.at - self.now()
            if delay > 0:
                await self._pause(delay)
            elif arrival.index % 16 == 0:
                await self._pause(0)  # behind time, but answers must be read
            if not go_on(max(arrival.at, self.now())):
                break
            if len(unanswered) >= self._spec.max_unanswered:
                self._not_sent(arrival)
                continue
            task = asyncio.ensure_future(self._one(arrival, self._clients[arrival.client], self.records))
            unanswered.add(task)
            task.add_done_callback(ended)
        self.seconds = self.now()
        await asyncio.gather(*unanswered)
        if broken:  # a request without a record would be a loss that no figure shows
            raise broken[0]

    def _key(self, arrival: Arrival) -> str:
        run = self._spec.run
        return f"{run}-{arrival.index}" if arrival.index >= 0 else f"{run}-g{-arrival.index}"

    def _not_sent(self, arrival: Arrival) -> None:
        now = self.now()
        self.records.append(
            Record(
                key=self._key(arrival),
                at=arrival.at,
                sent=now,
                done=now,
                tier=arrival.tier,
                method=arrival.method,
                client=arrival.client,
                status=None,
                node=None,
                error=f"{THIS_MACHINE}{self._spec.max_unanswered} requests unanswered",
            )
        )

    async def _one(self, arrival: Arrival, client: Client, records: list[Record]) -> None:
        url = self._bases[arrival.tier] + path_of(self._spec.paths[arrival.tier], arrival.method, arrival.slow)
        request = Request(client, arrival.method, url, self._key(arrival), arrival.index)
        home = self._homes.get((arrival.client, arrival.tier))
        reply: Reply | None = None
        sent = self.now()
        try:
            reply = await self._sender.send(request)
            error = cause_of_status(reply.status)
        except asyncio.TimeoutError:
            error = f"no answer within {self._spec.timeout:g} s"
        except (aiohttp.ClientError, OSError) as problem:
            error = _words(problem)
        sets_cookie = reply is not None and client.sticky and reply.sets_cookie
        if reply is not None and reply.node and sets_cookie:
            self._homes[arrival.client, arrival.tier] = reply.node  # the node that the cookie stands for
        records.append(
            Record(
                key=request.key,
                at=arrival.at,
                sent=sent,
                done=self.now(),
                tier=arrival.tier,
                method=arrival.method,
                client=arrival.client,
                status=reply.status if reply else None,
                node=reply.node if reply else None,
                error=error,
                replayed=reply is not None and arrival.method == POST and not error and _replayed(reply.body),
                home=home,
                sets_cookie=sets_cookie,
            )
        )


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
