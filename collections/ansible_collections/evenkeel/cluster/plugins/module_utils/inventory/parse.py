# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The declared cluster: raw inventory values in, a checked and completed specification out.

Pure: no I/O. One pass finds every problem of the input, each one line, ``what: got X, want Y (fix: ...)``, so that all
of them can be mended at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..cluster.endpoints import EVERY_ADDRESS, LOOPBACK
from ..cluster.engines import ENGINES
from ..cluster.spec import CONSOLE_PORT, ClusterSpec, Tier
from ..core.errors import Problem, printable
from .console_options import DEFAULT_USERS, check_places, check_proxies, read_tls, read_users
from .reader import NAME, Reader, is_address, is_folder, is_host_name
from .tiers import read_tiers

IMAGE_SOURCES = ("packages", "registry")
RESERVED_CLUSTERS = frozenset({"bridge", "default", "host", "ingress", "none"})
_REGISTRY_PREFIX = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?/(?:[a-z0-9][a-z0-9._-]*/)*)?", re.ASCII
)
# A colon ends the user's name in a users file and in HTTP's basic authentication.
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
_PORTS = {"web_port": 8080, "dashboard_port": 9000, "portainer_port": 9090, "console_port": CONSOLE_PORT}
MAX_RETRY_ATTEMPTS = 1000
DEFAULT_RETRY_ATTEMPTS = 128
_MIRROR = re.compile(r"(?:(?:https?|file)://[A-Za-z0-9._~:/@%+-]+)?", re.ASCII)
# Not for state: the system's own folders, and what is too near to the root. The empty name stands for no path at all.
_SYSTEM_FOLDERS = frozenset({"", "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"})
_MIN_FOLDERS = {"home": 3, "var": 3}


def _ports(reader: Reader, raw: Mapping[str, Any]) -> dict[str, int]:
    owners: dict[int, str] = {}
    numbers = {}
    for knob, default in _PORTS.items():
        known = len(reader.problems)
        number = reader.whole(
            f"cluster_{knob}",
            raw.get(knob, default if knob == "console_port" else None),
            1,
            65535,
            f"-e cluster_{knob}={default}",
        )
        numbers[knob] = number
        if len(reader.problems) == known and owners.setdefault(number, knob) != knob:
            want = f"another port than cluster_{owners[number]}"
            free = next(port for port in (default, *range(8081, 8090)) if port not in owners)
            reader.problem(f"cluster_{knob}", number, want, f"-e cluster_{knob}={free}")
    return numbers


def _hosts(reader: Reader, raw: object, domain: object) -> list[str]:
    if not isinstance(raw, list):
        reader.problem("cluster_hosts", raw, "a list of host names (empty = any host)", "cluster_hosts: []")
        return []
    for host in raw:
        if not is_host_name(host) and host != domain:  # a wrong domain is reported once
            reader.problem("cluster_hosts", host, "a host name", "mend or remove it")
    return list(dict.fromkeys(host for host in raw if isinstance(host, str)))


def _state_dir(reader: Reader, raw: object) -> str:
    # Teardown removes the folder, so it must hold nothing else.
    parts = raw.strip("/").split("/") if isinstance(raw, str) and is_folder(raw) else [""]
    if not isinstance(raw, str) or parts[0] in _SYSTEM_FOLDERS or len(parts) < _MIN_FOLDERS.get(parts[0], 2):
        want = "an absolute path to a folder of its own"
        reader.problem("cluster_state_dir", raw, want, "-e cluster_state_dir=/var/lib/evenkeel/evenkeel")
        return ""
    return raw.rstrip("/")


def _sources(reader: Reader, raw: Mapping[str, Any]) -> None:
    """Where images come from; used by the roles as they are, so checked only."""
    prefix = "a registry and path that ends in / (empty = none)"
    reader.text(
        "cluster_registry_prefix",
        raw.get("registry_prefix", ""),
        _REGISTRY_PREFIX,
        prefix,
        "-e cluster_registry_prefix=localhost:5000/library/",
    )
    mirror = "the address of a mirror (empty = the distribution's own)"
    fix = "-e cluster_apt_mirror=http://mirror.example.org/debian"
    reader.text("cluster_apt_mirror", raw.get("apt_mirror", ""), _MIRROR, mirror, fix)
    bundle = raw.get("ca_bundle", "")
    if not isinstance(bundle, str) or printable(bundle) != bundle:
        reader.problem("cluster_ca_bundle", bundle, "the path of a file (empty = none)", "-e cluster_ca_bundle=")


