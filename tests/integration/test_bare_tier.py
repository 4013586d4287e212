"""An image that knows nothing of our contract: no X-Served-By, no counters, no executions, no /healthz of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from .conftest import ROOT, STATE, Declared, nodes, played
from .test_evidence import IMPATIENT, double_weight, red, verify

IMAGE = {"image": "res/bare", "context": "tests/integration/bare", "port": 8000, "nodes": 2}
# What is to hold on any machine, however busy: there, a probe that times out moves sessions.
PATIENT = {"join_p95": 30, "leave_p95": 30, "out": 30, "late_p99": 5, "rate_share": 0.5, "moved": 1000}


@pytest.fixture(scope="module")
def variables() -> str:
    """The declared tiers and two of that image: with sessions, and without."""
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    bare = {
        "bare": {**IMAGE, "path": "/bare/", "sticky": True},
        "plain": {**IMAGE, "image": "res/plain", "path": "/plain/"},
    }
    return json.dumps({"cluster_tiers": {**tiers, **bare}})


@pytest.fixture(scope="module")
def bare(engine: docker.DockerClient, declared: Declared, variables: str) -> Iterator[docker.DockerClient]:
    played("site.yml", "--tags", "images,balancer,nodes", "-e", variables)
    yield engine
    played("site.yml", "--tags", "nodes")
    for image in ("res/bare:latest", "res/plain:latest"):
        engine.images.remove(image, force=True)


def test_a_second_run_changes_nothing_and_proves_every_claim(
    bare: docker.DockerClient, variables: str, tmp_path: Path
) -> None:
    output = played("site.yml", "-e", variables, "-e", f"evidence_folder={tmp_path}")
    assert "changed=0" in output
    assert "5 of 6 claims proved; not measured: membership" in output
    (folder,) = tmp_path.iterdir()
    report = json.loads((folder / "results.json").read_text())
    claims = {claim["id"]: claim for claim in report["claims"]}
    for name in ("distribution", "round-robin", "sticky"):
        named = [line for line in claims[name]["measured"] if "(named by " in line]
        by_log = {line.partition(":")[0] for line in named if line.count("named by the balancer's log")}
        by_header = {line.partition(":")[0] for line in named if line.count("named by its header")}
        assert by_log == {"bare", "plain"}, named
        assert by_header == {"static", "dynamic"}, named
    (table,) = [table for table in claims["distribution"]["tables"] if table["title"] == "Requests per node: bare"]
    assert {(row[1] == row[2], row[3]) for row in table["rows"]} == {(True, "not offered")}
    (session,) = [note for note in claims["sticky"]["notes"] if note.startswith("bare: ") and "cookies" in note]
    assert "cookies stand for the nodes that the balancer's log names" in session


def test_its_status_has_no_drift(bare: docker.DockerClient, variables: str) -> None:
    played("playbooks/status.yml", "-e", "status_strict=true", "-e", variables)


def test_a_drill_of_it_passes(bare: docker.DockerClient, variables: str) -> None:
    drill: dict[str, Any] = {
        "drill_scenario": "scale",
        "drill_events": 1,
        "drill_amount": 1,
        "drill_interval": 1,
        "drill_duration": 5,
        "drill_rate": 100,
        "drill_tiers": ["bare"],
        "drill_requests": {"bare": {"post": ""}},
        "drill_control": False,
        "drill_thresholds": PATIENT,
    }
    output = played("playbooks/drill.yml", "-e", variables, "-e", json.dumps(drill))
    assert "nodes of bare: named by the balancer's log" in output
    newest = max((STATE / "evidence").glob("scale-drill-*.json"), key=lambda path: path.stat().st_mtime)
    found = json.loads(newest.read_text())["drill"]
    assert found["requests"]["failed"] == 0
    assert found["posts"]["not_offered"] == found["posts"]["answered"] > 50
    assert found["posts"]["again"] is not None
    assert found["join_seconds"]["count"] == 1, "the node that joined is known by the log alone"
    # Were answers joined to lines of others, nearly every session would seem to move.
    assert found["sessions"]["moved_foreign"] < found["sessions"]["seen"] / 2
    assert found["counts"]["access_log_missing"] == 0
    assert nodes(bare, "bare").keys() <= found["counts"]["nodes"].keys()


def test_a_node_with_double_weight_turns_exactly_round_robin_red(
    bare: docker.DockerClient, variables: str, tmp_path: Path
) -> None:
    with double_weight(bare, "plain"):
        code, report, output = verify(tmp_path, *IMPATIENT, "-e", variables)
    assert code != 0
    assert red(report) == ["round-robin"]
    assert "plain: got " in output
