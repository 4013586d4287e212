# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Read what the balancer knows: servers, routers, reloads and request counters.

Everything is read-only.  Parsing is pure (:func:`metric_samples` and the
functions built on it); only :class:`TraefikApi` talks to the network.
Formats: Traefik's API handler (``/api/http/...``, pages announced by
``X-Next-Page``) and the Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from ..cluster.engines import DEFAULT_PROVIDER
from ..core.errors import EvenkeelError, Problem
from ..core.http_client import TIMED_OUT, Answer, Client, basic_auth, is_http_url
from .metrics import Attempts, parse_attempts, parse_config_reloads, parse_server_up, parse_service_requests, qualified

DEFAULT_TIMEOUT = 5.0
PAGE_SIZE = 500
MAX_PAGES = 200
# The services of 200 nodes are some hundred KiB, the metrics of many services some MiB.
_MAX_BODY_BYTES = 32 * 1024 * 1024
_FIND_BALANCER = "docker ps --all --filter label=evenkeel.role=balancer"


class TraefikApiError(EvenkeelError):
    """The balancer's API did not give a usable answer.

    The text is one line: ``balancer API: got ..., want ... (fix: ...)``.
    """

    def __init__(self, got: str, want: str, fix: str) -> None:
        """Compose the message from what was seen, what was expected and what to do."""
        super().__init__(Problem("balancer API", _one_line(got), want, fix))


class NoSuchRouteError(TraefikApiError):
    """It answered 404: it has not read the configuration that its API is part of."""


