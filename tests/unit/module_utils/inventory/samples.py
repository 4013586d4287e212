"""A cluster that is right, and ways to change it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import ClusterSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster

STATIC: dict[str, Any] = {
    "image": "res/apache_php",
    "context": "files/static",
    "port": 8080,
    "path": "/",
    "nodes": 3,
    "sticky": True,
}
DYNAMIC: dict[str, Any] = {
    "image": "res/express",
    "context": "files/dynamic",
    "port": 3000,
    "path": "/api/dates/",
    "strip_path": True,
    "nodes": 3,
    "sticky": False,
}
CLUSTER: dict[str, Any] = {
    "name": "evenkeel",
    "domain": "labo-http.res.ch",
    "hosts": ["labo-http.res.ch", "localhost", "127.0.0.1"],
    "engine": "docker",
    "web_port": 8080,
    "dashboard_port": 9000,
    "portainer": False,
    "portainer_port": 9090,
    "image_source": "packages",
    "registry_prefix": "",
    "apt_mirror": "",
    "ca_bundle": "",
    "state_dir": "/var/lib/evenkeel/evenkeel",
    "tiers": {"static": STATIC, "dynamic": DYNAMIC},
}


def cluster(**changes: Any) -> dict[str, Any]:
    """The default cluster with other knobs."""
    return {**copy.deepcopy(CLUSTER), **changes}


def with_static(**changes: Any) -> dict[str, Any]:
    """The default cluster with other options of its static tier."""
    return cluster(tiers={"static": {**STATIC, **changes}, "dynamic": DYNAMIC})


def problems_of(raw: Mapping[str, Any]) -> list[str]:
    spec, problems = parse_cluster(raw)
    assert (spec is None) == bool(problems)
    return [str(problem) for problem in problems]


def parsed(raw: Mapping[str, Any]) -> ClusterSpec:
    spec, problems = parse_cluster(raw)
    assert problems == []
    assert spec is not None
    return spec


def assert_one_line(problems: list[str], what: str) -> None:
    assert len(problems) == 1, problems
    (line,) = problems
    assert line.startswith(f"{what}: got ")
    assert ", want " in line
    assert " (fix: " in line
    assert line.endswith(")")
    assert line.isprintable()
    assert len(line) < 400
