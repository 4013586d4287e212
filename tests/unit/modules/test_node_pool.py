"""The modules of the pool from their options to their results, on a socket that answers as Docker's does."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from tests.unit.fakes.cluster import parsed_tiers
from tests.unit.module_utils.engine.docker_socket import DockerSocket, RecordingSdk, refused

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import WRITTEN, SecretChange
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import cluster_lock, discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import build_of, tier_route
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import PoolAction
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import Outcome, RunFailedError
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteFile
from ansible_collections.evenkeel.cluster.plugins.modules import node_pool, node_pool_info

# One of its own for each run of the tests, because the lock is the machine's.
CLUSTER = f"t{uuid.uuid4().hex[:8]}x"
IMAGE = Image("sha256:aa", {}, "c0ffee")


class Host:
    """A host with two nodes of one tier, as declared."""

    def __init__(self, folder: Path) -> None:
        self.socket = DockerSocket(folder / "docker.sock")
        raw = {"web": {"image": "res/web:1", "leaving": "own", "port": 8080, "path": "/", "nodes": 2}}
        self.tier = parsed_tiers(raw, CLUSTER)["web"]
        build = build_of(self.tier, "res/web:1", IMAGE, CLUSTER)
        labels = {**build.options.labels, "evenkeel.revision": build.revision}
        self.containers = [
            {
                "Id": f"id-{number}",
                "Names": [f"/{CLUSTER}-web-{number}"],
                "State": "running",
                "ImageID": "sha256:aa",
                "Image": "res/web:1",
                "Labels": labels,
            }
            for number in (1, 2)
        ]
        self.socket.answers["/containers/json"] = (200, self.containers)
        content = {"Id": "sha256:aa", "Config": {"Labels": {"evenkeel.content": "c0ffee"}}}
        self.socket.answers["/images/res/web:1/json"] = (200, content)
        self.routes = folder / "tiers.yml"
        RouteFile(self.routes, "docker").point_to({"web": tier_route(self.tier, ())})

    def options(self, **differs: Any) -> dict[str, Any]:
        return {
            "cluster": CLUSTER,
            "network": CLUSTER,
            "tiers": [dataclasses.asdict(self.tier)],
            "routes_file": str(self.routes),
            "api_url": "http://127.0.0.1:9",
            "api_password_file": "/nonexistent",
            **differs,
        }


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    found = Host(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", found.socket.address)
    yield found
    found.socket.close()
    discard_lock(CLUSTER)


def run(module: Any, options: dict[str, Any], capsys: pytest.CaptureFixture[str], check: bool = False) -> Any:
    """Run the module as Ansible does; its result."""
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check", [False, True])
def test_a_pool_as_declared_is_left_alone(host: Host, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    result = run(node_pool, host.options(), capsys, check)
    assert result["changed"] is False
    assert result["actions"] == result["summary"] == []
    assert result["diff"]["before"] == result["diff"]["after"]
    assert result["tiers"]["web"]["running"] == 2
    assert "no such" in result["balancer"]["reason"].lower()


def test_check_mode_tells_what_a_run_would_do(host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    host.containers[1]["State"] = "exited"
    left = tmp_path / "declaration.json"
    result = run(node_pool, host.options(declaration_file=str(left)), capsys, check=True)
    assert result["changed"] is True
    assert result["summary"] == [f"remove {CLUSTER}-web-2 (is exited)", f"start {CLUSTER}-web-2 (scale up)"]
    assert [action["kind"] for action in result["actions"]] == ["remove", "start"]
    assert not left.exists()
    assert all(path.startswith(("/version", "/containers", "/images")) for path, _ in host.socket.seen)


def test_without_a_balancer_nothing_is_begun(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.containers.pop()
    result = run(node_pool, host.options(), capsys)
    assert result["failed"] is True
    assert result["changed"] is False
    assert result["msg"].startswith("balancer API: got No such file or directory for /nonexistent")


@pytest.mark.parametrize("missing", ["routes_file", "api_url", "api_password_file"])
def test_only_a_removal_needs_no_balancer(host: Host, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    options = {name: value for name, value in host.options().items() if name != missing}
    result = run(node_pool, options, capsys)
    assert result["msg"] == f"state is present but all of the following are missing: {missing}"
    host.containers.clear()
    removal = {name: value for name, value in options.items() if not name.startswith(("routes", "api"))}
    result = run(node_pool, {**removal, "state": "absent", "tiers": []}, capsys)
    assert (result.get("failed"), result["changed"]) == (None, False)


def test_a_run_says_what_it_has_changed(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sdk = RecordingSdk()
    monkeypatch.setattr(docker, "APIClient", lambda **_: sdk)
    result = run(node_pool, host.options(state="absent"), capsys)
    assert (result.get("failed"), result["changed"]) == (None, True)
    assert sorted(action["node"] for action in result["actions"]) == [f"{CLUSTER}-web-1", f"{CLUSTER}-web-2"]
    assert sorted(arguments[0] for name, arguments in sdk.calls if name == "remove_container") == ["id-1", "id-2"]
    sdk.failures["remove_container"] = refused()
    result = run(node_pool, host.options(state="absent"), capsys)
    assert (result["failed"], result["changed"], result["actions"]) == (True, False, [])


def test_a_run_without_the_sdk_is_refused_before_docker_is_asked(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_pool, "sdk_missing", lambda: True)
    result = run(node_pool, host.options(), capsys)
    assert result["failed"] is True
    assert result["msg"].startswith("Failed to import the required Python library (docker)")
    assert host.socket.seen == []


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warns of. Ansible itself takes warnings elsewhere when the controller's code is loaded too."""
    texts: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: texts.append(text))
    return texts