def _one_line(text: str, limit: int = 200) -> str:
    """Fold white space and cut, so that a foreign answer cannot break the message."""
    folded = " ".join(text.split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"


@dataclass(frozen=True)
class Snapshot:
    """What the balancer knew of one service at one moment.

    Attributes:
        reloads: the configuration generation.
        requests: requests handed to the service's servers so far.
        servers: server URL -> ``UP``/``DOWN`` by the active health check.
    """

    reloads: int
    requests: int
    servers: dict[str, str]


def read_password(path: str | Path) -> str:
    """Read a password from the first line of the file *path*.

    Raises:
        TraefikApiError: the file is missing, unreadable, not UTF-8 or empty.
    """
    fix = "run site.yml, or pass the file which load_balancer wrote"
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as exc:
        reason = exc.strerror or exc.__class__.__name__
        raise TraefikApiError(f"{reason} for {path}", "a readable password file", fix) from exc
    except UnicodeDecodeError as exc:
        raise TraefikApiError(f"bytes that are not UTF-8 in {path}", "a text password file", fix) from exc
    if not lines or not lines[0]:
        raise TraefikApiError(f"an empty {path}", "a password in its first line", fix)
    return lines[0]


class TraefikApi:
    """Client of one balancer's dashboard entry point.

    Keeps one connection; threads take turns on it.

    Args:
        base_url: where ``/api``, ``/metrics`` and ``/ping`` are, e.g. ``http://127.0.0.1:9000``.
        user: basic-auth user; empty for none.
        password: basic-auth password; never shown in messages.
        timeout: seconds for each request as a whole.

    Raises:
        TraefikApiError: the address is unusable; every method raises it when
            the balancer gives no usable answer.
    """

    def __init__(
        self,
        base_url: str,
        user: str = "",
        password: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """Check the address and prepare the connection; nothing is sent yet."""
        if not is_http_url(base_url):
            raise TraefikApiError(
                f"address {base_url!r}", "an http(s) URL", "pass the dashboard's URL, e.g. http://127.0.0.1:9000"
            )
        if "@" in urlsplit(base_url).netloc:
            raise TraefikApiError(
                "an address with credentials in it", "user and password apart", "pass a user and a password file"
            )
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        credentials = basic_auth(user, password) if user else {}
        self._client = Client(self.base_url, timeout, _MAX_BODY_BYTES, credentials)

    def __enter__(self) -> TraefikApi:
        """Be usable in a with statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection at the end of a with statement."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # -- API ---------------------------------------------------------------

    def server_status(self, service: str, provider: str = DEFAULT_PROVIDER) -> dict[str, str]:
        """Server URL -> ``UP``/``DOWN`` by the active health check.

        {} when the service does not exist, or no router uses it yet.
        """
        found = self.service(service, provider)
        status = found.get("serverStatus") if found else None
        return {str(url): str(state) for url, state in status.items()} if isinstance(status, dict) else {}

    def set_status(self, service: str) -> dict[str, str]:
        """As :meth:`server_status`, of a service that the route file defines."""
        return self.server_status(service, "file")

    def service(self, service: str, provider: str = DEFAULT_PROVIDER) -> dict[str, Any] | None:
        """The API's record of a service; None when it does not exist."""
        return self._record("services", qualified(service, provider))

    def router(self, name: str, provider: str = "file") -> dict[str, Any] | None:
        """The API's record of a router; None when it does not exist."""
        return self._record("routers", qualified(name, provider))

    def all_services(self) -> list[dict[str, Any]]:
        """The records of all HTTP services of all providers."""
        return self._list("services")

    def version(self) -> str:
        """Traefik's version, e.g. ``3.7.15``."""
        answer = self._json("/api/version", self._get("/api/version"))
        if not isinstance(answer, dict) or not isinstance(answer.get("Version"), str):
            raise self._not_traefik("/api/version", "no Version")
        return str(answer["Version"])

    def ping(self) -> bool:
        """True when the balancer runs and is not about to end.

        A refused connection, a time-out and 503 give False; refused
        credentials raise, because waiting would not cure them.
        """
        try:
            answer = self._get("/ping", want=(HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE))
        except _NoAnswerError:
            return False
        return answer.ok

    # -- metrics -----------------------------------------------------------

    def metrics(self) -> str:
        """The whole exposition text; parse several values from one reading of it."""
        return self._get("/metrics").text

    def config_reloads(self) -> int:
        """How many configurations were loaded so far: the current generation."""
        return _present(self._parsed(parse_config_reloads, self.metrics()))

    def snapshot(self, service: str, provider: str = DEFAULT_PROVIDER) -> Snapshot:
        """Generation, request count and server states of a service which must exist.

        Raises:
            TraefikApiError: also when the balancer does not know the service.
        """
        record = self.service(service, provider)
        name = qualified(service, provider)
        if record is None:
            raise TraefikApiError(f"no service {name}", "a service which the balancer knows", "see /api/http/services")
        status = record.get("serverStatus")
        text = self.metrics()
        reloads = self._parsed(parse_config_reloads, text)
        return Snapshot(
            reloads=_present(reloads),
            requests=int(self._parsed(parse_service_requests, text, name)),
            servers={str(url): str(state) for url, state in status.items()} if isinstance(status, dict) else {},
        )

    def server_up(self, service: str, provider: str = DEFAULT_PROVIDER) -> dict[str, bool]:
        """Server URL -> up, by active and passive checks; {} without a health check."""
        return dict(self._parsed(parse_server_up, self.metrics(), qualified(service, provider)))

    def attempts(self) -> Attempts:
        """How often requests were sent to nodes so far, by service and method."""
        found: Attempts = self._parsed(parse_attempts, self.metrics())
        return found

    # -- plumbing ----------------------------------------------------------

    def _get(self, path: str, want: tuple[int, ...] = (HTTPStatus.OK,)) -> Answer:
        url = self.base_url + path
        answer = self._client.get(path)
        if answer.reason == TIMED_OUT:
            raise _NoAnswerError(
                f"no answer from {url} within {self.timeout:g} s", "an answer", f"look at it with: {_FIND_BALANCER}"
            )
        if answer.reason:
            raise _NoAnswerError(f"{answer.reason} at {url}", "an answer", f"check that it runs: {_FIND_BALANCER}")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise TraefikApiError(
                f"status {answer.status} from {url}",
                "accepted credentials",
                "check the user and the password file",
            )
        if answer.status not in want:
            kind = NoSuchRouteError if answer.status == HTTPStatus.NOT_FOUND else TraefikApiError
            raise kind(
                f"status {answer.status} from {url}",
                "status 200",
                "check that the address is the dashboard's entry point",
            )
        return answer

    def _record(self, kind: str, name: str) -> dict[str, Any] | None:
        path = f"/api/http/{kind}/{quote(name, safe='@')}"
        answer = self._get(path, want=(HTTPStatus.OK, HTTPStatus.NOT_FOUND))
        if answer.status == HTTPStatus.NOT_FOUND:
            # Only the API's own 404 (JSON) means "does not exist"; any web server answers 404 to a wrong address.
            refusal = answer.json()
            if isinstance(refusal, dict) and "message" in refusal:
                return None
            raise self._not_traefik(path, "status 404 which is not the API's")
        body = self._json(path, answer)
        if not isinstance(body, dict):
            raise self._not_traefik(path, f"a {type(body).__name__}")
        return body

    def _list(self, kind: str) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        page = 1
        for __ in range(MAX_PAGES):
            path = f"/api/http/{kind}?page={page}&per_page={PAGE_SIZE}"
            answer = self._get(path)
            body = self._json(path, answer)
            if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
                raise self._not_traefik(path, "no list of records")
            records += body
            following = answer.headers.get("x-next-page", "1")
            if not following.isdecimal() or int(following) <= page:  # the last page announces page 1
                return records
            page = int(following)
        raise self._not_traefik(f"/api/http/{kind}", f"more than {MAX_PAGES} pages")

    def _json(self, path: str, answer: Answer) -> Any:
        content = answer.json()
        if content is None:
            raise self._not_traefik(path, "an answer which is not JSON")
        return content

    def _parsed(self, parse: Any, *arguments: str) -> Any:
        try:
            return parse(*arguments)
        except ValueError as exc:
            raise self._not_traefik("/metrics", str(exc)) from exc

    def _not_traefik(self, path: str, got: str) -> TraefikApiError:
        return TraefikApiError(
            f"{got} from {self.base_url}{path}",
            "an answer of Traefik's API",
            "check that the address is the dashboard's entry point",
        )


class _NoAnswerError(TraefikApiError):
    """Nothing answered (internal: lets ping() tell it from a refusal)."""


def _present(reloads: int | None) -> int:
    """The counter, which a balancer with metrics always shows."""
    if reloads is None:
        raise TraefikApiError(
            "no traefik_config_reloads_total in /metrics",
            "Traefik's Prometheus metrics",
            "enable metrics.prometheus in the balancer",
        )
    return reloads
