"""Streams of the Docker Engine that end when nobody reads them: events and logs."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import labels

# Docker's frame of a log: the stream's number, three zeros, the length (docs.docker.com, ContainerAttach).
_HEADER = struct.Struct(">BxxxI")
_LARGEST_FRAME = 1024 * 1024
#: Bytes of a line that are shown.
MAX_LINE = 16 * 1024
_EVENTS = (
    *("create", "start", "die", "kill", "stop", "oom", "pause", "unpause"),
    *("rename", "update", "destroy", "restart"),
)
_DAEMON = "http://docker"


class StreamError(Exception):
    """Docker refuses or breaks the stream off."""


class EngineStreams:
    """Opens streams at one Docker socket.

    Args:
        socket: Docker's.
        cluster: whose containers are told of.
    """

    def __init__(self, socket: Path, cluster: str) -> None:
        """Nothing is opened yet."""
        self._socket = socket
        self._cluster = cluster

    def _session(self) -> aiohttp.ClientSession:
        # No time limit: a stream is silent for as long as nothing happens.
        return aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self._socket)), timeout=aiohttp.ClientTimeout(total=None, connect=10)
        )

    async def events(self, since: float | None = None) -> AsyncGenerator[dict[str, Any], None]:
        """What happens to the cluster's containers, from a moment on; at first an empty event: Docker listens.

        Args:
            since: seconds since the epoch; None for now. Docker keeps the last 256 events.

        Raises:
            StreamError: Docker ends it, or does not answer.
        """
        filters = {"type": ["container"], "event": list(_EVENTS), "label": labels.selector(self._cluster)}
        query = {"filters": json.dumps(filters), **({"since": f"{since:.6f}"} if since else {})}
        async with self._session() as session:
            try:
                async with session.get(f"{_DAEMON}/events", params=query) as answer:
                    if answer.status != 200:
                        raise StreamError(f"status {answer.status} for events")
                    yield {}
                    async for line in answer.content:
                        if line.strip():
                            yield json.loads(line)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise StreamError(str(error) or type(error).__name__) from error
        raise StreamError("the engine has ended the events")

    async def log(self, container: str, tail: int, *, follow: bool) -> AsyncGenerator[tuple[str, str], None]:
        """The lines of a container's log: the stream's name and the text, cut at :data:`MAX_LINE`.

        Raises:
            StreamError: Docker ends it, or does not answer.
        """
        query = {
            "stdout": "1",
            "stderr": "1",
            "timestamps": "1",
            "tail": str(tail),
            "follow": "1" if follow else "0",
        }
        async with self._session() as session:
            try:
                async with session.get(f"{_DAEMON}/containers/{container}/logs", params=query) as answer:
                    if answer.status != 200:
                        raise StreamError(f"status {answer.status} for the log")
                    async for item in _lines(answer.content):
                        yield item
            except (aiohttp.ClientError, OSError) as error:
                raise StreamError(str(error) or type(error).__name__) from error


async def _lines(stream: aiohttp.StreamReader) -> AsyncGenerator[tuple[str, str], None]:
    """Docker's frames as lines; a line may come in several frames."""
    parts: dict[int, bytes] = {}
    while True:
        try:
            number, length = _HEADER.unpack(await stream.readexactly(_HEADER.size))
            content = await stream.readexactly(min(length, _LARGEST_FRAME))
        except EOFError:  # also a stream that is cut within a frame
            break
        *whole, rest = (parts.pop(number, b"") + content).split(b"\n")
        for line in whole:
            yield _name(number), line[:MAX_LINE].decode(errors="replace")
        if rest:
            parts[number] = rest[:MAX_LINE]
    for number, rest in parts.items():
        yield _name(number), rest.decode(errors="replace")


def _name(number: int) -> str:
    return "stderr" if number == 2 else "stdout"


def told(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """An event as the console keeps it; None for one that tells nothing.

    Args:
        event: as Docker gives it.
    """
    actor = event.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    kind = str(event.get("Action", "")).partition(":")[0]
    if kind not in _EVENTS:
        return None
    found: dict[str, Any] = {
        "at": int(event.get("timeNano") or 0) / 1e9,
        "kind": kind,
        "node": str(actor.get("ID", ""))[:64],
        "name": str(attributes.get("name", ""))[:128],
        "tier": str(attributes.get(labels.TIER, ""))[:64],
        "role": str(attributes.get(labels.ROLE, ""))[:32],
    }
    if kind == "die":
        found["exit_code"] = str(attributes.get("exitCode", ""))[:4]
    if kind == "kill":
        found["signal"] = str(attributes.get("signal", ""))[:4]
    return found
