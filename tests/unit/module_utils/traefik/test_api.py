"""The client of Traefik's API against a small real HTTP server."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.servers import free_port

from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik import api as traefik_api
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import (
    NoSuchRouteError,
    Snapshot,
    TraefikApi,
    TraefikApiError,
    read_password,
)

Answer = tuple[int, dict[str, str], str]


class FakeBalancer:
    """Answers each path from a table; 404 in JSON under /api, in text elsewhere."""

    def __init__(self, word: str = "s3cret") -> None:
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.delay = 0.0
        self.hang_up = False  # after each answer, without saying so
        self.connections = 0
        self.want = "Basic " + base64.b64encode(f"admin:{word}".encode()).decode()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def do_GET(self) -> None:
                self.close_connection = outer.hang_up
                time.sleep(outer.delay)
                if self.headers.get("Authorization") != outer.want:
                    answer: Answer = (401, {}, "401 Unauthorized")
                elif self.path in outer.answers:
                    answer = outer.answers[self.path]()
                elif self.path.startswith("/api/"):
                    answer = (404, {}, json.dumps({"message": "not found"}))
                else:
                    answer = (404, {}, "404 page not found")
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the client did not wait for a slow answer
                    self.wfile.write(body.encode())
                    self.wfile.flush()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, path: str, body: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers[path] = lambda: (status, headers or {}, text)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def balancer() -> Iterator[FakeBalancer]:
    fake = FakeBalancer()
    yield fake
    fake.close()


@pytest.fixture
def api(balancer: FakeBalancer) -> Iterator[TraefikApi]:
    with TraefikApi(balancer.url, "admin", "s3cret", timeout=2.0) as client:
        yield client


def test_server_status(balancer: FakeBalancer, api: TraefikApi) -> None:
    balancer.answer(
        "/api/http/services/static-1a@docker", {"serverStatus": {"http://static-1:8080": "UP", "http://x:1": "DOWN"}}
    )
    assert api.server_status("static-1a") == {"http://static-1:8080": "UP", "http://x:1": "DOWN"}


@pytest.mark.parametrize("record", [{}, {"serverStatus": None}])
def test_server_status_of_an_unused_service_is_empty(
    balancer: FakeBalancer, api: TraefikApi, record: dict[str, object]
) -> None:
    balancer.answer("/api/http/services/static-1a@docker", record)
    assert api.server_status("static-1a") == {}


def test_absent_service_and_router(api: TraefikApi) -> None:
    assert api.server_status("absent") == {}
    assert api.service("absent") is None
    assert api.router("absent") is None


def test_router_name_is_quoted(balancer: FakeBalancer, api: TraefikApi) -> None:
    balancer.answer("/api/http/routers/a%2Fb@file", {"rule": "Path(`/`)"})
    assert api.router("a/b", "file") == {"rule": "Path(`/`)"}


def test_all_services_follows_the_pages(balancer: FakeBalancer, api: TraefikApi) -> None:
    size = traefik_api.PAGE_SIZE
    for page, following in ((1, "2"), (2, "3"), (3, "1")):
        path = f"/api/http/services?page={page}&per_page={size}"
        balancer.answer(path, [{"name": f"s{page}"}], headers={"X-Next-Page": following})
    assert [record["name"] for record in api.all_services()] == ["s1", "s2", "s3"]


def test_metrics(balancer: FakeBalancer, api: TraefikApi) -> None:
    up = 'traefik_service_server_up{service="static-1a@docker",url="http://static-1:8080"}'
    balancer.answer("/metrics", f"traefik_config_reloads_total 7\n{up} 1\n")
    assert api.config_reloads() == 7
    assert api.server_up("static-1a") == {"http://static-1:8080": True}


def test_a_snapshot_is_one_moment_of_one_service(balancer: FakeBalancer, api: TraefikApi) -> None:
    requests = 'traefik_service_requests_total{code="200",service="static-1a@docker"}'
    balancer.answer("/metrics", f"traefik_config_reloads_total 7\n{requests} 12\n")
    balancer.answer("/api/http/services/static-1a@docker", {"serverStatus": {"http://static-1:8080": "UP"}})
    assert api.snapshot("static-1a") == Snapshot(7, 12, {"http://static-1:8080": "UP"})
    with pytest.raises(TraefikApiError, match="got no service absent@docker"):
        api.snapshot("absent")


def test_many_services_are_no_problem(balancer: FakeBalancer, api: TraefikApi) -> None:
    path = f"/api/http/services?page=1&per_page={traefik_api.PAGE_SIZE}"
    records = [{"name": f"s{number}", "servers": "x" * 2000} for number in range(traefik_api.PAGE_SIZE)]
    balancer.answer(path, records)
    assert api.all_services() == records


def test_one_connection_serves_all_questions_and_is_opened_again(balancer: FakeBalancer, api: TraefikApi) -> None:
    balancer.answer("/api/version", {"Version": "3"})
    assert [api.version() for __ in range(3)] == ["3"] * 3
    assert balancer.connections == 1
    balancer.hang_up = True
    assert [api.version() for __ in range(3)] == ["3"] * 3
    assert balancer.connections == 3


def test_version(balancer: FakeBalancer, api: TraefikApi) -> None:
    balancer.answer("/api/version", {"Version": "3.7.15", "Codename": "x"})
    assert api.version() == "3.7.15"


@pytest.mark.parametrize("status, up", [(200, True), (503, False), (404, False)])
def test_ping(balancer: FakeBalancer, api: TraefikApi, status: int, up: bool) -> None:
    balancer.answer("/ping", "OK", status)
    assert api.ping() is up


def test_nothing_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with TraefikApi(url) as api:
        assert api.ping() is False
        with pytest.raises(TraefikApiError) as caught:
            api.version()
    assert str(caught.value) == (
        f"balancer API: got connection refused at {url}/api/version, want an answer "
        "(fix: check that it runs: docker ps --all --filter label=evenkeel.role=balancer)"
    )


def test_slow_answer(balancer: FakeBalancer) -> None:
    balancer.delay = 0.5
    with TraefikApi(balancer.url, "admin", "s3cret", timeout=0.1) as api:
        assert api.ping() is False
        with pytest.raises(TraefikApiError, match=r"no answer from .* within 0\.1 s"):
            api.version()


def test_wrong_password_is_not_shown(balancer: FakeBalancer) -> None:
    with TraefikApi(balancer.url, "admin", "wr0ng", timeout=2.0) as api:
        for call in (api.version, api.ping, api.all_services):
            with pytest.raises(TraefikApiError) as caught:
                call()
            assert "got status 401" in str(caught.value)
            assert "check the user and the password file" in str(caught.value)
            assert "wr0ng" not in str(caught.value)


def test_password_beyond_latin1() -> None:
    balancer = FakeBalancer("pässwörd-ключ")
    balancer.answer("/api/version", {"Version": "3"})
    with TraefikApi(balancer.url, "admin", "pässwörd-ключ", timeout=2.0) as api:
        assert api.version() == "3"
    balancer.close()


@pytest.mark.parametrize("status, kind", [(404, NoSuchRouteError), (500, TraefikApiError), (401, TraefikApiError)])
def test_a_balancer_without_its_own_route_is_told_from_others(
    balancer: FakeBalancer, api: TraefikApi, status: int, kind: type[TraefikApiError]
) -> None:
    balancer.answer("/api/version", "404 page not found", status)
    with pytest.raises(TraefikApiError) as raised:
        api.version()
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "path, body, status, headers, call",
    [
        ("/api/http/services/a@docker", "404 page not found", 404, {}, lambda api: api.server_status("a")),
        ("/api/http/services/a@docker", "[]", 200, {}, lambda api: api.server_status("a")),
        ("/api/http/services/a@docker", "<html>\n<b>", 200, {}, lambda api: api.server_status("a")),
        ("/api/http/services?page=1&per_page=500", "{}", 200, {}, lambda api: api.all_services()),
        ("/api/http/services?page=1&per_page=500", "[1]", 200, {}, lambda api: api.all_services()),
        ("/api/version", "{}", 200, {}, lambda api: api.version()),
        ("/api/version", "", 302, {"Location": "https://elsewhere.example/"}, lambda api: api.version()),
        ("/api/version", "boom", 500, {}, lambda api: api.version()),
        ("/metrics", "", 200, {}, lambda api: api.config_reloads()),
        ("/metrics", "traefik_config_reloads_total x", 200, {}, lambda api: api.config_reloads()),
    ],
)
def test_unusable_answers_give_one_line(
    balancer: FakeBalancer,
    api: TraefikApi,
    path: str,
    body: str,
    status: int,
    headers: dict[str, str],
    call: Callable[[TraefikApi], object],
) -> None:
    balancer.answer(path, body, status, headers)
    with pytest.raises(TraefikApiError) as caught:
        call(api)
    message = str(caught.value)
    assert message.startswith("balancer API: got ")
    assert ", want " in message
    assert "(fix: " in message
    assert "\n" not in message


def test_the_environment_does_not_redirect_us(
    balancer: FakeBalancer, monkeypatch: pytest.MonkeyPatch, api: TraefikApi
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    balancer.answer("/api/version", {"Version": "3"})
    assert api.version() == "3"


@pytest.mark.parametrize("url", ["", "127.0.0.1:9000", "ftp://h/", "http://", "http://h:port/", "http://u:p@h:1"])
def test_unusable_addresses(url: str) -> None:
    with pytest.raises(TraefikApiError, match=r"^balancer API: got a"):
        TraefikApi(url)


# -- password file -----------------------------------------------------------


@pytest.mark.parametrize("text", ["s3cret", "s3cret\n", "s3cret\nsecond line\n"])
def test_read_password(tmp_path: Path, text: str) -> None:
    path = tmp_path / "password"
    path.write_text(text)
    assert read_password(path) == "s3cret"


@pytest.mark.parametrize("content, got", [(b"", "an empty"), (b"\n", "an empty"), (b"\xff\xfe", "not UTF-8")])
def test_read_password_refuses(tmp_path: Path, content: bytes, got: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(TraefikApiError, match=got):
        read_password(path)


def test_read_password_missing(tmp_path: Path) -> None:
    with pytest.raises(TraefikApiError, match=r"got No such file or directory for .*, want a readable password file"):
        read_password(tmp_path / "absent")