def _address(reader: Reader, knob: str, raw: object, default: str = EVERY_ADDRESS) -> str:
    if not is_address(raw):
        want = f"an IP address of this machine ({EVERY_ADDRESS} = all)"
        reader.problem(knob, raw, want, f"-e {knob}={default}")
        return default
    return str(raw)


def _retries(reader: Reader, raw: object, tiers: Sequence[Tier]) -> None:
    """A node must be out before the retries of a request for it are used up."""
    knob, known = "load_balancer_retry_attempts", len(reader.problems)
    attempts = reader.whole(knob, raw, 1, MAX_RETRY_ATTEMPTS, f"-e {knob}={DEFAULT_RETRY_ATTEMPTS}")
    if len(reader.problems) > known:
        return
    for tier in tiers:
        if tier.max_failures >= attempts:
            what = f"cluster_tiers.{tier.name}.max_failures"
            want = f"less than {knob} ({attempts}), so that a request for a dead node can go elsewhere"
            fix = f"{what}: {attempts - 1}, or -e {knob}={tier.max_failures + 1}"
            reader.problem(what, tier.max_failures, want, fix)


def parse_cluster(raw: Mapping[str, Any]) -> tuple[ClusterSpec | None, list[Problem]]:
    """Check and complete the declared cluster.

    Args:
        raw: the ``cluster_*`` knobs without their prefix (``name``, ``domain``, ``hosts``, ``tiers``, ...), and knobs
            of other roles that must agree with them: ``web_address``, ``dashboard_address``, ``portainer_address``,
            ``retry_attempts``, and those of the console with their prefix ``console_``. ``tier_secrets`` has what the
            tiers keep secret, see :func:`tiers.read_tiers`.

    Returns:
        The specification (``None`` when there are problems) and the problems.
    """
    reader = Reader()
    name = reader.text(
        "cluster_name",
        raw.get("name"),
        NAME,
        "lower-case letters, digits and -, beginning with a letter, at most 30 characters",
        "-e cluster_name=evenkeel",
    )
    if name in RESERVED_CLUSTERS:
        reader.problem("cluster_name", name, "a name that Docker does not use itself", "-e cluster_name=evenkeel")
    domain = raw.get("domain")
    if not is_host_name(domain):
        reader.problem("cluster_domain", domain, "a host name", "-e cluster_domain=labo-http.res.ch")
    hosts = _hosts(reader, raw.get("hosts"), domain)
    ports = _ports(reader, raw)
    tiers = read_tiers(reader, name, raw.get("tiers"), raw.get("tier_secrets") or {})
    _retries(reader, raw.get("retry_attempts", DEFAULT_RETRY_ATTEMPTS), tiers)
    _sources(reader, raw)
    check_places(reader, raw.get("console_hosts", []), raw.get("console_origins", []))
    check_proxies(reader, raw.get("console_proxies", []))
    reader.choice("cluster_engine", raw.get("engine"), ENGINES)
    spec = ClusterSpec(
        name=name,
        domain=str(domain),
        hosts=hosts,
        network=name,
        web_port=ports["web_port"],
        dashboard_port=ports["dashboard_port"],
        portainer=reader.flag("cluster_portainer", raw.get("portainer")),
        portainer_port=ports["portainer_port"],
        image_source=reader.choice("cluster_image_source", raw.get("image_source"), IMAGE_SOURCES),
        state_dir=_state_dir(reader, raw.get("state_dir")),
        tiers=tiers,
        dashboard_user=reader.text(
            "cluster_dashboard_user",
            raw.get("dashboard_user", "admin"),
            _USER,
            "letters, digits and . _ @ -, at most 64 characters",
            "-e cluster_dashboard_user=admin",
        ),
        web_address=_address(reader, "load_balancer_web_address", raw.get("web_address", EVERY_ADDRESS)),
        dashboard_address=_address(
            reader, "load_balancer_dashboard_address", raw.get("dashboard_address", EVERY_ADDRESS)
        ),
        portainer_address=_address(reader, "portainer_address", raw.get("portainer_address", EVERY_ADDRESS)),
        console=reader.flag("cluster_console", raw.get("console", False)),
        console_port=ports["console_port"],
        console_address=_address(reader, "console_address", raw.get("console_address", LOOPBACK), LOOPBACK),
        console_tls=read_tls(reader, raw),
        console_users=read_users(reader, raw.get("console_users", DEFAULT_USERS)),
    )
    return (None if reader.problems else spec), reader.problems
