"""The balancer module's options, and what it says of those that cannot be used."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils import cluster_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_docker import BalancerError, Options
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer_plan import Holder
from ansible_collections.evenkeel.cluster.plugins.modules import balancer

GOOD: dict[str, Any] = {
    **{name: option.get("default") for name, option in balancer.argument_spec().items()},
    "cluster": "shop",
    "network": "shop",
    "image": "res/traefik:1",
    "static": {"entryPoints": {"web": {"address": ":8000", "reusePort": True}}},
    "ports": [{"inside": 8000, "address": "127.0.0.1", "outside": 8080}],
    "config_dir": "/srv/balancer",
    "log_dir": "/srv/log",
    "api_password_file": "/srv/password",
}


def options(**differs: Any) -> Options:
    return balancer.options_of({**GOOD, **differs})


def test_options() -> None:
    made = options(memory="512m", environment={"GOGC": 500})
    assert made.memory == 512 * 1024**2
    assert made.environment == {"GOGC": "500"}
    assert made.ports == {8000: ("127.0.0.1", 8080)}
    assert made.edge_image == "res/traefik:1"
    assert made.edge_file == Path("/srv/balancer/dynamic/edge.yml")
    assert options(edge_image="debian").edge_image == "debian"


@pytest.mark.parametrize(
    "differs, message",
    [
        ({"image": ""}, "image: got nothing, want it with state present (fix: pass image)"),
        ({"log_dir": None}, "log_dir: got nothing, want it with state present (fix: pass log_dir)"),
        ({"memory": "lots"}, "memory: got 'lots', want a size such as 1g (fix: memory: 1g)"),
        ({"pids": 0}, "pids: got 0, want 1 to 4194304 (fix: pids: 512)"),
        ({"closing_seconds": float("nan")}, "closing_seconds: got nan, want 0 to 600 (fix: closing_seconds: 3.0)"),
        ({"ready_seconds": 0.5}, "ready_seconds: got 0.5, want 1 to 3600 (fix: ready_seconds: 30.0)"),
        (
            {"static": {"entryPoints": {"web": {"address": ":8000"}}}},
            "static.entryPoints.web: got no reusePort, want it, or no two balancers can listen beside each other"
            " (fix: reusePort: true)",
        ),
    ],
)
def test_what_cannot_be_used(differs: dict[str, Any], message: str) -> None:
    with pytest.raises(BalancerError) as raised:
        options(**differs)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "differs, edge, serves",
    [
        ({}, True, True),
        ({"closing_seconds": 9.0, "ready_seconds": 9.0}, True, True),
        ({"static": {"entryPoints": {}}}, True, False),
        ({"seed": "another password"}, True, False),
        ({"environment": {"GOGC": "1"}}, True, False),
        ({"log_dir": "/elsewhere"}, True, False),
        ({"ports": [{"inside": 8000, "address": "127.0.0.1", "outside": 80}]}, False, True),
        ({"network": "other"}, False, True),
    ],
)
def test_what_makes_another_edge_or_balancer(differs: dict[str, Any], edge: bool, serves: bool) -> None:
    before, after = options().wanted("sha256:1"), options(**differs).wanted("sha256:1")
    assert (after.edge == before.edge, after.balancer == before.balancer) == (edge, serves)


def test_another_image_makes_another_balancer() -> None:
    before, after = options().wanted("sha256:1"), options().wanted("sha256:2")
    assert before.edge == after.edge
    assert before.balancer != after.balancer


class NoContainers:
    """Docker, where nothing of the cluster is left."""

    def __init__(self, cluster: str, network: str, labels: dict[str, str]) -> None:
        pass

    def connect(self) -> None:
        pass

    def holders(self) -> list[Holder]:
        return []


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_locks_file_goes_with_the_balancer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, check_mode: bool
) -> None:
    monkeypatch.setattr(cluster_lock, "lock_path", lambda cluster: tmp_path / cluster)
    monkeypatch.setattr(balancer, "BalancerPool", NoContainers)
    (tmp_path / "shop").touch()
    module: Any = SimpleNamespace(params={**GOOD, "state": "absent"}, check_mode=check_mode, _diff=False)
    result: dict[str, Any] = {}
    balancer.run(module, result)
    assert result["changed"] is False
    assert (tmp_path / "shop").exists() is check_mode
