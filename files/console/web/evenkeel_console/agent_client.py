"""The agent, over its Unix socket."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from .problems import RefusedError, line, printable
from .settings import Settings

_AGENT = "http://agent"
# Plans ask Docker about each node; 200 nodes take some seconds on a busy machine.
_ANSWER_SECONDS, _CONNECT_SECONDS = 30.0, 2.0
#: The watch has a beat every 5 s: one that is silent longer has lost its agent.
WATCH_SECONDS = 15.0
#: Bytes of an answer.
MAX_ANSWER = 16 * 1024 * 1024
_CONNECTIONS = 40


class AgentClient:
    """Asks the agent, and knows since when it does not answer.

    Args:
        settings: the process's.
        wall: seconds since the epoch.
    """

    def __init__(self, settings: Settings, wall: Callable[[], float] = time.time) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._wall = wall
        self._silent_since: float | None = None
        self._session: aiohttp.ClientSession | None = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(str(self._settings.agent_socket), limit=_CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=False)
        return self._session

    async def close(self) -> None:
        """Let go of the agent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, query: Mapping[str, str | int] | None = None) -> bytes:
        """The answer as it is.

        Raises:
            RefusedError: the agent refuses, or does not answer.
        """
        return await self._asked("GET", path, query=query)

    async def get_json(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """The answer's content.

        Raises:
            RefusedError: the agent refuses, or does not answer.
        """
        return self._content(await self.get(path, query))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer's content.

        Raises:
            RefusedError: the agent refuses, or does not answer.
        """
        return self._content(await self._asked("POST", path, body=body))

    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        limits = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
        async with self._request(method, path, query, body, limits) as answer:
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > MAX_ANSWER:
                    raise self._odd(f"more than {MAX_ANSWER} bytes")
        if answer.status >= 400:
            raise self._refused(answer.status, bytes(content))
        return bytes(content)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str | int], silence: float | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Parts of an answer as they come; the agent ends it when this is left.

        Args:
            path: at the agent.
            query: of the request.
            silence: seconds without a part after which the agent counts as gone; None for any number.

        Raises:
            RefusedError: the agent refuses, or does not answer.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence)
        async with self._request("GET", path, query, None, limits) as answer:
            if answer.status >= 400:
                raise self._refused(answer.status, await answer.content.read(MAX_ANSWER))
            try:
                yield answer.content.iter_any()
            finally:
                # Not given back to the pool: only the end of the connection tells the agent.
                answer.close()

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
        limits: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._opened().request(
                method, f"{_AGENT}{path}", params=query, json=body, timeout=limits, allow_redirects=False
            ) as answer:
                self._silent_since = None
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._silent() from error

    def _silent(self) -> RefusedError:
        if self._silent_since is None:
            self._silent_since = self._wall()
        since = time.strftime("%H:%M:%S", time.gmtime(self._silent_since))
        fix = f"docker start {self._settings.cluster}-console-agent"
        text = line("agent", f"no answer since {since} UTC", "one to every question", fix)
        return RefusedError(503, text, headers={"Retry-After": "2"})

    @staticmethod
    def _odd(got: str) -> RefusedError:
        return RefusedError(502, line("agent", got, "an answer of this version", "ansible-playbook site.yml"))

    def _content(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError:
            raise self._odd("text that is not JSON") from None

    def _refused(self, status: int, content: bytes) -> RefusedError:
        found = self._content(content)
        lines = found.get("problems") if isinstance(found, dict) else None
        if not isinstance(lines, list) or not lines:
            raise self._odd(f"status {status} without a reason")
        more: dict[str, object] = {"holder": str(found["holder"])} if "holder" in found else {}
        if isinstance(found.get("plan"), dict):
            more["plan"] = found["plan"]
        if status == 403:
            # The agent does not take this process for the web process.
            status = 502
        return RefusedError(status, *(printable(str(item)) for item in lines), more=more)
