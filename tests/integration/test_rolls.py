"""Nodes are replaced on this machine's own engine: rolls, changed content and policy, and what fails half-way."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import docker.errors
import pytest
import requests
from docker.models.containers import Container
from tests.bench import runs

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.plan import free_names

from .conftest import (
    DASHBOARD,
    IMAGES,
    PATHS,
    ROOT,
    STRANGER,
    WEB,
    Declared,
    Watcher,
    nodes,
    play,
    played,
    served_by,
    server_states,
    until,
)


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


def test_a_roll_whose_later_wave_fails_returns_to_the_old_revision(cluster: docker.DockerClient) -> None:
    """The name of the second new node is taken while the first wave is under way."""
    first, second = free_names("static-", nodes(cluster, "static"), 2)
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
            runs.kill(run.pid)
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
