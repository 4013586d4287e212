"""What is refused before any route: by names, headers, sizes and times; and what every answer carries."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from tests.unit.fakes.console import PAGE, Browser, Console, running

HOST = b"Host: 127.0.0.1\r\n"


@pytest.fixture(scope="module", name="console")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """One console for all: nothing is done to it."""
    yield from running(tmp_path_factory.mktemp("console"))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def line(answer: bytes) -> str:
    return answer.partition(b"\r\n\r\n")[2].decode()


def post(*headers: bytes, body: bytes = b"{}", path: bytes = b"/api/plans") -> bytes:
    head = [b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", *headers]
    if not any(header.lower().startswith((b"content-length", b"transfer")) for header in headers):
        head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def shown(console: Console) -> list[bytes]:
    return [f"{name}: {value}".encode() for name, value in console.login().headers.items()]


JSON = b"Content-Type: application/json"


@pytest.mark.parametrize("name", ["Cookie", "X-Evenkeel-Key", "Content-Type", "Origin", "Sec-Fetch-Site"])
def test_a_header_that_must_come_once(console: Console, name: str) -> None:
    session = shown(console)
    values = {
        "Content-Type": b"application/json",
        "Origin": b"http://127.0.0.1",
        "Sec-Fetch-Site": b"same-origin",
    }
    sent = [JSON, *session]
    twice = next(
        (item for item in sent if item.startswith(name.encode())), name.encode() + b": " + values.get(name, b"")
    )
    once = [*sent, *([] if twice in sent else [twice])]
    assert status(console.raw(post(*once))) == 422
    answer = console.raw(post(*once, twice))
    assert status(answer) == 400
    assert f"{name.lower()}: got it twice" in line(answer)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Idempotency-Key",
        "Content-Encoding",
        "Sec-Fetch-Mode",
        "Sec-Fetch-Dest",
        "Sec-Purpose",
        "Purpose",
    ],
)
def test_more_headers_that_must_come_once(console: Console, name: str) -> None:
    header = f"{name}: abcdefgh".encode()
    answer = console.raw(post(JSON, *shown(console), header, header))
    assert status(answer) == 400
    assert "it twice" in line(answer)


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded\r\nX\r\n\r\n",
        b"GET \xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        post(JSON, b"Content-Length: 2", b"Content-Length: 3"),
        post(JSON, b"Content-Length: 1_0"),
        post(JSON, b"Transfer-Encoding: gzip, chunked"),
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_one_line_and_the_usual_headers(console: Console, content: bytes) -> None:
    answer = console.raw(content)
    assert status(answer) == 400
    assert "(fix: send valid HTTP)" in line(answer)
    assert b"x-content-type-options: nosniff" in answer.lower()


def test_long_heads_are_refused(console: Console) -> None:
    for size in (16, 64, 512):
        answer = console.raw(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * size * 1024 + b"\r\n\r\n")
        assert status(answer) in {431, 0}  # 0: the client was reset while it sent
        if answer:
            assert "head of the request: got more than" in line(answer)
    assert status(console.raw(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 9000)) == 431
    many = b"".join(b"X-%d: a\r\n" % number for number in range(2000))
    assert status(console.raw(b"GET / HTTP/1.1\r\n" + HOST + many + b"\r\n")) in {431, 0}
    assert Browser(console).get("/healthz").status == 200


def test_bodies_that_are_too_large_are_not_read(console: Console) -> None:
    session = shown(console)
    assert status(console.raw(post(JSON, *session, b"Content-Length: 1000000000", body=b""))) == 413
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    answer = console.raw(post(JSON, *session, b"Transfer-Encoding: chunked", body=chunk * 2))
    assert status(answer) == 413
    assert status(console.raw(post(JSON, b"Content-Length: 1000000000", body=b""))) == 401


def test_a_body_that_does_not_say_what_it_is_is_refused(console: Console) -> None:
    answer = console.raw(post(*shown(console), body=b'{"verb":"roll","tier":"shop"}'))
    assert (status(answer), "Content-Type: got none" in line(answer)) == (415, True)


def test_a_question_has_no_body_in_pieces_either(console: Console) -> None:
    head = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert status(console.raw(head + b"2\r\n{}\r\n0\r\n\r\n")) == 400


def test_a_long_path_and_query_count_for_the_head(console: Console) -> None:
    for target in (b"/?" + b"a" * 8200, b"/" + b"a" * 8200):
        request = b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        assert status(console.raw(request)) == 431


def test_slow_requests_end(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenkeel_console.server.HEAD_SECONDS", 0.3)
    monkeypatch.setattr("evenkeel_console.gate.BODY_SECONDS", 0.3)
    session = shown(console)
    answer = console.raw(b"GET / HTTP/1.1\r\nHost: 127")
    assert status(answer) == 408
    assert "no end of the head" in line(answer)
    answer = console.raw(post(JSON, *session, b"Content-Length: 50", body=b"{"))
    assert status(answer) == 408
    assert "no end of it" in line(answer)
    assert console.raw(b"") == b""
    # A byte now and then gains no time.
    with socket.create_connection(("127.0.0.1", console.port), timeout=5) as connection:
        began, found = time.monotonic(), b""
        connection.settimeout(0.05)
        while time.monotonic() < began + 5 and not found:
            with contextlib.suppress(OSError):
                connection.sendall(b"G")
                found = connection.recv(4096)
        assert time.monotonic() - began < 2
        assert status(found) == 408


def test_silent_connections_keep_no_client_out(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenkeel_console.server.MOST_CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", console.port), timeout=5)) for _ in range(3)
        ]
        silent[0].sendall(b"GET /healthz HTTP/1.1\r\n")
        assert Browser(console).get("/healthz").status == 200
        # The oldest one had to go.
        with contextlib.suppress(ConnectionError):
            assert silent[0].recv(1) == b""
        silent[2].sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert silent[2].recv(4096).startswith(b"HTTP/1.1 200")


def test_connections_between_two_requests_keep_no_client_out(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenkeel_console.server.MOST_CONNECTIONS", 3)

    def ask(connection: socket.socket) -> None:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = b""
        while not answer.endswith(b'{"ok":true}'):
            part = connection.recv(4096)
            assert part
            answer += part

    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", console.port), timeout=5)) for _ in range(3)]
        # The one that came first is used last.
        for connection in reversed(idle):
            ask(connection)
        assert Browser(console).get("/healthz").status == 200
        with contextlib.suppress(ConnectionError):
            assert idle[2].recv(1) == b""
        for connection in idle[:2]:
            ask(connection)


def test_requests_that_go_on_are_not_ended_for_others(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"\r\n".join(shown(console))
    monkeypatch.setattr("evenkeel_console.server.MOST_CONNECTIONS", 1)
    with socket.create_connection(("127.0.0.1", console.port), timeout=10) as stream:
        stream.sendall(b"GET /api/stream HTTP/1.1\r\n" + HOST + head + b"\r\n\r\n")
        assert stream.recv(4096).startswith(b"HTTP/1.1 200")
        assert console.raw(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") == b""
        assert stream.recv(4096)


def test_a_connection_is_kept_for_the_next_request(console: Console) -> None:
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    assert console.raw(request + request + last).count(b'{"ok":true}') == 3


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/state", "/nothing", "/assets/app-A1B2C3D4.js", "/api/openapi.json"]
)
def test_headers_of_every_answer(console: Console, path: str) -> None:
    for browser in (Browser(console), console.login()):
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Permissions-Policy"] == "camera=(), microphone=(), geolocation=()"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Server" not in headers
        assert "Access-Control-Allow-Origin" not in headers
        if path.startswith("/api"):
            assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9080", "", "localhost.evil.example", "[::1", "a@127.0.0.1"]
)
def test_names_that_do_not_lead_here(console: Console, host: str) -> None:
    answer = console.raw(b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + host.encode() + b"\r\n\r\n")
    if host == "a@127.0.0.1":
        assert status(answer) in {200, 400, 421}
        return
    assert status(answer) == 421
    assert "fix: console_hosts" in line(answer)
    assert PAGE not in answer


def test_names_that_lead_here(console: Console) -> None:
    for host in ("localhost", "127.0.0.1:9080", "[::1]:9080", "console.example.org"):
        assert Browser(console).get("/", Host=host).content == PAGE


OTHERS = [
    {"Origin": "http://127.0.0.1:8080"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
]


def test_pages_of_others_change_nothing_by_any_route(console: Console) -> None:
    alice = console.login()
    paths = alice.get("/api/openapi.json").json["paths"]
    changing = [(method.upper(), path) for path, methods in paths.items() for method in methods if method != "get"]
    assert len(changing) >= 9
    for method, path in changing:
        for headers in OTHERS:
            filled = path.replace("{action}", "0" * 32).replace("{token}", "0" * 16)
            answer = alice.ask(method, filled, {}, headers)
            assert (answer.status, "want a page" in answer.problems[0] or "Origin" in answer.problems[0]) == (403, True)


@pytest.mark.parametrize("headers", OTHERS)
def test_pages_of_others_can_ask_for_nothing(console: Console, headers: dict[str, str]) -> None:
    alice = console.login()
    plan = alice.plan("scale", tier="shop", count=3).json["plan"]
    before = console.audit.page()
    for path, body in (("/api/plans", {"verb": "roll", "tier": "shop"}), ("/api/logout", None)):
        assert alice.ask("POST", path, body, headers).status == 403
    acting = {**headers, "Idempotency-Key": "abcdefgh"}
    assert alice.ask("POST", "/api/actions", {"plan": plan}, acting).status == 403
    assert Browser(console).ask("POST", "/api/login", {"name": "alice", "password": "x"}, headers).status == 403
    assert console.audit.page() == before
    assert alice.get("/api/me").status == 200


LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    "path, changed, wanted",
    [
        ("/", {}, 200),
        ("/", {"Sec-Fetch-Site": "same-site"}, 200),
        ("/", {"Sec-Fetch-Mode": "no-cors"}, 403),
        ("/", {"Sec-Fetch-Mode": ""}, 403),
        ("/", {"Sec-Fetch-Dest": "iframe"}, 403),
        ("/", {"Sec-Fetch-Dest": "empty"}, 403),
        ("/", {"Sec-Purpose": "prefetch"}, 403),
        ("/", {"Sec-Purpose": "prefetch;prerender"}, 403),
        ("/", {"Purpose": "prefetch"}, 403),
        ("/", {"Origin": "http://evil.example"}, 403),
        ("/r/AAAAAAAAAAAAAAAAAAAAAA", {}, 403),
        ("/api/state", {}, 403),
        ("/assets/app-A1B2C3D4.js", {}, 403),
    ],
)
def test_a_link_of_another_page_leads_to_the_page_alone(
    console: Console, path: str, changed: dict[str, str], wanted: int
) -> None:
    assert Browser(console).ask("GET", path, headers=LINK | changed).status == wanted
    assert Browser(console).ask("POST", path, headers=LINK | changed).status == 403


def test_an_origin_of_no_page_is_no_advice(console: Console) -> None:
    for origin in ("null", "http://["):
        answer = Browser(console).ask("GET", "/", headers={"Origin": origin})
        assert answer.status == 403
        assert "console_origins" not in answer.problems[0]


def test_a_method_in_a_header_is_not_the_method(console: Console) -> None:
    alice = console.login()
    token = alice.post("/api/tokens", {"name": "a"}).json["id"]
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert alice.ask("GET", f"/api/tokens/{token}", headers={name: "DELETE"}).status == 405
        assert alice.ask("POST", f"/api/tokens/{token}", headers={name: "DELETE"}).status == 405
    assert len(alice.get("/api/tokens").json) == 1
