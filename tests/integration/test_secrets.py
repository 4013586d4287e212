"""The values of a tier's environment and secrets leave neither the host nor the containers that they are for."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from .conftest import ROOT, nodes, play, played

CANARY = "canary-5d1c"
# None of the names sounds like a secret.
SECRETS = {
    "MYSQL_PWD": f"{CANARY}-1",
    "SENTRY_DSN": f"https://u:{CANARY}-2@host/3",
    "JWT": f"{CANARY}-4",
    "PIN": 71358246,
}
_TRACES = (CANARY, "71358246")


def variables(environment: object) -> tuple[str, str]:
    """The declared tiers, one of them with an environment and a secret."""
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    tiers["dynamic"] |= {"environment": environment, "secrets": {"harmless": f"{CANARY}-5"}}
    declared = {**tiers, "dynamic": {**tiers["dynamic"], "nodes": 2}}
    # In one wave: the waves are not what is tested here.
    return "-e", json.dumps({"cluster_tiers": declared, "node_pool_surge_percent": 100})


def traces(text: str) -> list[str]:
    return [line[:300] for line in text.splitlines() if any(trace in line for trace in _TRACES)]


def without_variables(record: dict[str, Any]) -> dict[str, Any]:
    """Docker's record of a container without its variables, which nothing can hide from users of Docker."""
    return {**record, "Config": {**record["Config"], "Env": []}}


def test_no_value_of_an_environment_is_shown(cluster: docker.DockerClient) -> None:
    before = set((ROOT / "evidence").glob("*"))
    try:
        shown = [play("site.yml", "-vvv", "--diff", "--check", *variables(SECRETS))]
        shown.append(play("site.yml", "-vvv", "--diff", *variables(SECRETS)))
        shown.append(play("playbooks/status.yml", "-vvv", "--diff", *variables(SECRETS)))
        quick = {
            "drill_scenario": "steady",
            "drill_duration": 3,
            "drill_rate": 20,
            "drill_clients": 10,
            "drill_control": False,
        }
        shown.append(play("playbooks/drill.yml", "-vvv", "--diff", "-e", json.dumps(quick), *variables(SECRETS)))
        node, _ = nodes(cluster, "dynamic").values()
        environment = "\n".join(node.attrs["Config"]["Env"])
        records = [without_variables(cluster.api.inspect_container(item["Id"])) for item in cluster.api.containers()]
    finally:
        played("playbooks/scale.yml", "-e", "node_pool_surge_percent=100")
    assert [done.returncode for done in shown] == [0] * len(shown), [
        done.stdout[-3000:] for done in shown if done.returncode
    ]
    assert len(traces(environment)) == len(SECRETS), "control: the node has them"
    assert [traces(done.stdout + done.stderr) for done in shown] == [[]] * len(shown)
    assert traces(json.dumps(records, indent=1)) == []
    written = [path for folder in set((ROOT / "evidence").glob("*")) - before for path in folder.rglob("*")]
    assert any(path.name == "report.html" for path in written)
    assert [path for path in written if path.is_file() and holds(path)] == []


def holds(path: Path) -> bool:
    unpack = ["zcat", "--force", str(path)]
    content = subprocess.run(unpack, capture_output=True, check=True).stdout.decode(errors="replace")
    return bool(traces(content))


REFUSED: dict[str, object] = {
    "list": [f"A={CANARY}"],
    "text": f"A={CANARY}",
    "list in it": {"A": [CANARY]},
    "map in it": {"A": {"B": CANARY}},
}


@pytest.fixture(scope="module")
def refusals() -> dict[str, subprocess.CompletedProcess[str]]:
    """The runs that these end, two at a time, because most of a run is the start of Ansible."""
    with ThreadPoolExecutor(2) as threads:
        ended = threads.map(lambda each: play("site.yml", "-vvv", *variables(each)), REFUSED.values())
        return dict(zip(REFUSED, ended, strict=True))


@pytest.mark.parametrize("environment", REFUSED)
@pytest.mark.usefixtures("cluster")
def test_no_value_that_is_refused_is_shown(
    refusals: dict[str, subprocess.CompletedProcess[str]], environment: str
) -> None:
    done = refusals[environment]
    assert done.returncode != 0
    assert "cluster_tiers.dynamic.environment" in done.stdout
    assert traces(done.stdout + done.stderr) == []
