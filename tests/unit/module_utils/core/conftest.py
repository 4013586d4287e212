"""What the tests of HTTP share."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest
from tests.unit.servers import Script, ScriptedServer


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start servers; they end with the test."""
    servers: list[ScriptedServer] = []

    def build(script: Script, tls: ssl.SSLContext | None = None) -> ScriptedServer:
        servers.append(ScriptedServer(script, tls))
        return servers[-1]

    yield build
    for server in servers:
        server.close()
