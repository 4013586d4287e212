"""The pool on this machine's own engine: nodes come, go, break and change, and nobody loses a request."""

from __future__ import annotations

import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor

import docker
import docker.errors
import pytest
import requests
from docker.models.containers import Container

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats import round_robin_cycles

from .conftest import (
    DASHBOARD,
    IMAGES,
    PATHS,
    STATE,
    WEB,
    Watcher,
    balancer,
    guest,
    nodes,
    play,
    played,
    served_by,
    server_states,
    until,
)


@pytest.mark.parametrize("tier", ["static", "dynamic"])
def test_a_container_started_by_hand_joins_and_leaves_without_loss(cluster: docker.DockerClient, tier: str) -> None:
    with Watcher() as watcher:
        with guest(cluster, IMAGES[tier]) as container:
            name = container.attrs["Config"]["Hostname"]
            until(lambda: name in served_by(tier, 4), 2, f"guest {name} serves")
            container.stop()
        assert name not in served_by(tier, 9)
    assert watcher.sent > 100
    assert watcher.failed == []


def test_the_next_run_settles_guests_first(cluster: docker.DockerClient) -> None:
    before = set(nodes(cluster, "dynamic"))
    with guest(cluster, IMAGES["dynamic"]) as container:
        assert "a guest, started by hand" in played("playbooks/status.yml")
        with Watcher() as watcher:
            played("playbooks/scale.yml")
        assert watcher.failed == []
        assert set(nodes(cluster, "dynamic")) == before
        with pytest.raises(docker.errors.NotFound):
            container.reload()


def test_scaling_loses_nothing_and_check_mode_told_it_before(cluster: docker.DockerClient) -> None:
    arguments = ("-e", "static_nodes=5", "-e", "dynamic_nodes=1")
    before = {tier: set(nodes(cluster, tier)) for tier in IMAGES}
    predicted = played("playbooks/scale.yml", *arguments, "--check", "--diff")
    assert {tier: set(nodes(cluster, tier)) for tier in IMAGES} == before
    with Watcher() as watcher:
        performed = played("playbooks/scale.yml", *arguments, "--diff")
    assert watcher.failed == []
    after = {tier: set(nodes(cluster, tier)) for tier in IMAGES}
    assert len(after["static"]) == 5
    assert after["static"] > before["static"]
    assert len(after["dynamic"]) == 1
    assert after["dynamic"] < before["dynamic"]
    changes = {f"+{name} node" for name in after["static"] - before["static"]}
    changes |= {f"-{name} node" for name in before["dynamic"] - after["dynamic"]}
    for output in (predicted, performed):
        shown = {" ".join(line.split()[:2]) for line in output.splitlines() if line.lstrip().startswith(("+", "-"))}
        assert changes <= shown
    assert "changed=0" in played("playbooks/scale.yml", *arguments)


def test_an_empty_tier_answers_503_and_comes_back(cluster: docker.DockerClient) -> None:
    played("playbooks/scale.yml", "-e", "dynamic_nodes=0")
    assert requests.get(WEB + PATHS["dynamic"], timeout=5).status_code == 503
    assert requests.get(WEB + PATHS["static"], timeout=5).status_code == 200
    played("playbooks/verify.yml", "-e", "dynamic_nodes=0")
    played("playbooks/scale.yml")
    assert round_robin_cycles(served_by("dynamic", 12), nodes(cluster, "dynamic")).exact


def test_probes_that_all_time_out_cost_no_request(cluster: docker.DockerClient) -> None:
    """An overloaded host answers no probe in time; its nodes are late then, not gone."""
    frozen = list(nodes(cluster, "dynamic").values())
    with ThreadPoolExecutor(8) as clients:
        for container in frozen:
            container.pause()
        try:
            until(lambda: set(server_states("dynamic")) == {"DOWN"}, 10, "every node counts as down")
            answers = [clients.submit(requests.get, WEB + PATHS["dynamic"], timeout=20) for _ in range(8)]
            time.sleep(0.5)
            assert not any(answer.done() for answer in answers)
        finally:
            for container in frozen:
                container.unpause()
    assert [answer.result().status_code for answer in answers] == [200] * 8


def test_a_killed_and_a_half_made_node_are_replaced(cluster: docker.DockerClient) -> None:
    killed = nodes(cluster, "static").popitem()[1]
    killed.kill()
    name, victim = nodes(cluster, "dynamic").popitem()
    image, labels = victim.attrs["Config"]["Image"], victim.labels
    victim.remove(force=True)
    half_made = cluster.containers.create(image, name=name, labels=labels)
    failing = play("playbooks/verify.yml", "-e", "evidence_settle_timeout=3")
    assert failing.returncode != 0
    assert f"{killed.name} is exited" in failing.stdout
    played("playbooks/scale.yml")
    played("playbooks/verify.yml")
    assert all(len(nodes(cluster, tier)) == 3 for tier in IMAGES)
    assert half_made.id not in {container.id for container in cluster.containers.list(all=True)}


