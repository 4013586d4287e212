# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The console's knobs: who may use it, and under which names it is reached. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from .reader import Reader, is_folder, is_host_name

ROLES = ("viewer", "operator")
DEFAULT_USERS = ({"name": "admin", "role": "operator"},)
#: What the audit log calls the console where it acts by itself.
ITSELF = "console"
_USER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_ORIGIN = re.compile(r"https?://([^/:\s]+)(?::([0-9]{1,5}))?", re.ASCII)
_USERS_FIX = "console_users: [{name: admin, role: operator}]"
_LAST_PORT = 65535


def read_users(reader: Reader, raw: object) -> list[dict[str, str]]:
    """The users of ``console_users``; those that cannot be used are reported and left out.

    Args:
        reader: collects the problems.
        raw: a list of ``{name, role}``.
    """
    if not isinstance(raw, (list, tuple)) or not raw:
        reader.problem("console_users", raw, "a list with at least one user", _USERS_FIX)
        return []
    users: list[dict[str, str]] = []
    for number, item in enumerate(raw):
        user = _user(reader, f"console_users[{number}]", item)
        if user and user["name"] in {other["name"] for other in users}:
            reader.problem(f"console_users[{number}].name", user["name"], "a name of its own", "remove one of the two")
        elif user:
            users.append(user)
    return users


def _user(reader: Reader, what: str, raw: object) -> dict[str, str] | None:
    if not isinstance(raw, Mapping):
        reader.problem(what, raw, "a mapping with name and role", _USERS_FIX)
        return None
    known = len(reader.problems)
    reader.known_keys(what, raw, ("name", "role"))
    rule = "lower-case letters, digits and . _ -, at most 64 characters"
    name = reader.text(f"{what}.name", raw.get("name"), _USER, rule, f"{what}.name: admin")
    if name == ITSELF:
        reader.problem(
            f"{what}.name", name, "another name: the console's own acts bear this one", f"{what}.name: admin"
        )
    role = reader.choice(f"{what}.role", raw.get("role"), ROLES)
    return {"name": name, "role": role} if len(reader.problems) == known else None


def check_places(reader: Reader, hosts: object, origins: object) -> None:
    """Check ``console_hosts`` and ``console_origins``, which the role uses as they are."""
    if not isinstance(hosts, list):
        reader.problem("console_hosts", hosts, "a list of host names", "console_hosts: []")
    elif not isinstance(origins, list):
        reader.problem("console_origins", origins, "a list of origins", "console_origins: []")
    else:
        for host in hosts:
            if not is_host_name(host):
                reader.problem("console_hosts", host, "a host name without a port", "mend or remove it")
        for origin in origins:
            if not _is_origin(origin):
                want = "scheme and host, such as https://console.example.org"
                reader.problem("console_origins", origin, want, "mend or remove it")


def check_proxies(reader: Reader, proxies: object) -> None:
    """Check ``console_proxies``, which the role uses as it is."""
    if not isinstance(proxies, list):
        reader.problem("console_proxies", proxies, "a list of addresses or networks", "console_proxies: []")
        return
    for proxy in proxies:
        if not _is_network(proxy):
            want = "an address or a network, such as 192.0.2.10 or 192.0.2.0/28"
            reader.problem("console_proxies", proxy, want, "mend or remove it")


def _is_network(value: object) -> bool:
    # A number would be read as an address.
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        found = ipaddress.ip_network(value)
    except ValueError:
        return False
    # Every address cannot be a proxy's: then none would be a client's. IPv4 addresses are compared as such.
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    return found.prefixlen > 0 and mapped is None


def _is_origin(value: object) -> bool:
    match = _ORIGIN.fullmatch(value) if isinstance(value, str) else None
    return match is not None and is_host_name(match[1]) and 0 < int(match[2] or 1) <= _LAST_PORT


def read_tls(reader: Reader, raw: Mapping[str, Any]) -> bool:
    """Whether the console has a certificate; both files or none must be named.

    Args:
        reader: collects the problems.
        raw: ``console_certificate`` and ``console_key``, absolute paths on the managed machine, or empty.
    """
    found = {knob: raw.get(knob) or "" for knob in ("console_certificate", "console_key")}
    for knob, path in found.items():
        if path and (not isinstance(path, str) or not is_folder(path) or path.endswith("/")):
            reader.problem(knob, path, "the absolute path of a file (empty = no TLS)", f'{knob}: ""')
            return False
    lacking = [knob for knob, path in found.items() if not path]
    if len(lacking) == 1:
        reader.problem(lacking[0], "", "both files or none", f"name it, or empty {(found.keys() - lacking).pop()}")
    return not lacking
