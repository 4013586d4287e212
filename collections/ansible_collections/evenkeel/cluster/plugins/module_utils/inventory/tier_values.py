# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Reads the values of a tier's options that are more than a number, a flag or a word. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..cluster.logs import LOG_SIZE, MIN_LOG_SIZE
from ..cluster.spec import SAME_SITE, Cookie
from ..core.errors import quote
from ..core.values import parse_size, whole_number
from .container_values import above_the_socket
from .reader import Reader, is_folder

_COOKIE_MAX_AGE = 400 * 86400  # browsers keep no cookie for longer (RFC 6265bis, section 5.6.2)
_COOKIE_KEYS = frozenset(field.name for field in dataclasses.fields(Cookie))
# Browsers keep __Host- and __Secure- for cookies over HTTPS.
_COOKIE_NAME = re.compile(r"(?!__)[A-Za-z0-9_-]{1,64}", re.ASCII)
_MIN_CPUS = 0.01  # Docker refuses less
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?", re.ASCII)
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}", re.ASCII)
_MEMORY_FLOOR = 16 * 1024**2
_MOUNT_KEYS = frozenset({"source", "target", "read_only"})


def cookie(reader: Reader, what: str, tier: str, raw: object) -> Cookie:
    """The cookie of the sticky sessions of a tier."""
    default = f"evenkeel_{tier}"
    if not isinstance(raw, Mapping):
        reader.problem(what, raw, "a mapping of cookie options", f"{what}: {{same_site: lax}}")
        return Cookie(name=default)
    reader.known_keys(what, raw, _COOKIE_KEYS)
    want = "letters, digits, _ and -, not beginning with __"
    found = Cookie(
        name=reader.text(f"{what}.name", raw.get("name", default), _COOKIE_NAME, want, f"{what}.name: session"),
        secure=reader.flag(f"{what}.secure", raw.get("secure", False)),
        http_only=reader.flag(f"{what}.http_only", raw.get("http_only", True)),
        same_site=reader.choice(f"{what}.same_site", raw.get("same_site", "lax"), SAME_SITE),
        max_age=reader.whole(f"{what}.max_age", raw.get("max_age", 0), 0, _COOKIE_MAX_AGE, f"{what}.max_age: 0"),
    )
    if found.secure:
        want = "false, because the web entry point speaks plain HTTP and browsers would never send the cookie back"
        reader.problem(f"{what}.secure", True, want, f"remove {what}.secure")
    elif found.same_site == "none":
        want = "lax or strict, because none needs a secure cookie"
        reader.problem(f"{what}.same_site", "none", want, f"{what}.same_site: lax")
    return found


def memory(reader: Reader, what: str, raw: object) -> int:
    """Bytes of memory that an application can live with."""
    size = parse_size(raw)
    if size is None or size < _MEMORY_FLOOR:
        reader.problem(what, raw, "a size of at least 16m, such as 256m or 1g", f"{what}: 256m")
        return _MEMORY_FLOOR
    return size


def log_size(reader: Reader, what: str, raw: object) -> int:
    """Bytes of a log file; 0 for Docker's own way of logging."""
    if whole_number(raw) == 0:
        return 0
    size = parse_size(raw)
    if size is None or size < MIN_LOG_SIZE:
        reader.problem(what, raw, "a size of at least 1m, or 0 for Docker's own log driver", f"{what}: 10m")
        return LOG_SIZE
    return size


def cpus(reader: Reader, what: str, raw: object) -> float:
    """A number of CPUs; 0 for no limit."""
    written = raw if isinstance(raw, str) else repr(raw) if isinstance(raw, float) else quote(raw)
    number = float(written) if not isinstance(raw, bool) and _DECIMAL.fullmatch(written) else -1.0
    if number < 0 or 0 < number < _MIN_CPUS:
        reader.problem(what, raw, "a number of CPUs such as 0.5 (0 = no limit)", f"{what}: 0")
        return 0.0
    return number


def kind_of(value: object) -> object:
    """What can be told of a value that may be secret."""
    if isinstance(value, (bool, type(None))):
        return value
    kinds = {str: "text", list: "a list", Mapping: "a mapping", int: "a number", float: "a number"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "something else")


def environment(reader: Reader, what: str, raw: object) -> dict[str, str]:
    """Environment variables; their values are never repeated."""
    if not isinstance(raw, Mapping):
        # What is in it may be secret.
        reader.problem(what, kind_of(raw), "a mapping of names to values", f"{what}: {{NAME: value}}")
        return {}
    variables: dict[str, str] = {}
    for name, value in raw.items():
        if not isinstance(name, str) or _ENVIRONMENT_NAME.fullmatch(name) is None:
            reader.problem(what, name, "a variable name of letters, digits and _", "rename it")
        elif name.startswith("EVENKEEL_"):
            reader.problem(what, name, "a name that does not begin with EVENKEEL_, which is ours", "rename it")
        elif isinstance(value, str) and "\0" not in value:
            variables[name] = str(value)
        elif isinstance(value, (bool, int, float)):
            variables[name] = quote(value)
        else:
            reader.problem(f"{what}.{name}", kind_of(value), "text, a number or true/false", "quote the value")
    return variables


def mounts(reader: Reader, what: str, raw: object, scratch: Iterable[str]) -> list[dict[str, Any]]:
    """Volumes and folders of the host that nodes see.

    Args:
        reader: collects the problems.
        what: the option as people know it.
        raw: the list as it was written.
        scratch: the folders with scratch space.
    """
    if not isinstance(raw, list):
        reader.problem(what, raw, "a list of {source, target, read_only}", f"{what}: []")
        return []
    found: list[dict[str, Any]] = []
    others = [*scratch, "the other mounts"]
    want_target = f"another than {', '.join(others[:-1])}{' and ' if others[:-1] else ''}{others[-1]}"
    targets = set(scratch)
    for index, item in enumerate(raw):
        place = f"{what}[{index}]"
        if not isinstance(item, Mapping):
            reader.problem(place, item, "a mapping {source, target, read_only}", "see roles/cluster/defaults/main.yml")
            continue
        reader.known_keys(place, item, _MOUNT_KEYS)
        source = item.get("source")
        if isinstance(source, str) and source.startswith("/") and above_the_socket(source):
            want = "a folder without Docker's socket in it, because whoever has that is root on the host"
            reader.problem(f"{place}.source", source, want, f"{place}.source: /srv/data")
        elif not isinstance(source, str) or not (_VOLUME.fullmatch(source) or is_folder(source)):
            reader.problem(f"{place}.source", source, "a volume name or an absolute path", f"{place}.source: my-data")
        target = item.get("target")
        if not isinstance(target, str) or not is_folder(target):
            reader.problem(f"{place}.target", target, "an absolute path in the node", f"{place}.target: /data")
        elif target.rstrip("/") in targets:
            reader.problem(f"{place}.target", target, want_target, f"{place}.target: /data")
        else:
            targets.add(target.rstrip("/"))
        read_only = reader.flag(f"{place}.read_only", item.get("read_only", True))
        found.append({"source": source, "target": target, "read_only": read_only})
    return found
