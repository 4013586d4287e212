# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How a tier says when its nodes are ready. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..cluster.health import KINDS, TCP, HealthCheck
from .reader import Reader, is_host_name
from .tier_values import kind_of

HEALTH_KEYS = frozenset({"health", "health_path", "health_status", "health_host", "health_headers"})
# Two slashes at the beginning would be the address of another server.
_PATH = re.compile(r"/(?!/)[A-Za-z0-9_~./-]*(?:\?[A-Za-z0-9_~./=&+-]*)?", re.ASCII)
_PORT = re.compile(r":[0-9]{1,5}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?", re.ASCII)
# The client decides on these itself; the host has an option of its own.
_NO_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_LOWEST, _HIGHEST = 200, 499
# As files/hold/options.h and options.c have it.
_HELD_HEADERS, _HELD_LENGTH = 8, 255


def read_health(reader: Reader, at: str, raw: Mapping[str, Any], *, contract: bool, held: bool) -> HealthCheck:
    """The health check of a tier.

    Args:
        reader: collects the problems.
        at: the tier as people know it.
        raw: the tier's options as they were written.
        contract: its image keeps docs/node-images.md.
        held: a process of ours is process 1 of its nodes, and can look at a port that speaks no HTTP.
    """
    what, default = f"{at}.health_path", "/healthz" if contract else "/"
    check = HealthCheck(
        path=reader.text(what, raw.get("health_path", default), _PATH, "a path such as /healthz", f"{what}: {default}"),
        status=_status(reader, f"{at}.health_status", raw.get("health_status", 0)),
        host=_host(reader, f"{at}.health_host", raw.get("health_host", "")),
        headers=_headers(reader, at, raw.get("health_headers", {})),
        kind=reader.choice(f"{at}.health", raw.get("health", KINDS[0]), KINDS),
        contract=contract,
    )
    if check.kind == TCP:
        _check_tcp(reader, at, raw, held=held)
    elif held:
        _check_held(reader, at, check)
    return check


def _check_held(reader: Reader, at: str, check: HealthCheck) -> None:
    """What holds an application has little room for what it asks."""
    if len(check.headers) > _HELD_HEADERS:
        want = f"at most {_HELD_HEADERS} headers where nodes are held"
        reader.problem(f"{at}.health_headers", len(check.headers), want, f"remove some, or {at}.leaving: balancer")
    lines = {"health_path": check.path, "health_host": check.host}
    lines |= {f"health_headers.{name}": f"{name}: {value}" for name, value in check.headers.items()}
    for option, text in lines.items():
        if len(text) > _HELD_LENGTH:
            want = f"at most {_HELD_LENGTH} characters where nodes are held"
            reader.problem(f"{at}.{option}", f"{len(text)} characters", want, f"shorten it, or {at}.leaving: balancer")


def _check_tcp(reader: Reader, at: str, raw: Mapping[str, Any], *, held: bool) -> None:
    if not held:
        want = "http, because the balancer asks by HTTP alone where the nodes have no process of ours"
        reader.problem(f"{at}.health", TCP, want, f"{at}.leaving: held, or {at}.health: http")
    for option in sorted(HEALTH_KEYS & raw.keys() - {"health"}):
        want = "nothing, because a port that is only connected to answers no request"
        reader.problem(f"{at}.{option}", raw[option], want, f"remove {option}, or {at}.health: http")


def _status(reader: Reader, what: str, raw: object) -> int:
    if raw in (0, "0") and not isinstance(raw, bool):
        return 0
    return reader.whole(what, raw, _LOWEST, _HIGHEST, f"{what}: 200")


def _host(reader: Reader, what: str, raw: object) -> str:
    text = raw if isinstance(raw, str) else None
    if text == "":
        return ""
    name, colon, port = (text or "").partition(":")
    if not is_host_name(name) or (colon and _PORT.fullmatch(colon + port) is None):
        reader.problem(what, raw, "a host name, with :port or without", f"{what}: shop.example.org")
        return ""
    return str(text)


def _headers(reader: Reader, at: str, raw: object) -> dict[str, str]:
    what = f"{at}.health_headers"
    example = f"{what}: {{X-Probe: balancer}}"
    if not isinstance(raw, Mapping):
        # What is in it may be secret.
        reader.problem(what, kind_of(raw), "a mapping of names to values", example)
        return {}
    found = {}
    for name, value in raw.items():
        if not isinstance(name, str) or _HEADER.fullmatch(name) is None:
            reader.problem(what, name, "a name of letters, digits and -", example)
        elif name.lower() in _NO_HEADERS:
            fix = f"{at}.health_host: shop.example.org" if name.lower() == "host" else f"remove {name}"
            reader.problem(what, name, "a header that is not the client's own", fix)
        elif not isinstance(value, str) or _VALUE.fullmatch(value) is None:
            reader.problem(f"{what}.{name}", kind_of(value), "text of visible ASCII letters", example)
        else:
            found[name] = str(value)
    return found
