"""Requests that must be refused, as data: 4xx, one line that says how to mend it, and nothing done.

In texts, ``{shop}`` stands for a node of the tier shop, ``{plan}`` for a plan that can be carried out, and ``{used}``
for one that was.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Bad(NamedTuple):
    """One request.

    Attributes:
        name: of the case.
        status: of the answer.
        method: of the request.
        path: of the request.
        body: JSON, or bytes as they are; None for none.
        headers: further ones.
        user: which user sends it; empty for none.
    """

    name: str
    status: int
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012
    user: str = "alice"


GONE, HEX = "0" * 64, "0123456789abcdef" * 2
KEY = {"Idempotency-Key": "abcdefgh"}


def _plan(name: str, body: Any, status: int = 422) -> Bad:
    return Bad(f"plan: {name}", status, "POST", "/api/plans", body)


def _scale(name: str, count: Any) -> Bad:
    return _plan(f"count {name}", {"verb": "scale", "tier": "shop", "count": count})


def _raw_scale(name: str, text: str, status: int = 422) -> Bad:
    return _plan(f"count {name}", b'{"verb":"scale","tier":"shop","count":' + text.encode() + b"}", status)


def _act(name: str, body: Any, status: int = 422, **more: Any) -> Bad:
    return Bad(f"action: {name}", status, "POST", "/api/actions", body, **{"headers": KEY, **more})


def _get(name: str, path: str, status: int = 422, **more: Any) -> Bad:
    return Bad(f"get: {name}", status, "GET", path, **more)


_COUNTS = [
    *(_scale(repr(value), value) for value in (-1, 2.5, True, False, None, "", "3", "1_0", "\u0663", " 3 ", "+3")),
    *(_scale(repr(value), value) for value in (1001, 10**9, 2**63, 2**70, [], [3], {}, {"a": 1}, "three", "0x3")),
    _raw_scale("1e3", "1e3"),
    _raw_scale("of 5,000 digits", "1" * 5000, 400),
    _raw_scale("NaN", "NaN", 400),
    _raw_scale("Infinity", "Infinity", 400),
    _raw_scale("01", "01", 400),
    _raw_scale("1_0 as a number", "1_0", 400),
    _raw_scale("-0.0", "-0.0"),
    _plan("scale without a count", {"verb": "scale", "tier": "shop"}),
    _plan("roll with a count", {"verb": "roll", "tier": "shop", "count": 3}),
]
_WORDS = [
    *(_plan(f"verb {verb!r}", {"verb": verb, "tier": "shop"}) for verb in ("", "destroy", "SCALE", "scale ", 7, None)),
    *(_plan(f"verb {verb!r}", {"verb": verb, "tier": "shop"}) for verb in ("exec", "create", ["scale"], "ro\nll")),
    *(_plan(f"tier {tier!r}", {"verb": "roll", "tier": tier}, 404) for tier in ("nope", "..", "SHOP", "shop-1")),
    *(_plan(f"tier {tier!r}", {"verb": "roll", "tier": tier}) for tier in ("../shop", "sh op", "shop\n", "\u202eshop")),
    *(_plan(f"tier {tier!r}", {"verb": "roll", "tier": tier}) for tier in (None, 1, ["shop"], "s" * 65, "<b>", "")),
    _plan("tier half a surrogate", b'{"verb":"roll","tier":"\\ud800"}'),
    _plan("tier with NUL", b'{"verb":"roll","tier":"shop\\u0000"}'),
    *(_plan(f"gone node {node[:1]}", {"verb": "stop", "node": node}, 404) for node in (GONE, "f" * 64)),
    *(_plan(f"node {node!r}", {"verb": "stop", "node": node}) for node in ("", "shop-1", "abc", "0" * 12, "0" * 63)),
    *(_plan(f"node {node!r}", {"verb": "stop", "node": node}) for node in ("0" * 65, "A" * 64, "portainer", None, 0)),
    *(_plan(f"node {node!r}", {"verb": "stop", "node": node}) for node in ("evenkeel-load-balancer", ["0" * 64])),
    _plan("node and tier", {"verb": "stop", "tier": "shop", "node": GONE}),
    _plan("tier's verb at a node", {"verb": "roll", "node": GONE}),
    _plan("node's verb at a tier", {"verb": "kill", "tier": "shop"}),
    _plan("unknown field", {"verb": "roll", "tier": "shop", "force": True}),
    _plan("unknown field that is hostile", {"verb": "roll", "tier": "shop", "__proto__": {}}),
    _plan("start of one that runs", {"verb": "start", "node": "{shop}"}),
]
_BODIES = [
    _plan("no body", b"", 422),
    _plan("empty object", {}),
    _plan("a list", [1]),
    _plan("a text", "scale"),
    _plan("a number", 3),
    _plan("null", b"null"),
    _plan("no JSON", b"{verb: scale}", 400),
    _plan("cut", b'{"verb":', 400),
    _plan("two values", b"{} {}", 400),
    _plan("key twice", b'{"verb":"roll","tier":"dates","tier":"shop"}', 400),
    _plan("invalid UTF-8", b'{"verb":"\xff"}', 400),
    _plan("UTF-16", '{"verb":"roll"}'.encode("utf-16"), 400),
    _plan("byte order mark", b"\xef\xbb\xbf{}", 400),
    _plan("5,000 levels", b"[" * 5000 + b"]" * 5000, 400),
    _plan("10,000 levels of objects, too large", b'{"a":' * 10000, 413),
    _plan("17 KiB", b'{"verb":"' + b"a" * 17 * 1024 + b'"}', 413),
    Bad("says 1 GB", 413, "POST", "/api/plans", b"{}", {"Content-Length": "1000000000"}),
    Bad("says -1 B", 400, "POST", "/api/plans", b"{}", {"Content-Length": "-1"}),
    *(
        Bad(f"content type {kind!r}", 415, "POST", "/api/plans", b"{}", {"Content-Type": kind})
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "")
    ),
    *(
        Bad(f"content type {kind!r}", 415, "POST", "/api/plans", b"{}", {"Content-Type": kind})
        for kind in ("application/json; charset=utf-16", "application/jsonp", "application/xml")
    ),
    Bad("zipped body", 415, "POST", "/api/plans", b"{}", {"Content-Encoding": "gzip"}),
    Bad("GET with a body", 400, "GET", "/api/state", b"{}"),
]
_ACTIONS = [
    _act("no plan", {}),
    _act("unknown plan", {"plan": HEX}, 404),
    _act("used plan", {"plan": "{used}"}, 404),
    _act("plan of another user", {"plan": "{plan}"}, 404, user="bob"),
    *(
        _act(f"plan {plan!r}", {"plan": plan})
        for plan in ("", "x", HEX.upper(), HEX + "0", 1, None, [HEX], "../" + HEX)
    ),
    _act("typed is a number", {"plan": HEX, "typed": 1}),
    _act("typed is long", {"plan": HEX, "typed": "s" * 65}),
    _act("typed has a line break", {"plan": HEX, "typed": "shop\n"}),
    _act("actor of one's own", {"plan": HEX, "actor": "bob"}),
    _act("no key", {"plan": "{plan}"}, headers={}),
    _act("short key", {"plan": "{plan}"}, headers={"Idempotency-Key": "a"}),
    _act("long key", {"plan": "{plan}"}, headers={"Idempotency-Key": "a" * 129}),
    _act("odd key", {"plan": "{plan}"}, headers={"Idempotency-Key": "../../etc/passwd"}),
    Bad("halt of none", 404, "POST", f"/api/actions/{HEX}/halt"),
    Bad("halt of a name", 422, "POST", "/api/actions/roll/halt"),
    _get("unknown action", f"/api/actions/{HEX}", 404),
    _get("odd action", "/api/actions/1"),
]
_QUERIES = [
    *(_get(f"tail {tail!r}", f"/api/nodes/{GONE}/log?tail={tail}") for tail in ("-1", "1001", "1_0", "2.5", "", "all")),
    *(_get(f"follow {item!r}", f"/api/nodes/{GONE}/log?follow={item}") for item in ("2", "true", "yes")),
    *(_get(f"since {item!r}", f"/api/stream?since={item}") for item in ("-2", "x", "1e3", "%D9%A3", "9" * 20)),
    *(_get(f"count {item!r}", f"/api/events?count={item}") for item in ("0", "201", "%203", "-5")),
    *(_get(f"before {item!r}", f"/api/audit?before={item}") for item in ("0", "-1", "a%00")),
    _get("events of an odd tier", "/api/events?tier=%3Cscript%3E"),
    _get("events of an odd node", "/api/events?node=abc"),
    _get("audit of an odd person", "/api/audit?actor=a%0d%0ab"),
    _get("audit of an odd source", "/api/audit?source=agent"),
    _get("samples of none", "/api/samples"),
    _get("samples of an odd node", "/api/samples?nodes=abc"),
    _get("samples of 61", "/api/samples?nodes=" + ",".join([GONE] * 61)),
    _get("history of none", "/api/history"),
    _get("history of a long time", "/api/history?tier=shop&span=86400"),
    _get("log of a node that is gone", f"/api/nodes/{GONE}/log", 404),
    _get("node that is gone", f"/api/nodes/{GONE}", 404),
    _get("short node", "/api/nodes/abc"),
    _get("unknown tier", "/api/tiers/nope", 404),
    _get("odd tier", "/api/tiers/%3Cb%3E"),
]
_PATHS = [
    *(
        _get(f"path {path}", path, 404)
        for path in (
            "/api/../secret.txt",
            "/assets/../secret.txt",
            "/assets/..%2fsecret.txt",
            "/assets/%2e%2e/secret.txt",
            "/assets/..%5csecret.txt",
            "/assets/..\\secret.txt",
            "/assets//etc/passwd",
            "/assets/%00",
            "/assets/app-A1B2C3D4.js%00.html",
            "/assets/index.html",
            "/assets/",
            "//",
            "//etc/passwd",
            "/api//state",
            "/api/state/",
            "/API/state",
            "/docs",
            "/redoc",
            "/openapi.json",
            "/v1/state",
            "/api/v1/state",
            "/r/",
            "/r/AAAAAAAAAAAAAAAAAAAAAA",
            "/r/..%2f..%2freport.html",
            "/.git/config",
        )
    ),
    Bad("method that is not there", 405, "PUT", "/api/plans", {}),
    Bad("delete of all", 405, "DELETE", "/api/tokens"),
    Bad("trace", 405, "TRACE", "/api/state"),
    Bad("override by a header", 405, "POST", "/api/me", {}, {"X-HTTP-Method-Override": "GET"}),
    Bad("override by a query", 405, "POST", "/api/state?_method=GET", {}),
]
_ORIGINS = [
    *(
        Bad(f"origin {origin!r}", 403, "POST", "/api/plans", {}, {"Origin": origin})
        for origin in ("http://[", "null", "http://evil.example", "x", "//[")
    ),
    _get("origin that is none", "/api/state", 403, headers={"Origin": "http://["}),
]
_PERSONS = [
    *(
        Bad(f"login: {name!r}", 401, "POST", "/api/login", {"name": name, "password": "x"}, user="")
        for name in ("", "Alice", "al ice", "alice\r\nX: y", "a" * 65, "\u202ealice", "../alice", "\ud800")
    ),
    *(
        Bad(f"login: {name!r}", 422, "POST", "/api/login", {"name": name, "password": "x"}, user="")
        for name in (None, 1, ["alice"])
    ),
    *(
        Bad(
            f"login: password {str(word)[:9]!r}",
            422,
            "POST",
            "/api/login",
            {"name": "alice", "password": word},
            user="",
        )
        for word in ("", None, 1, ["x"], "x" * 1025)
    ),
    Bad("login: wrong", 401, "POST", "/api/login", {"name": "alice", "password": "wrong"}, user=""),
    Bad("login: no such user", 401, "POST", "/api/login", {"name": "eve", "password": "wrong"}, user=""),
    *(
        Bad(f"password: {new[:9]!r}", 422, "POST", "/api/password", {"old": "x", "new": new})
        for new in ("", "short", "x" * 1025, "line\nbreak in it", "a\x00bcdefghijklm", "escape \x1b[31m it")
    ),
    Bad("password: wrong old one", 403, "POST", "/api/password", {"old": "x", "new": "long enough for it"}),
    *(
        Bad(f"token: {body}"[:60], 422, "POST", "/api/tokens", body)
        for body in (
            {},
            {"name": ""},
            {"name": "a\nb"},
            {"name": "<b>"},
            {"name": "a", "days": 0},
            {"name": "a", "days": 367},
            {"name": "a", "days": "9"},
            {"name": "a", "days": True},
            {"name": "a", "role": "root"},
            {"name": "a", "user": "bob"},
        )
    ),
    Bad("token: above one's role", 403, "POST", "/api/tokens", {"name": "a", "role": "operator"}, user="vera"),
    Bad("token: none of this name", 404, "DELETE", "/api/tokens/0123456789abcdef"),
    Bad("token: odd name", 422, "DELETE", "/api/tokens/x"),
    Bad("link: odd", 422, "POST", "/api/links", {"to": "/etc/passwd"}),
]
CASES = [*_COUNTS, *_WORDS, *_BODIES, *_ACTIONS, *_QUERIES, *_PATHS, *_ORIGINS, *_PERSONS]