def test_a_foreign_container_with_our_name_is_refused_and_named(cluster: docker.DockerClient) -> None:
    free = next(name for name in (f"static-{n}" for n in itertools.count(1)) if name not in nodes(cluster, "static"))
    with guest(cluster, "evenkeel/base:trixie", name=free, command="sleep 60") as foreign:
        done = play("playbooks/scale.yml", "-e", "static_nodes=7")
        assert done.returncode != 0
        assert f"container {free}" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        foreign.reload()
        assert foreign.status == "running"
    assert len(nodes(cluster, "static")) == 3


def test_a_foreign_container_with_our_service_name_changes_nothing(cluster: docker.DockerClient) -> None:
    ours = nodes(cluster, "static")
    service = ours.copy().popitem()[1].labels["evenkeel.service"]
    labels = {
        "traefik.enable": "true",
        f"traefik.http.services.{service}.loadbalancer.server.port": "80",
        f"traefik.http.services.{service}.loadbalancer.strategy": "p2c",
    }
    with Watcher(("static",)) as watcher, guest(cluster, "evenkeel/base:trixie", labels=labels, command="sleep 60"):
        assert set(served_by("static", 30)) == set(ours)
    assert watcher.failed == []


def test_two_runs_at_once_both_succeed(cluster: docker.DockerClient) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(play, "playbooks/scale.yml", "-e", f"static_nodes={count}") for count in (4, 5)]
        assert [run.result().returncode for run in runs] == [0, 0]
    assert len(nodes(cluster, "static")) in {4, 5}
    assert play("playbooks/verify.yml", "-e", f"static_nodes={len(nodes(cluster, 'static'))}").returncode == 0


def test_status_shows_the_drift_and_changes_nothing(cluster: docker.DockerClient) -> None:
    before = {container.id for container in cluster.containers.list(all=True)}
    output = played("playbooks/status.yml", "-e", "static_nodes=4")
    assert re.search(r"static +4 +3 +3 +0 +[0-9a-f]{12} +1 to do", output)
    assert re.search(r"static: would start static-\d+ \(scale up\)", output)
    assert {container.id for container in cluster.containers.list(all=True)} == before


def test_the_dashboard_wants_its_password_and_nothing_shows_it(cluster: docker.DockerClient) -> None:
    secret = STATE / "secrets/dashboard_password"
    password = secret.read_text().strip()
    assert secret.stat().st_mode & 0o777 == 0o600
    for path in ("/", "/api/rawdata", "/metrics", "/ping", "/dashboard/"):
        assert requests.get(DASHBOARD + path, timeout=5).status_code == 401
        assert requests.get(DASHBOARD + path, timeout=5, auth=("admin", password)).status_code == 200
    output = played("playbooks/verify.yml", "-vvv")
    serving = balancer(cluster)
    assert password not in output
    assert password not in serving.logs().decode()
    assert password not in str(serving.attrs)


def test_paths_lead_where_people_expect(cluster: docker.DockerClient) -> None:
    for host in ("localhost", "labo-http.res.ch"):
        page = requests.get("http://127.0.0.1:8080/", headers={"Host": host}, timeout=5)
        assert page.status_code == 200
        assert page.headers["X-Served-By"].startswith("static-")
    assert requests.get(WEB + "/", headers={"Host": "elsewhere.example"}, timeout=5).status_code == 404
    redirect = requests.get(WEB + "/api/dates?count=2", timeout=5, allow_redirects=False)
    assert (redirect.status_code, redirect.headers["Location"]) == (302, f"{WEB}/api/dates/?count=2")
    dates = requests.get(WEB + "/api/dates?count=2", timeout=5)
    assert dates.headers["X-Served-By"].startswith("dynamic-")
    assert len(dates.json()["dates"]) == 2


def test_a_recycled_address_of_a_guest_moves_nobody_but_its_own_clients(cluster: docker.DockerClient) -> None:
    image = "res/apache_php:latest"
    guest = cluster.containers.run(image, detach=True)
    own = str(guest.id)[:12]
    successor: Container | None = None
    try:
        until(lambda: own in served_by("static", 8), 10, "the guest serves")
        clients = [requests.Session() for _ in range(12)]
        homes = [client.get(WEB, timeout=5).headers["X-Served-By"] for client in clients]
        assert own in homes
        guest.reload()
        address = guest.attrs["NetworkSettings"]["IPAddress"]
        guest.stop()
        moved = [client.get(WEB, timeout=5).headers["X-Served-By"] for client in clients]
        successor = cluster.containers.run(image, detach=True)
        heir = str(successor.id)[:12]
        successor.reload()
        assert successor.attrs["NetworkSettings"]["IPAddress"] == address
        until(lambda: heir in served_by("static", 8), 10, "its successor serves")
        after = [client.get(WEB, timeout=5).headers["X-Served-By"] for client in clients]
        # The guest's clients moved once, when it left; its successor at the same address inherits none of them.
        assert [home for home in homes if home != own] == [
            where for where, home in zip(moved, homes, strict=True) if home != own
        ]
        assert after == moved
    finally:
        guest.remove(force=True)
        if successor is not None:
            successor.remove(force=True)
