"""The pool on this machine's own engine: nodes come, go, break and change, and nobody loses a request."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
import requests
from docker.models.containers import Container

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats import round_robin_cycles
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import free_names

from .conftest import (
    DASHBOARD,
    PATHS,
    ROOT,
    STATE,
    WEB,
    Declared,
    Watcher,
    balancer,
    nodes,
    play,
    played,
    served_by,
    server_states,
    until,
)

# A container inherits its image's labels; these make it nobody's node.
STRANGER = {"evenkeel.cluster": "none", "evenkeel.role": "none", "traefik.enable": "false"}
IMAGES = {"static": "res/apache_php", "dynamic": "res/express"}


@contextlib.contextmanager
def guest(engine: docker.DockerClient, image: str, **options: Any) -> Iterator[Container]:
    """A container started by hand, removed at the end."""
    container = engine.containers.run(image, detach=True, **options)
    try:
        yield container
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)


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
        assert "guests leave first" in played("playbooks/status.yml")
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
    cluster.containers.create(image, name=name, labels=labels)
    failing = play("playbooks/verify.yml", "-e", "evidence_settle_timeout=3")
    assert failing.returncode != 0
    assert f"{killed.name} is exited" in failing.stdout
    played("playbooks/scale.yml")
    played("playbooks/verify.yml")
    assert all(len(nodes(cluster, tier)) == 3 for tier in IMAGES)
    assert name in nodes(cluster, "dynamic")


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


def tiers(static: dict[str, object] | None = None, dynamic: dict[str, object] | None = None) -> str:
    """The default tiers with changed options, for -e."""
    return json.dumps(
        {
            "cluster_tiers": {
                "static": {
                    "image": IMAGES["static"],
                    "context": "files/static",
                    "port": 8080,
                    "path": "/",
                    "nodes": 3,
                    "sticky": True,
                    **(static or {}),
                },
                "dynamic": {
                    "image": IMAGES["dynamic"],
                    "context": "files/dynamic",
                    "port": 3000,
                    "path": "/api/dates/",
                    "strip_path": True,
                    "nodes": 3,
                    **(dynamic or {}),
                },
            }
        }
    )


@pytest.fixture
def as_declared(declared: Declared) -> Iterator[None]:
    """Rolls the default tiers out again after a test that changed them."""
    yield
    declared.restore("site.yml", "--tags", "images,nodes", "-e", "node_pool_surge_percent=100")


def test_a_roll_replaces_every_node_without_loss(cluster: docker.DockerClient) -> None:
    before = {tier: set(nodes(cluster, tier)) for tier in PATHS}
    with Watcher() as watcher:
        output = played("playbooks/roll.yml", "-e", "tier=dynamic")
    assert "renews a node" in output
    for step in (r"started \d+\.\d s", r"in rotation \d+\.\d s", "drains", r"gone \d+\.\d s"):
        assert len(re.findall(rf"^  dynamic-\d+: {step}$", output, re.MULTILINE)) == len(before["dynamic"]), output
    assert watcher.sent > 100
    assert watcher.failed == []
    assert set(nodes(cluster, "static")) == before["static"]
    assert len(nodes(cluster, "dynamic")) == len(before["dynamic"])
    assert set(nodes(cluster, "dynamic")).isdisjoint(before["dynamic"])


def test_a_roll_of_an_unknown_tier_changes_nothing(cluster: docker.DockerClient) -> None:
    before = set(nodes(cluster, "static"))
    done = play("playbooks/roll.yml", "-e", "tier=statik")
    assert done.returncode != 0
    assert "tier: got 'statik', want one of dynamic, static (fix: -e tier=dynamic)" in done.stdout
    assert set(nodes(cluster, "static")) == before


@pytest.fixture
def changed_static(tmp_path: Path, as_declared: None) -> Path:
    """A changed copy of the static tier's build context."""
    context = tmp_path / "static"
    shutil.copytree(ROOT / "files/static", context)
    page = context / "public/index.php"
    page.write_text(page.read_text() + "<!-- changed content -->\n")
    return context


