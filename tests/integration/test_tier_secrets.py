"""Secrets of a tier: nodes read them, a changed value replaces the nodes, and no trace of a value is anywhere else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from .conftest import ROOT, STATE, Watcher, nodes, play

CANARY = "canary-9e72"
#: In the tier's environment, where Docker shows it: what finds nothing of the secrets must find this.
CONTROL = "canary-control-41"
TIERS = STATE / "secrets/tiers"


def declared(password: str) -> tuple[str, str]:
    """The declared tiers: two nodes with two secrets, and one variable that is none."""
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    tiers["dynamic"] |= {
        "nodes": 2,
        "environment": {"HARMLESS": CONTROL},
        "secrets": {"db_password": password, "cert.pem": f"{CANARY}-cert\nof two lines\n"},
    }
    # In one wave: the waves are not what is tested here.
    return "-e", json.dumps({"cluster_tiers": tiers, "node_pool_surge_percent": 100})


def all_records(engine: docker.DockerClient) -> str:
    """What Docker tells of all containers and images."""
    api: Any = engine.api
    containers = api.containers(all=True)
    images = api.images()
    return json.dumps(
        [
            [containers, images],
            [api.inspect_container(item["Id"]) for item in containers],
            [api.inspect_image(item["Id"]) for item in images],
            [api.history(item["Id"]) for item in images],
        ]
    )


def logs(engine: docker.DockerClient) -> str:
    """What the cluster prints; containers of others may have logs that Docker cannot read."""
    api: Any = engine.api
    ours = api.containers(filters={"label": "evenkeel.cluster=evenkeel"})
    return b"".join(api.logs(item["Id"]) for item in ours).decode(errors="replace")


def inside(engine: docker.DockerClient) -> list[str]:
    """The secrets as the nodes' own user sees them, which is not root."""
    read = ["cat", "/run/secrets/db_password", "/run/secrets/cert.pem"]
    outputs: list[Any] = [node.exec_run(read).output for node in nodes(engine, "dynamic").values()]
    return [output.decode() for output in outputs]


def versions() -> list[Path]:
    return sorted(TIERS.glob("*/*"))


def changes(output: str) -> list[str]:
    """What a diff says of secrets."""
    return sorted(line.strip("+ ") for line in output.splitlines() if line.strip().startswith("+secret "))


@pytest.fixture
def shown() -> Iterator[list[subprocess.CompletedProcess[str]]]:
    """What playbooks print; the default cluster is back afterwards."""
    found: list[subprocess.CompletedProcess[str]] = []
    yield found
    assert play("playbooks/scale.yml", "-e", "node_pool_surge_percent=100").returncode == 0
    assert not TIERS.exists(), "the secrets go with the last node that has them"


def test_a_changed_secret_rolls_its_tier_and_leaves_no_trace(
    cluster: docker.DockerClient, shown: list[subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path / "facts"))

    def run(playbook: str, password: str, *arguments: str) -> str:
        shown.append(play(playbook, "-vvv", "--diff", *declared(password), *arguments))
        assert shown[-1].returncode == 0, shown[-1].stdout[-3000:]
        return shown[-1].stdout

    first, second = f"{CANARY}-1", f"{CANARY}-2"
    static = set(nodes(cluster, "static"))
    with Watcher(clients=2) as watcher:
        added = changes(run("playbooks/scale.yml", first))
        before, old = versions(), set(nodes(cluster, "dynamic"))
        predicted = run("playbooks/scale.yml", second, "--check")
        assert (versions(), set(nodes(cluster, "dynamic"))) == (before, old)
        performed = run("playbooks/scale.yml", second)
    assert watcher.failed == []
    assert added == ["secret cert.pem of dynamic added", "secret db_password of dynamic added"]
    assert changes(predicted) == changes(performed) == ["secret db_password of dynamic changed"]
    assert len(before) == len(versions()) == 1
    assert versions() != before
    assert not set(nodes(cluster, "dynamic")) & old
    assert set(nodes(cluster, "static")) == static
    assert inside(cluster) == [f"{second}{CANARY}-cert\nof two lines\n"] * 2

    drift = tmp_path / "drift.json"
    assert "changed=0" in run("playbooks/status.yml", second, "-e", f"evidence_drift_file={drift}")
    facts = [path.read_text() for path in tmp_path.glob("facts/*")]
    places = {
        "output": "".join(done.stdout + done.stderr for done in shown),
        "facts": "".join(facts),
        "drift": drift.read_text(),
        "declaration": (STATE / "declaration.json").read_text(),
        "access log": (STATE / "log/access.log").read_text(),
        "processes": subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout,
        "records": all_records(cluster),
        "logs": logs(cluster),
    }
    assert [place for place, text in places.items() if CANARY in text] == []
    assert [place for place, text in places.items() if CONTROL in text] == ["declaration", "records"]
    assert "agreed" in places["drift"]


def test_a_file_of_variables_that_is_gone_stops_only_what_needs_it(cluster: docker.DockerClient) -> None:
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    tiers["shop"] = {"image": "shop:1", "port": 80, "path": "/shop/", "nodes": 0, "env_file": "gone.env"}
    told = play("playbooks/scale.yml", "-e", json.dumps({"cluster_tiers": tiers}))
    assert told.returncode != 0
    assert "cluster_tiers.shop.env_file: got no file for 'gone.env'" in told.stdout
    removed = play("playbooks/teardown.yml", "--check", "-e", json.dumps({"cluster_tiers": tiers}))
    assert removed.returncode == 0, removed.stdout[-3000:]
    assert "changed=0" not in removed.stdout
