"""The server: uvicorn with time limits for slow clients, and answers of our form for what is no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from asyncio import constants
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from .gate import HEADERS, MAX_HEAD, long_head
from .problems import line, refusal
from .settings import Settings
from .store import stamp

#: Seconds until the head of a request must be there.
HEAD_SECONDS = 10.0
#: Seconds that a client may leave what was sent to it unread.
UNREAD_SECONDS = 10.0
#: Seconds until the handshake of TLS must be done.
HANDSHAKE_SECONDS = 10.0
MOST_CONNECTIONS = 400
# Until what goes on is ended, and until it is cancelled.
_FINISH_SECONDS, _SHUTDOWN_SECONDS = 1.0, 3
_CERTIFICATE_SECONDS = 60
# Of TLS 1.2; all of 1.3 are good.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class ConsoleProtocol(H11Protocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """No client is there yet."""
        super().__init__(*arguments, **options)
        self._idle_since = self.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > MOST_CONNECTIONS and not self._make_room():
            transport.close()
            return
        _notice_silence(transport.get_extra_info("socket"))
        self._await_head()

    def _make_room(self) -> bool:
        """Close the connection that has been idle for the longest, so that these keep no others out."""
        idle = [
            item
            for item in self.connections
            if isinstance(item, ConsoleProtocol)
            and item is not self
            and not item._is_asked()
            and not item.transport.is_closing()
        ]
        if not idle:
            return False
        min(idle, key=lambda item: item._idle_since).transport.abort()
        return True

    def _is_asked(self) -> bool:
        """Whether a request goes on. A head that has not come to its end is none yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        """A request has ended, and the next one may come."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        for timer in (self._head_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """It sends something."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None and not self.transport.is_closing():
            self._await_head()

    def shutdown(self) -> None:
        """The process ends: answers may be finished, but streams have no end of their own."""
        super().shutdown()
        if not self.transport.is_closing():
            self.loop.call_later(_FINISH_SECONDS, self._leave)

    def _leave(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.conn.trailing_data[0]:
            got = f"no end of the head after {HEAD_SECONDS:g} s"
            self._refuse(408, line("request", got, "the whole head", "send it at once"))
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; called while its error is handled."""
        error = sys.exc_info()[1]
        if getattr(error, "error_status_hint", 400) == 431:
            self._refuse(431, long_head())
        else:
            self._refuse(400, line("request", f"'{error or msg}'", "HTTP/1.1", "send valid HTTP"))

    def _refuse(self, status: int, text: str) -> None:
        answer = refusal(status, text, headers={**HEADERS, "Connection": "close"})
        try:
            for event in (
                h11.Response(status_code=status, headers=answer.raw_headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            # Another answer has begun already.
            self.transport.abort()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


def _notice_silence(connection: socket.socket | None) -> None:
    """Let the kernel end a connection whose other end has gone without a word."""
    with contextlib.suppress(OSError, AttributeError):
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
            # Also where something is on its way.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)


def configured(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """What uvicorn is started with.

    Raises:
        OSError: certificate or key cannot be read, or are none (:class:`ssl.SSLError`).
    """
    config = uvicorn.Config(
        app,
        host=settings.listen,
        port=settings.port,
        http=ConsoleProtocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        timeout_keep_alive=15,
        **_tls(settings),
    )
    config.load()
    return config


def _tls(settings: Settings) -> dict[str, Any]:
    certificate, key = settings.certificate, settings.key
    if certificate is None or key is None:
        return {}
    # uvicorn does not pass a time on to the loop, which takes this one.
    vars(constants)["SSL_HANDSHAKE_TIMEOUT"] = HANDSHAKE_SECONDS
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_cert_chain(certificate, key)
    seen = stamp(certificate), stamp(key)

    async def renewed() -> None:
        """Take a renewed certificate for new connections; one that cannot be used changes nothing."""
        nonlocal seen
        now = stamp(certificate), stamp(key)
        if now == seen:
            return
        try:
            # Into another context first: a pair that does not fit must not spoil the one in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
            context.load_cert_chain(certificate, key)
            seen = now
        except OSError as error:
            print(line(str(certificate), f"'{error}'", "a certificate with its key", "renew both"), file=sys.stderr)

    return {
        "ssl_context_factory": lambda _config, _default: context,
        "callback_notify": renewed,
        "timeout_notify": _CERTIFICATE_SECONDS,
    }
