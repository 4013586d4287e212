"""Which requests the web process lets in: sessions of two halves, roles, tokens, and what ends them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from evenkeel_console.routes_person import _set_cookie
from evenkeel_console.sessions import IDLE_SECONDS, LONGEST_SECONDS
from starlette.requests import Request
from starlette.responses import Response
from tests.unit.fakes.console import PASSWORD, USERS, Browser, Console

GONE, HEX = "0" * 64, "0" * 32
PUBLIC = {("POST", "/api/login"), ("GET", "/healthz")}
# What a viewer may, by purpose: a route that is not here is for operators.
VIEWERS = {
    *(("GET", f"/api/{name}") for name in ("me", "state", "stream", "tiers", "tiers/{tier}", "nodes/{node}")),
    *(("GET", f"/api/{name}") for name in ("nodes/{node}/log", "samples", "history", "events", "audit", "actions")),
    *(("GET", f"/api/{name}") for name in ("actions/{action}", "tokens")),
    *(("POST", f"/api/{name}") for name in ("logout", "password", "tokens", "links")),
    ("DELETE", "/api/tokens/{token}"),
    ("GET", "/metrics"),
}
#: Not for tokens: a program must not make itself more of them.
PERSONS = {
    ("POST", "/api/logout"),
    ("POST", "/api/password"),
    ("POST", "/api/tokens"),
    ("DELETE", "/api/tokens/{token}"),
}


def routes(console: Console) -> list[tuple[str, str]]:
    """All of the description, and the number is not zero."""
    paths: dict[str, Any] = Browser(console).get("/api/openapi.json").json["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(found) > 25
    return found


def asked(browser: Browser, method: str, path: str) -> int:
    """The status; bodies are empty, so nothing that passes is done."""
    filled = path.replace("{node}", GONE).replace("{tier}", "nope").replace("{token}", "0" * 16)
    return browser.ask(method, filled.replace("{action}", HEX) + ("?since=x" if "stream" in path else "")).status


def without(browser: Browser, *names: str) -> Browser:
    return Browser(browser.console, {key: value for key, value in browser.headers.items() if key not in names})


def test_every_route_is_closed_to_those_that_show_less_than_a_session(console: Console) -> None:
    alice, bob = console.login("alice"), console.login("bob")
    cookie, key = alice.headers["Cookie"], alice.headers["X-Evenkeel-Key"]
    mixed = {"Cookie": cookie, "X-Evenkeel-Key": bob.headers["X-Evenkeel-Key"]}
    shown = [
        {},
        {"Cookie": cookie},
        {"X-Evenkeel-Key": key},
        mixed,
        {"Cookie": f"evenkeel_session={key}", "X-Evenkeel-Key": key},
        {"Cookie": "evenkeel_session=", "X-Evenkeel-Key": ""},
        {"Cookie": cookie, "X-Evenkeel-Key": key, "Authorization": "Bearer evk_nothing"},
        {"Cookie": cookie, "X-Evenkeel-Key": key, "Authorization": "Basic YWxpY2U6eA=="},
    ]
    for method, path in routes(console):
        for headers in shown:
            if (method, path) not in PUBLIC:
                assert asked(Browser(console, headers), method, path) == 401, (method, path, headers)
    for path in ("/api", "/api/", "/api/nothing", "/api/../api/state"):
        assert Browser(console).get(path).status in {401, 404}
        assert Browser(console).get("/api/nothing").status == 401
    assert alice.get("/api/nothing").status == 404


def test_every_route_asks_for_the_role(console: Console) -> None:
    vera = console.login("vera")
    for method, path in routes(console):
        if (method, path) in PUBLIC or (method, path) in {("POST", "/api/logout")}:
            continue
        status = asked(vera, method, path)
        assert (status != 403) == ((method, path) in VIEWERS), (method, path, status)
    assert vera.get("/api/audit?source=access").status == 403
    assert vera.get("/api/me").json["verbs"] == []
    assert console.login("alice").get("/api/me").json["verbs"]


def test_tokens_have_a_role_and_no_way_to_more(console: Console) -> None:
    alice = console.login("alice")
    made = alice.post("/api/tokens", {"name": "prometheus", "role": "viewer", "days": 1})
    assert made.status == 201
    token = Browser(console, {"Authorization": f"Bearer {made.json['token']}"})
    for method, path in routes(console):
        if (method, path) not in PUBLIC:
            allowed = (method, path) in VIEWERS - PERSONS
            assert (asked(token, method, path) != 403) == allowed, (method, path)
    assert "evenkeel_tier_desired" in token.get("/metrics").content.decode()
    assert [item["name"] for item in alice.get("/api/tokens").json] == ["prometheus"]
    assert "token" not in alice.get("/api/tokens").json[0]


def test_a_token_is_on_disk_as_a_digest_only(console: Console) -> None:
    text = console.login().post("/api/tokens", {"name": "a"}).json["token"]
    for path in console.web_data.iterdir():
        assert text not in path.read_text()
        assert text[4:] not in path.read_text()
        if path.name != "passwords.json":  # made by the test
            assert path.stat().st_mode & 0o777 == 0o600
    assert text not in repr(vars(console.app.state.desk.access.tokens))


def test_a_token_ends_by_time_and_by_hand(console: Console) -> None:
    alice, vera = console.login("alice"), console.login("vera")
    made = [alice.post("/api/tokens", {"name": "a", "days": 2}).json for _ in range(2)]
    users = [Browser(console, {"Authorization": f"Bearer {item['token']}"}) for item in made]
    assert [user.get("/api/state").status for user in users] == [200, 200]
    assert vera.ask("DELETE", f"/api/tokens/{made[0]['id']}").status == 404
    assert vera.get("/api/tokens").json == []
    assert alice.ask("DELETE", f"/api/tokens/{made[0]['id']}").status == 204
    assert [user.get("/api/state").status for user in users] == [401, 200]
    console.wall.at += 2 * 86400
    assert users[1].get("/api/state").status == 401
    assert console.login().get("/api/tokens").json == []


def test_tokens_are_bounded(console: Console) -> None:
    alice = console.login()
    statuses = [alice.post("/api/tokens", {"name": "a"}).status for _ in range(21)]
    assert statuses == [201] * 20 + [409]


def test_a_login_makes_new_halves_and_voids_old_ones(console: Console) -> None:
    first = console.login()
    fixed = "evenkeel_session=fixed-by-a-page"
    second = console.login(Cookie=f"{fixed}; {first.headers['Cookie']}")
    assert first.headers["Cookie"] != second.headers["Cookie"]
    assert "fixed" not in second.headers["Cookie"]
    assert first.get("/api/me").status == 401
    assert Browser(console, {**second.headers, "Cookie": fixed}).get("/api/me").status == 401
    assert second.get("/api/me").status == 200


def test_a_cookie_that_a_page_of_another_port_has_set_keeps_no_user_out(console: Console) -> None:
    alice = console.login()
    tossed = {**alice.headers, "Cookie": f"evenkeel_session=tossed; {alice.headers['Cookie']}"}
    assert Browser(console, tossed).get("/api/me").status == 200
    many = "; ".join(f"evenkeel_session=tossed{number}" for number in range(50))
    tossed["Cookie"] = f"{many}; {alice.headers['Cookie']}"
    assert Browser(console, tossed).get("/api/me").status == 200
    assert console.login(Cookie=tossed["Cookie"]).get("/api/me").status == 200


def test_a_planted_cookie_of_either_name_hides_none_of_the_other(console: Console) -> None:
    alice = console.login()
    right = alice.headers["Cookie"].partition(";")[0]
    tossed = ("evenkeel_session=tossed", "__Host-evenkeel_session=", "__Host-evenkeel_session=tossed")
    for planted in tossed:
        for shown in (right, f"__Host-{right}"):
            for cookies in (f"{planted}; {shown}", f"{shown}; {planted}"):
                assert Browser(console, {**alice.headers, "Cookie": cookies}).get("/api/me").status == 200, cookies
        assert Browser(console, {**alice.headers, "Cookie": planted}).get("/api/me").status == 401


def test_what_was_copied_opens_nothing_after_a_logout(console: Console) -> None:
    one, two, bob = console.login(), console.login(), console.login("bob")
    copied = Browser(console, one.headers)
    assert copied.get("/api/me").status == 200
    assert one.post("/api/logout").status == 204
    assert [item.get("/api/me").status for item in (copied, one, two, bob)] == [401, 401, 401, 200]


def test_sessions_end_by_time(console: Console) -> None:
    alice = console.login()
    console.now.at += IDLE_SECONDS - 1
    assert alice.get("/api/me").status == 200
    for _ in range(3):
        console.now.at += IDLE_SECONDS / 2
        # What a page asks for by itself does not prolong.
        found = alice.get("/api/state").status
    assert found == 401
    other = console.login()
    for _ in range(int(LONGEST_SECONDS / IDLE_SECONDS)):
        assert other.get("/api/me").status == 200
        console.now.at += IDLE_SECONDS
    console.now.at += 1
    assert other.get("/api/me").status == 401


def test_nothing_that_a_page_reads_prolongs_a_session(console: Console) -> None:
    for method, path in routes(console):
        if method != "GET" or path in {"/api/me", "/api/stream", "/healthz"}:
            continue
        alice = console.login()
        console.now.at += IDLE_SECONDS - 1
        assert asked(alice, method, path) != 401, path
        console.now.at += 2
        assert alice.get("/api/me").status == 401, path


def test_a_change_prolongs_a_session(console: Console) -> None:
    alice = console.login()
    console.now.at += IDLE_SECONDS - 1
    assert alice.plan("roll", tier="shop").status == 200
    console.now.at += IDLE_SECONDS - 1
    assert alice.get("/api/me").status == 200


def test_a_logout_takes_the_cookies_back(console: Console) -> None:
    cookies = console.login().post("/api/logout").headers.get_all("Set-Cookie") or []
    assert [cookie.partition("=")[0] for cookie in cookies] == ["evenkeel_session", "__Host-evenkeel_session"]
    for cookie in cookies:
        assert "; Max-Age=0;" in cookie
        assert "; Path=/;" in cookie


def test_a_new_password_ends_all_sessions_and_tokens(console: Console) -> None:
    one, two, bob = console.login(), console.login(), console.login("bob")
    token = Browser(console, {"Authorization": "Bearer " + one.post("/api/tokens", {"name": "a"}).json["token"]})
    assert one.post("/api/password", {"old": PASSWORD, "new": "quite another one"}).status == 204
    assert [item.get("/api/me").status for item in (one, two, token, bob)] == [401, 401, 401, 200]
    assert Browser(console).post("/api/login", {"name": "alice", "password": PASSWORD}).status == 401
    console.login(password="quite another one")  # noqa: S106
    kept = (console.web_data / "passwords.json").read_text()
    assert "quite another" not in kept
    assert json.loads((console.web_data / "tokens.json").read_text()) == {}
    assert (console.web_data / "passwords.json").stat().st_mode & 0o777 == 0o600


def _without(name: str) -> list[dict[str, str]]:
    return [user for user in USERS if user["name"] != name]


@pytest.mark.parametrize("role", ["viewer", None])
def test_another_role_or_none_ends_all(console: Console, role: str | None) -> None:
    alice, bob = console.login("alice"), console.login("bob")
    token = Browser(console, {"Authorization": "Bearer " + bob.post("/api/tokens", {"name": "a"}).json["token"]})
    assert [item.get("/api/me").status for item in (alice, bob, token)] == [200, 200, 200]
    changed = [*_without("bob"), *([{"name": "bob", "role": role}] if role else [])]
    console.write_settings(users=changed)
    assert [item.get("/api/me").status for item in (alice, bob, token)] == [200, 401, 401]
    answer = Browser(console).post("/api/login", {"name": "bob", "password": PASSWORD})
    assert answer.status == (200 if role else 401)
    assert json.loads((console.web_data / "tokens.json").read_text()) == {}


def test_settings_that_are_broken_while_it_runs_change_nothing(console: Console) -> None:
    alice = console.login()
    console.path.write_text("{")
    assert alice.get("/api/me").status == 200


def test_a_password_that_is_replaced_from_outside_ends_sessions(console: Console) -> None:
    alice, bob = console.login("alice"), console.login("bob")
    kept = json.loads((console.web_data / "passwords.json").read_text())
    (console.web_data / "passwords.json").write_text(json.dumps({**kept, "alice": kept["bob"]}))
    assert [item.get("/api/me").status for item in (alice, bob)] == [401, 200]


def test_cookies_are_not_for_scripts_or_other_sites(console: Console) -> None:
    credentials = {"name": "alice", "password": PASSWORD}
    answer = Browser(console).post("/api/login", credentials)
    cookies = answer.headers.get_all("Set-Cookie") or []
    assert len(cookies) == 2
    assert any("evenkeel_device" in cookie and "; Path=/api/login;" in cookie for cookie in cookies)
    for cookie in cookies:
        assert re.search(r"; HttpOnly", cookie)
        assert re.search(r"; SameSite=strict", cookie)
        assert "; Path=/" in cookie
        assert "Domain" not in cookie
        assert "Secure" not in cookie
    origin = {"Host": "console.example.org", "Origin": "https://console.example.org"}
    answer = Browser(console).post("/api/login", credentials, **origin)
    for cookie in answer.headers.get_all("Set-Cookie") or []:
        assert cookie.startswith("__Host-evenkeel_")
        assert "; Secure" in cookie


def test_cookies_are_for_tls_where_it_is_our_own() -> None:
    request = Request(
        {
            "type": "http",
            "scheme": "https",
            "path": "/api/login",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
    )
    answer = Response()
    _set_cookie(request, answer, "evenkeel_session", "half", 9)
    assert answer.headers["Set-Cookie"].startswith("__Host-evenkeel_session=half;")
    assert "; Secure" in answer.headers["Set-Cookie"]


def test_no_header_names_another_address_or_scheme(console: Console) -> None:
    forwarded = {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https", "Forwarded": "for=192.0.2.9"}
    answer = Browser(console).post("/api/login", {"name": "alice", "password": PASSWORD}, **forwarded)
    assert "Secure" not in str(answer.headers)
    entries = console.login("bob").get("/api/audit?source=access").json
    assert {entry["address"] for entry in entries} == {"127.0.0.1"}


def test_logins_and_what_ends_them_are_on_record(console: Console) -> None:
    alice = console.login()
    Browser(console).post("/api/login", {"name": "alice", "password": "wrong"})
    Browser(console).post("/api/login", {"name": "my-secret-password", "password": "alice"})
    token = alice.post("/api/tokens", {"name": "a"}).json["id"]
    alice.ask("DELETE", f"/api/tokens/{token}")
    alice.post("/api/password", {"old": "wrong", "new": "long enough for it"})
    alice.post("/api/logout")
    entries = console.login("bob").get("/api/audit?source=access").json
    told = [(entry["kind"], entry["actor"]) for entry in reversed(entries)]
    assert told == [
        ("login", "alice"),
        ("login failed", "alice"),
        ("login failed", ""),
        ("token made", "alice"),
        ("token removed", "alice"),
        ("password refused", "alice"),
        ("logout", "alice"),
        ("login", "bob"),
    ]
    assert "my-secret" not in (console.web_data / "access.jsonl").read_text()
    assert len(console.login("bob").get("/api/audit?source=access&count=2&actor=alice").json) == 2
