"""The report on the real cluster: faults that are put into it turn exactly the right claims red."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import jsonschema
import pytest
import yaml

from .conftest import (
    ROOT,
    STATE,
    ask_balancer,
    in_rotation,
    nodes,
    play,
    played,
    server_states,
    until,
)

SCHEMA = json.loads((ROOT / "docs/results.schema.json").read_text())
ALL = ["nodes", "distribution", "round-robin", "sticky", "membership", "management"]
DYNAMIC = STATE / "balancer/dynamic"
# Where the declaration and the cluster differ until the fault is over, nothing is gained by waiting.
IMPATIENT = ("-e", "evidence_settle_timeout=3")


def verify(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the quick verification; its return code, its report and what it printed."""
    done = play("playbooks/verify.yml", "-e", f"evidence_folder={folder}", *arguments)
    reports = sorted(folder.iterdir())
    assert reports, done.stdout[-4000:] + done.stderr[-2000:]
    report = json.loads((reports[-1] / "results.json").read_text())
    jsonschema.validate(report, SCHEMA)
    return done.returncode, report, done.stdout


def red(report: dict[str, Any]) -> list[str]:
    return [claim["id"] for claim in report["claims"] if claim["red"]]


def problems(report: dict[str, Any]) -> str:
    return "\n".join(f"{claim['id']}: {line}" for claim in report["claims"] for line in claim["problems"])


def test_a_quick_verification_writes_a_report(cluster: docker.DockerClient, tmp_path: Path) -> None:
    began = time.monotonic()
    code, report, output = verify(tmp_path)
    assert time.monotonic() - began < 30
    assert (code, red(report)) == (0, [])
    assert [claim["id"] for claim in report["claims"]] == ALL
    assert report["message"] == "5 of 6 claims proved; not measured: membership"
    (folder,) = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["raw", "report.html", "report.md", "results.json"]
    assert f"Report: {folder}/report.html" in output
    assert "changed=0" in output
    for claim in report["claims"][1:3]:
        assert all(control["failed"] for control in claim["controls"])
    (tables,) = [claim["tables"] for claim in report["claims"] if claim["id"] == "distribution"]
    for table in tables:
        for _, *counts in table["rows"]:
            assert len(set(counts)) == 1, table
    assert report["provenance"]["docker"]["version"]
    assert {image["tier"] for image in report["provenance"]["images"]} >= {"static", "dynamic"}
    password = (STATE / "secrets/dashboard_password").read_text().strip()
    assert not [path for path in folder.iterdir() if path.is_file() and password in path.read_text()]


def test_check_mode_writes_no_report(cluster: docker.DockerClient, tmp_path: Path) -> None:
    played("playbooks/verify.yml", "--check", "-e", f"evidence_folder={tmp_path}/none")
    assert not (tmp_path / "none").exists()


def test_the_drift_is_json_too(cluster: docker.DockerClient, tmp_path: Path) -> None:
    for playbook in (["playbooks/status.yml"], ["site.yml", "--check", "-e", "static_nodes=4"]):
        file = tmp_path / "drift.json"
        played(*playbook, "-e", f"evidence_drift_file={file}")
        drift = json.loads(file.read_text())
        static = next(tier for tier in drift["tiers"] if tier["tier"] == "static")
        assert static["docker"] == 3
        assert drift["agreed"] == (static["declared"] == 3), drift["lines"]
        file.unlink()


# -- Faults --------------------------------------------------------------------------


def static_service() -> str:
    routes = yaml.safe_load((DYNAMIC / "tiers.yml").read_text())
    found = re.search(r"static-[0-9a-f]{8}", json.dumps(routes))
    assert found
    return found[0]


def routers() -> list[str]:
    """The routes that the balancer has, by name."""
    return [router["name"] for router in ask_balancer("http/routers")]


@contextmanager
def router(**http: Any) -> Iterator[None]:
    """A route of higher priority than the tiers', in a file of its own."""
    path = DYNAMIC / "zz-fault.yml"
    path.write_text(yaml.safe_dump({"http": http}))
    path.chmod(0o644)
    try:
        until(lambda: "zz-fault@file" in routers(), 10, "the balancer has read the file")
        yield
    finally:
        path.unlink()
        until(lambda: "zz-fault@file" not in routers(), 10, "the balancer has dropped it")


@contextmanager
def stickiness_off(engine: docker.DockerClient) -> Iterator[None]:
    """The cookie is taken out of the answers of the static tier."""
    rule = "PathPrefix(`/`) && !PathPrefix(`/api/dates/`)"
    route = {"rule": rule, "entryPoints": ["web"], "priority": 100000, "middlewares": ["zz-strip"]}
    strip = {"zz-strip": {"headers": {"customResponseHeaders": {"Set-Cookie": ""}}}}
    with router(routers={"zz-fault": {**route, "service": f"{static_service()}@docker"}}, middlewares=strip):
        yield