def test_changed_content_rolls_the_nodes_without_loss(cluster: docker.DockerClient, changed_static: Path) -> None:
    before = {container.id for container in nodes(cluster, "static").values()}
    dynamic = {container.id for container in nodes(cluster, "dynamic").values()}
    with Watcher() as watcher:
        played("site.yml", "-e", tiers(static={"context": str(changed_static)}))
    assert watcher.sent > 200
    assert watcher.failed == []
    after = {container.id for container in nodes(cluster, "static").values()}
    assert len(after) == 3
    assert not after & before
    assert {container.id for container in nodes(cluster, "dynamic").values()} == dynamic
    assert "changed content" in requests.get(WEB + "/", timeout=5).text


@pytest.mark.parametrize(
    "broken,message",
    [
        ("RUN echo the-build-breaks-here && false", "the-build-breaks-here"),
        ('ENTRYPOINT ["sleep", "1"]', "want it running"),
    ],
    ids=["the build fails", "the node never becomes ready"],
)
def test_a_bad_image_leaves_the_pool_serving(
    cluster: docker.DockerClient, changed_static: Path, broken: str, message: str
) -> None:
    dockerfile = changed_static / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + f"\n{broken}\n")
    before = {container.id for container in nodes(cluster, "static").values()}
    with Watcher() as watcher:
        done = play("site.yml", "-e", tiers(static={"context": str(changed_static)}))
    assert done.returncode != 0
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert watcher.failed == []
    assert {container.id for container in nodes(cluster, "static").values()} == before


def test_nodes_that_the_balancer_cannot_reach_replace_nobody(
    cluster: docker.DockerClient, as_declared: None, tmp_path: Path
) -> None:
    """They answer the controller, so only the balancer's own probes can tell."""
    context = tmp_path / "dynamic"
    shutil.copytree(ROOT / "files/dynamic", context, ignore=shutil.ignore_patterns("node_modules"))
    source = context / "src/lifecycle.js"
    health = "if (request.url === '/healthz') {"
    refusal = "if (/^Go-http-client/.test(request.headers['user-agent'])) return response.writeHead(503).end();"
    assert health in source.read_text()
    source.write_text(source.read_text().replace(health, f"{health} {refusal}"))
    before = {container.id for container in nodes(cluster, "dynamic").values()}
    with Watcher() as watcher:
        done = play("site.yml", "-e", tiers(dynamic={"context": str(context)}), "-e", "node_pool_ready_timeout=8")
    assert done.returncode != 0
    assert "got no 200 from /healthz when the balancer asks within 8 s" in done.stdout
    assert watcher.failed == []
    assert {container.id for container in nodes(cluster, "dynamic").values()} == before


@pytest.mark.usefixtures("cluster", "as_declared")
def test_a_changed_policy_switches_live() -> None:
    with Watcher() as watcher:
        played("site.yml", "-e", tiers(static={"sticky": False}, dynamic={"sticky": True}))
        assert "Set-Cookie" not in requests.get(WEB + "/", timeout=5).headers
        assert "evenkeel_dynamic" in requests.get(WEB + PATHS["dynamic"], timeout=5).headers["Set-Cookie"]
        played("site.yml")
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


def test_a_roll_whose_later_wave_fails_returns_to_the_old_revision(cluster: docker.DockerClient) -> None:
    """The name of the second new node is taken while the first wave is under way."""
    first, second = free_names("static", nodes(cluster, "static"), 2)
    before = {name: container.id for name, container in nodes(cluster, "static").items()}
    foreign: list[Container] = []

    def take_the_name() -> None:
        until(lambda: first in nodes(cluster, "static"), 60, "the first wave")
        foreign.append(cluster.containers.create(IMAGES["static"], name=second, labels=STRANGER))

    taking = threading.Thread(target=take_the_name)
    try:
        with Watcher() as watcher:
            taking.start()
            done = play("playbooks/roll.yml", "-e", "tier=static")
            taking.join()
        assert done.returncode != 0
        assert "tier static was returned to what it was, 1 node started again, 1 node removed" in done.stdout
        assert watcher.failed == []
        assert {name: container.id for name, container in nodes(cluster, "static").items()} == before
    finally:
        for container in foreign:
            container.remove(force=True)


