"""What the web process is told when it starts: a JSON file that the role ``console`` writes."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .forwarded import Network
from .problems import line, quote

VIEWER, OPERATOR = "viewer", "operator"
#: From least to most.
ROLES = (VIEWER, OPERATOR)
LINKS = ("site", "dashboard", "portainer")
#: What the record calls the console where it acts by itself: no user's.
ITSELF = "console"
USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_ORIGIN = re.compile(r"https?://[^/\s?#@]+", re.ASCII)
_FIX = "ansible-playbook site.yml --tags console"


class SettingsError(Exception):
    """The settings cannot be used; its text is one line per problem."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of it.

    Attributes:
        cluster: the cluster's name.
        listen: the address that is listened at.
        port: the same.
        agent_socket: where the agent answers.
        data_dir: the process's own folder: passwords, tokens, the record of logins.
        users: name to role.
        hosts: names that lead here, beside addresses and ``localhost``.
        origins: origins by which people come here through a proxy, such as ``https://console.example.org``.
        proxies: networks of proxies whose word for the client's address is taken.
        certificate: file with the chain; None for no TLS.
        key: its key.
        links: name to address; empty for none.
        report: the newest report; None for none.
        assets: folder with the pages.
    """

    cluster: str
    listen: str
    port: int
    agent_socket: Path
    data_dir: Path
    users: Mapping[str, str]
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    proxies: tuple[Network, ...]
    certificate: Path | None
    key: Path | None
    links: Mapping[str, str]
    report: Path | None
    assets: Path


def read_settings(path: Path) -> Settings:
    """Read the file.

    Raises:
        SettingsError: it cannot be read, lacks something, or has something that is not known.
    """
    found = _read(path)
    values: dict[str, Any] = {}
    problems = [
        line(f"{path}: {quote(name)}", "a setting that does not exist", "none", _FIX)
        for name in sorted(found.keys() - _READERS.keys())
    ]
    for name, (want, reader) in _READERS.items():
        value = found.get(name, _DEFAULTS.get(name))
        try:
            values[name] = reader(value)
        except (ValueError, TypeError, AttributeError):
            problems.append(line(f"{path}: {name}", quote(value), want, _FIX))
    if not problems and (values["certificate"] is None) != (values["key"] is None):
        problems.append(line(f"{path}: certificate", "one of certificate and key", "both or none", _FIX))
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(line(str(path), f"'{error.strerror}'", "the console's settings", _FIX)) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(line(str(path), "text that is not JSON", "the console's settings", _FIX)) from error
    if not isinstance(found, dict):
        raise SettingsError(line(str(path), quote(found), "a JSON object", _FIX))
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def _path(value: Any) -> Path:
    found = Path(_text(value))
    if not found.is_absolute():
        raise ValueError
    return found


def _path_or_none(value: Any) -> Path | None:
    return None if value == "" else _path(value)


def _port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_text(item).lower() for item in value)


def _origins(value: Any) -> tuple[str, ...]:
    found = _names(value)
    # "null" is what pages without an origin send: it would let any page in.
    if any(_ORIGIN.fullmatch(item) is None for item in found):
        raise ValueError
    return found


def _proxies(value: Any) -> tuple[Network, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(ipaddress.ip_network(_text(item)) for item in value)


def _links(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or value.keys() - set(LINKS) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError
    if any(link and not link.startswith(("http://", "https://")) for link in value.values()):
        raise ValueError
    return {name: value.get(name, "") for name in LINKS}


def read_users(value: Any) -> dict[str, str]:
    """Users of the settings: name to role.

    Raises:
        ValueError: one of them cannot be used.
        TypeError: the same.
    """
    if not isinstance(value, list):
        raise TypeError
    found: dict[str, str] = {}
    for item in value:
        if not isinstance(item, dict) or item.keys() != {"name", "role"} or item["name"] in found:
            raise ValueError
        if item["name"] == ITSELF or USER_NAME.fullmatch(item["name"]) is None or item["role"] not in ROLES:
            raise ValueError
        found[item["name"]] = item["role"]
    return found


_DEFAULTS: dict[str, Any] = {"certificate": "", "key": "", "report": "", "hosts": [], "origins": [], "proxies": []}
_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "cluster": ("a name", _text),
    "listen": ("an address", _text),
    "port": ("a number from 0 to 65535", _port),
    "agent_socket": ("an absolute path", _path),
    "data_dir": ("an absolute path", _path),
    "users": (f"a list of a name and a role ({' or '.join(ROLES)}) each", read_users),
    "hosts": ("a list of names", _names),
    "origins": ("a list of origins, such as https://console.example.org", _origins),
    "proxies": ("a list of addresses or networks", _proxies),
    "certificate": ("an absolute path or nothing", _path_or_none),
    "key": ("an absolute path or nothing", _path_or_none),
    "links": (f"addresses of {', '.join(LINKS)}", _links),
    "report": ("an absolute path or nothing", _path_or_none),
    "assets": ("an absolute path", _path),
}