START = PoolAction("start", "web", f"{CLUSTER}-web-3", 1, "scale up")
DONE = Outcome(actions=[START], planned=[START], warnings=["node web-1: killed"])


def test_warnings_of_a_run_are_shown(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    monkeypatch.setattr(node_pool, "reconcile", lambda *_args, **_options: DONE)
    result = run(node_pool, host.options(), capsys)
    assert result["changed"] is True
    assert warned == ["node web-1: killed"]
    with patch_module_args(host.options()), pytest.raises(SystemExit):
        node_pool.main()
    assert "diff" not in json.loads(capsys.readouterr().out)


def test_a_secret_that_is_written_again_is_a_change(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome(secrets=[SecretChange("web", "pin", WRITTEN)])
    monkeypatch.setattr(node_pool, "reconcile", lambda *_args, **_options: outcome)
    assert run(node_pool, host.options(), capsys)["changed"] is True


def test_a_run_that_fails_half_way_says_what_it_did(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, warned: list[str]
) -> None:
    def fail(*_args: object, **_options: object) -> Outcome:
        raise RunFailedError(OSError("the disk is full"), dataclasses.replace(DONE, warnings=["node web-2: left"]))

    monkeypatch.setattr(node_pool, "reconcile", fail)
    result = run(node_pool, host.options(), capsys)
    assert (result["failed"], result["changed"], result["msg"]) == (True, True, "the disk is full")
    assert result["summary"] == [f"start {CLUSTER}-web-3 (scale up)"]
    assert warned == ["node web-2: left"]


def test_bad_numbers_are_told_all_at_once(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(node_pool, host.options(workers=0, surge_percent="many"), capsys)
    assert result["msg"].splitlines() == [
        "workers: got 0, want a whole number from 1 to 64 (fix: -e node_pool_workers=8)",
        "surge_percent: got 'many', want a whole number from 1 to 100 (fix: -e node_pool_surge_percent=25)",
    ]
    assert host.socket.seen == []


def test_tiers_that_preflight_did_not_make(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(node_pool, host.options(tiers=[{"name": "web"}]), capsys)
    assert result["msg"].startswith("tiers: got an incomplete specification (")
    assert result["msg"].endswith("(fix: pass cluster_spec.tiers)")


def test_another_run_is_named(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    with cluster_lock(CLUSTER, "node_pool", 0):
        result = run(node_pool, host.options(), capsys, check=True)
    assert result["msg"].startswith(f"cluster {CLUSTER}: got a lock held by ")


def test_no_docker_is_one_line(host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    for module in (node_pool, node_pool_info):
        result = run(module, host.options(), capsys)
        assert result["msg"].startswith("Docker daemon: got no answer at unix:///nonexistent.sock")


# -- node_pool_info ------------------------------------------------------------------------------


def test_a_look_tells_drift_and_why_the_balancer_is_silent(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.containers.pop()
    result = run(node_pool_info, host.options(), capsys)
    assert result["changed"] is False
    assert result["tiers"]["web"]["drift"] == [f"start {CLUSTER}-web-2 (scale up)"]
    assert result["agreement"] == [result["balancer"]["reason"]]


def test_a_look_that_requires_agreement_asks_again_and_fails(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(node_pool_info, host.options(require_agreement=True, settle_timeout=1), capsys)
    assert result["failed"] is True
    assert result["msg"] == result["agreement"][0]
    listed = [path for path, _ in host.socket.seen if path == "/containers/json"]
    assert len(listed) > 2, "it settles for a second"