class CutApi(http.server.BaseHTTPRequestHandler):
    """The balancer's API until it is cut."""

    cut: Callable[[], bool] = staticmethod(lambda: False)

    def do_GET(self) -> None:
        if self.cut():
            self.send_error(503)
            return
        headers = {"Authorization": self.headers["Authorization"]}
        answer = requests.get(DASHBOARD + self.path, headers=headers, timeout=5)
        self.send_response(answer.status_code)
        for name in ("Content-Type", "X-Next-Page"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


# The pool alone, with the API at another address than the inventory says.
THROUGH = """
- name: Scale the tiers through another API
  hosts: cluster
  gather_facts: false
  roles:
    - role: cluster
  tasks:
    - name: Reconcile the nodes
      ansible.builtin.include_role:
        name: node_pool
      vars:
        declared: "{{ hostvars[inventory_hostname].cluster_spec }}"
        cluster_spec: "{{ declared | combine({'api': {'url': through}}, recursive=true) }}"
"""


def test_an_api_that_is_lost_during_a_drain_undoes_it(
    cluster: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    playbook = tmp_path / "through.yml"
    playbook.write_text(THROUGH, encoding="utf-8")
    ids = {container.id for container in nodes(cluster, "dynamic").values()}

    def somebody_leaves() -> bool:
        found = nodes(cluster, "dynamic")
        return len(found) < 3 or any(drains(container) for container in found.values())

    monkeypatch.setattr(CutApi, "cut", staticmethod(somebody_leaves))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), CutApi) as server, Watcher() as watcher:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        done = play(str(playbook), "-e", "dynamic_nodes=1", "-e", f"through={url}")
        server.shutdown()
    assert done.returncode != 0
    assert "tier dynamic was returned to what it was, 2 nodes started again" in done.stdout
    assert watcher.failed == []
    assert {container.id for container in nodes(cluster, "dynamic").values()} == ids


def drains(container: Container) -> bool:
    """Whether the node says that it was told to leave."""
    address = container.attrs["NetworkSettings"]["Networks"]["evenkeel"]["IPAddress"]
    try:
        return requests.get(f"http://{address}:3000/healthz", timeout=1).status_code == 503
    except requests.RequestException:
        return True


def test_a_node_that_was_told_to_leave_by_a_run_that_died_is_replaced(cluster: docker.DockerClient) -> None:
    """Its stop is under way; whoever counted it would have one node too few a moment later."""
    (victim, *_) = nodes(cluster, "dynamic").values()
    stopping = threading.Thread(target=victim.stop)
    with Watcher() as watcher:
        stopping.start()
        until(lambda: "DOWN" in server_states("dynamic"), 3, "the balancer notices")
        played("playbooks/scale.yml")
        stopping.join()
        assert len(nodes(cluster, "dynamic")) == 3
        assert len(set(served_by("dynamic", 12))) == 3
    assert watcher.failed == []


@pytest.mark.parametrize("moment", ["a new node starts", "an old node leaves"])
def test_a_roll_that_is_killed_leaves_a_pool_that_serves_and_the_next_run_settles_it(
    cluster: docker.DockerClient, moment: str
) -> None:
    """SIGKILL of the run and of its module: nobody undoes anything."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "playbooks/roll.yml", "-e", "tier=static"]
    with Watcher() as watcher:
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as run:
            if moment == "a new node starts":
                until(lambda: len(nodes(cluster, "static")) > 3, 60, moment)
            else:
                until(lambda: "DOWN" in server_states("static"), 60, moment)
            os.killpg(run.pid, signal.SIGKILL)
        assert len(nodes(cluster, "static")) >= 3
        played("playbooks/scale.yml")
        assert len(nodes(cluster, "static")) == 3
        assert len(set(served_by("static", 12))) == 3
        assert "changed=0" in played("playbooks/scale.yml")
    assert watcher.failed == []
    assert not [item for item in cluster.containers.list(all=True) if item.status != "running"]


def test_one_tier_is_rolled_while_another_changes(cluster: docker.DockerClient) -> None:
    before = {container.id for container in nodes(cluster, "static").values()}
    try:
        with Watcher() as watcher:
            out = played("playbooks/roll.yml", "-e", "tier=static", "-e", "dynamic_nodes=5")
        assert watcher.failed == []
        assert len(nodes(cluster, "dynamic")) == 5
        rolled = {container.id for container in nodes(cluster, "static").values()}
        assert len(rolled) == 3
        assert rolled.isdisjoint(before)
        assert re.search(r"dynamic-\d+: in rotation.*static-\d+: gone", out, re.DOTALL)
    finally:
        played("playbooks/scale.yml")


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
