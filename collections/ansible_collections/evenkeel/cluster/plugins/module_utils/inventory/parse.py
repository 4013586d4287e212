# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The declared cluster: raw inventory values in, a checked and completed specification out.

Pure: no I/O. Every problem of the input is found in one pass and told as one line,
``what: got X, want Y (fix: ...)``, so that all of it can be mended at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..cluster.spec import ClusterSpec
from ..core.errors import printable
from .reader import NAME, Reader, is_folder, is_host_name
from .tiers import node_variable, read_tiers

ENGINES = ("docker",)
IMAGE_SOURCES = ("packages", "registry")
RESERVED_CLUSTERS = frozenset({"bridge", "default", "host", "ingress", "none"})
_REGISTRY_PREFIX = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?/(?:[a-z0-9][a-z0-9._-]*/)*)?", re.ASCII
)
_MIRROR = re.compile(r"(?:(?:https?|file)://[A-Za-z0-9._~:/@%+-]+)?", re.ASCII)
# No place for state: the system's own, and what is too near to the root. The empty name stands for no path at all.
_SYSTEM_FOLDERS = frozenset({"", "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"})
_MIN_FOLDERS = {"home": 3, "var": 3}


def _ports(reader: Reader, raw: Mapping[str, Any]) -> tuple[int, int, int]:
    owners: dict[int, str] = {}
    numbers = []
    for knob, default in (("web_port", 8080), ("dashboard_port", 9000), ("portainer_port", 9090)):
        known = len(reader.problems)
        number = reader.whole(f"cluster_{knob}", raw.get(knob), 1, 65535, f"-e cluster_{knob}={default}")
        numbers.append(number)
        if len(reader.problems) == known and owners.setdefault(number, knob) != knob:
            want = f"another port than cluster_{owners[number]}"
            free = next(port for port in (default, *range(8081, 8090)) if port not in owners)
            reader.problem(f"cluster_{knob}", number, want, f"-e cluster_{knob}={free}")
    return numbers[0], numbers[1], numbers[2]


def _hosts(reader: Reader, raw: object, domain: object) -> list[str]:
    if not isinstance(raw, list):
        reader.problem("cluster_hosts", raw, "a list of host names (empty = any host)", "cluster_hosts: []")
        return []
    for host in raw:
        if not is_host_name(host) and host != domain:  # a wrong domain is told once
            reader.problem("cluster_hosts", host, "a host name", "mend or remove it")
    return list(dict.fromkeys(host for host in raw if isinstance(host, str)))


def _state_dir(reader: Reader, raw: object) -> str:
    # Nobody else's, for it is removed with the cluster.
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


def _node_variables(reader: Reader, tiers: object, variables: Iterable[str]) -> None:
    if not isinstance(tiers, Mapping) or not tiers:
        return
    names = sorted(str(tier) for tier in tiers)
    knobs = sorted(node_variable(name) for name in names)
    for variable in sorted(set(variables) - set(knobs)):
        near = difflib.get_close_matches(variable, knobs, n=1)
        fix = f"did you mean {near[0]}?" if near else "mend or remove the variable"
        reader.problem(variable, variable.removesuffix("_nodes"), "a tier of cluster_tiers: " + ", ".join(names), fix)


def parse_cluster(raw: Mapping[str, Any], node_variables: Iterable[str] = ()) -> tuple[ClusterSpec | None, list[str]]:
    """Check and complete the declared cluster.

    :param raw: the ``cluster_*`` knobs without their prefix (``name``, ``domain``, ``hosts``, ``tiers``, ...).
    :param node_variables: names of the variables that end in ``_nodes``; each must name a tier, so that a
        mistyped ``-e statik_nodes=5`` is not silently without effect.
    :returns: the specification (``None`` when there are problems) and the problems, one line each.
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
    web_port, dashboard_port, portainer_port = _ports(reader, raw)
    tiers = read_tiers(reader, name, raw.get("tiers"))
    _node_variables(reader, raw.get("tiers"), node_variables)
    _sources(reader, raw)
    spec = ClusterSpec(
        name=name,
        domain=str(domain),
        hosts=hosts,
        engine=reader.choice("cluster_engine", raw.get("engine"), ENGINES),
        network=name,
        web_port=web_port,
        dashboard_port=dashboard_port,
        portainer=reader.flag("cluster_portainer", raw.get("portainer")),
        portainer_port=portainer_port,
        image_source=reader.choice("cluster_image_source", raw.get("image_source"), IMAGE_SOURCES),
        state_dir=_state_dir(reader, raw.get("state_dir")),
        tiers=tiers,
    )
    return (None if reader.problems else spec), reader.problems
