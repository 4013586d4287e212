"""The module from its options to its result; what it looks at is tested with the library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.modules.test_node_pool import CLUSTER, Host, run

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import edge_config
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import drift_report
from ansible_collections.evenkeel.cluster.plugins.modules import cluster_info


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    host = Host(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", host.socket.address)
    host.socket.answers["/info"] = (200, {"DockerRootDir": str(tmp_path)})
    host.socket.answers["/containers/id-1/json"] = host.socket.answers["/containers/id-2/json"] = (404, {})
    yield host.options(
        addresses=[{"name": "web", "address": "127.0.0.1", "port": 9}],
        secrets=[str(tmp_path / "none")],
        state_dir=str(tmp_path),
        min_free_disk="1m",
        balancer={
            "cluster": CLUSTER,
            "network": CLUSTER,
            "image": "res/traefik:1",
            "static": {"entryPoints": {"web": {"address": ":8000", "reusePort": True}}},
            "config_dir": str(tmp_path / "config"),
            "log_dir": str(tmp_path / "log"),
            "api_password_file": str(tmp_path / "none"),
        },
    )
    host.socket.close()


def test_all_parts_are_told(options: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(cluster_info, options, capsys, check=True)
    assert result["changed"] is False
    assert result["tiers"]["web"]["running"] == 2
    parts = {part["part"]: part for part in result["parts"]}
    assert [*parts] == [
        "web address", "edge", "balancer", "network", "routes", "provider", "secrets", "files", "disk",
    ]  # fmt: skip
    assert parts["edge"]["to_do"] == [f"start edge {CLUSTER}-edge (holds ports and addresses)"]
    assert parts["balancer"]["to_do"] == [
        "write edge-watch.pl (is not as declared)",
        f"start {CLUSTER}-balancer-blue (none runs)",
    ]
    assert parts["network"]["to_do"] == [f"create network {CLUSTER}"]
    assert parts["secrets"]["to_do"] == [f"generate {tmp_path}/none"]
    assert parts["files"]["to_do"] == [f"write {tmp_path}/config/dynamic/edge.yml (is missing)"]
    assert parts["web address"]["lines"][0].endswith("(fix: ansible-playbook site.yml)")
    assert parts["disk"]["lines"] == []
    # No neighbour is asked for what only this machine can reach.
    assert parts["web address"]["state"] == "connection refused from this machine"
    assert drift_report(result)["parts"] == result["parts"]


def test_the_file_that_names_a_draining_balancer_is_as_it_must_be(
    options: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "config/dynamic/edge.yml"
    file.parent.mkdir(parents=True)
    for text, to_do in (
        (edge_config("blue"), []),
        (edge_config(""), []),
        ("nonsense", [f"write {file} (content differs)"]),
    ):
        file.write_text(text)
        parts = {part["part"]: part for part in run(cluster_info, options, capsys)["parts"]}
        assert parts["files"]["to_do"] == to_do


def test_bad_options_of_the_balancer_are_lines(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    result = run(cluster_info, {**options, "balancer": {"cluster": "x"}}, capsys)
    assert result["msg"].startswith("balancer: missing required arguments: network")
    result = run(cluster_info, {**options, "balancer": {**options["balancer"], "memory": "much"}}, capsys)
    assert result["msg"] == "memory: got 'much', want a size such as 1g (fix: -e load_balancer_memory=1g)"


def test_an_engine_that_does_not_answer_is_a_line_and_what_a_run_would_do(
    options: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    result = run(cluster_info, options, capsys)
    assert "failed" not in result
    told = drift_report(result)
    assert told["agreed"] is False
    assert told["lines"][0].startswith("Docker daemon: got no answer at unix:///nonexistent.sock")
    assert "edge, balancer and nodes (2 of web)" in told["lines"][1]
    failed = run(cluster_info, {**options, "require_agreement": True, "settle_timeout": 0}, capsys)
    assert failed["failed"] is True
    assert failed["msg"].startswith("Docker daemon: got no answer")