@contextmanager
def double_weight(engine: docker.DockerClient, tier: str = "dynamic") -> Iterator[None]:
    """A node in the place of another one, the same but for its weight at the balancer."""
    before = nodes(engine, tier)
    name, old = min(before.items())
    service = old.labels["evenkeel.service"]
    config = {
        **old.attrs["Config"],
        "HostConfig": old.attrs["HostConfig"],
        "NetworkingConfig": {"EndpointsConfig": {"evenkeel": {"Aliases": [name]}}},
    }
    config["Labels"] = {**old.labels, f"traefik.http.services.{service}.loadbalancer.server.weight": "2"}
    old.stop()
    old.remove()
    api: Any = engine.api
    made = engine.containers.get(api.create_container_from_config(config, name)["Id"])
    made.start()
    try:
        until(lambda: server_states(tier) == ["UP"] * len(before), 20, "the node is in rotation")
        yield
    finally:
        made.remove(force=True)


@contextmanager
def not_listed(engine: docker.DockerClient) -> Iterator[None]:
    """A node that runs, where the balancer does not find it."""
    network = engine.networks.get("evenkeel")
    name = min(nodes(engine, "static"))
    network.disconnect(name)
    try:
        until(lambda: server_states("static").count("UP") == 2, 10, "the balancer misses the node")
        yield
    finally:
        network.connect(name)
        engine.containers.get(name).restart()


@contextmanager
def log_loses_lines(engine: docker.DockerClient) -> Iterator[None]:
    """The balancer goes on to write into the file that was moved away."""
    log = STATE / "log/access.log"
    away = log.with_suffix(".away")
    log.rename(away)
    log.touch()
    try:
        yield
    finally:
        away.replace(log)


@contextmanager
def open_to_all(engine: docker.DockerClient) -> Iterator[None]:
    """The API answers without a password."""
    rule = "Path(`/api/version`) || PathPrefix(`/dashboard`)"
    route = {"rule": rule, "entryPoints": ["dashboard"], "priority": 100000, "service": "api@internal"}
    with router(routers={"zz-fault": route}):
        yield


Fault = Callable[[docker.DockerClient], Any]


@pytest.mark.parametrize(
    "fault, wanted, arguments",
    [
        (stickiness_off, ["sticky"], ()),
        (not_listed, ["nodes", "distribution"], IMPATIENT),
        (log_loses_lines, ["distribution"], ()),
        (double_weight, ["round-robin"], ()),
        (open_to_all, ["management"], ()),
    ],
)
def test_a_fault_turns_exactly_the_right_claims_red(
    cluster: docker.DockerClient, tmp_path: Path, fault: Fault, wanted: list[str], arguments: tuple[str, ...]
) -> None:
    with fault(cluster):
        code, report, output = verify(tmp_path, *arguments)
    assert code != 0
    assert red(report) == wanted, problems(report)
    assert f"not proved: {', '.join(wanted)}" in output


def test_a_cluster_that_is_down_is_reported_and_fails(cluster: docker.DockerClient, tmp_path: Path) -> None:
    # Not the balancer alone: the edge would start it again.
    (edge,) = cluster.containers.list(filters={"label": ["evenkeel.cluster=evenkeel", "evenkeel.role=edge"]})
    edge.stop()
    try:
        code, report, output = verify(tmp_path, *IMPATIENT)
    finally:
        edge.start()
        until(lambda: in_rotation(cluster), 60, "the balancer is back")
    assert code != 0
    assert red(report) == ["nodes", "distribution", "round-robin", "sticky", "management"]
    assert "not measured" in output


@pytest.mark.parametrize("folder", ["/proc/evidence", "/etc/hostname/evidence"])
def test_a_folder_that_cannot_be_written_is_one_line(cluster: docker.DockerClient, folder: str) -> None:
    done = play("playbooks/verify.yml", "-e", f"evidence_folder={folder}")
    assert done.returncode != 0
    assert re.search(r"report: got .* for .*, want a folder that can be written", done.stdout + done.stderr)


def test_the_whole_proof_is_one_report(cluster: docker.DockerClient, tmp_path: Path) -> None:
    drills = [{"scenario": "stop", "events": 2, "rate": 200}, {"scenario": "guest", "events": 2, "rate": 200}]
    patient = {"join_p95": 30, "leave_p95": 30, "out": 30, "late_p99": 5, "rate_share": 0.5}
    variables = {
        "prove_drills": drills,
        # Both together ask often enough for what the report wants to prove.
        "drill_duration": 8,
        "drill_interval": 2,
        "drill_thresholds": patient,
        "evidence_folder": str(tmp_path),
    }
    done = play("playbooks/prove.yml", "-e", json.dumps(variables))
    (folder,) = tmp_path.iterdir()
    report = json.loads((folder / "results.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert (done.returncode, report["message"]) == (0, "6 of 6 claims proved"), done.stdout[-4000:]
    (membership,) = [claim for claim in report["claims"] if claim["id"] == "membership"]
    assert [control["failed"] for control in membership["controls"]] == [True, True]
    assert len(list((folder / "raw").glob("*.jsonl.gz"))) == 4
    assert [chart["kind"] for chart in membership["charts"]] == ["timeline", "timeline", "times", "losses"]
