"""The console beside a cluster that is up: its containers, its login, and what mends it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator

import docker
import pytest
import requests

from .conftest import STATE, play, played

URL = "http://localhost:9080"
AGENT, WEB = "evenkeel-console-agent", "evenkeel-console"
PASSWORD = STATE / "secrets/console_admin"


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


def login(password: str) -> int:
    return requests.post(f"{URL}/api/login", json={"name": "admin", "password": password}, timeout=10).status_code


def test_its_password_lets_in_and_nothing_is_shown_without() -> None:
    assert stat.S_IMODE(PASSWORD.stat().st_mode) == 0o600
    assert login(PASSWORD.read_text().strip()) == 200
    assert requests.get(f"{URL}/api/tiers", timeout=10).status_code == 401


def test_the_process_with_the_port_has_no_socket(engine: docker.DockerClient) -> None:
    agent, web = (engine.containers.get(name).attrs for name in (AGENT, WEB))
    for found in (agent, web):
        host = found["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
        assert PASSWORD.read_text().strip() not in json.dumps(found)
    assert not agent["HostConfig"]["PortBindings"]
    assert {binding["HostIp"] for binding in web["HostConfig"]["PortBindings"]["9080/tcp"]} == {"127.0.0.1"}
    assert list(web["NetworkSettings"]["Networks"]) == [WEB]
    assert not any(mount["Source"] == "/run" or "docker" in mount["Source"] for mount in web["Mounts"])


# Runs in the web process's container, as whatever has taken it over would.
REACHES = """
import json, os, pathlib, socket, sys, http.client
found = []
for host, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((host, port), 1).close()
        found.append(f"{host}:{port}")
    except OSError:
        pass
for path in ("/var/run/docker.sock", "/run/docker.sock", "/host/run/docker.sock", sys.argv[2]):
    if os.path.exists(path):
        found.append(path)
own = os.getuid()
for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdigit() and entry.stat().st_uid != own:
        found.append(str(entry))
for name in ("/etc/written", "/opt/evenkeel/written"):
    try:
        open(name, "w")
        found.append(name)
    except OSError:
        pass

class Agent(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect("/run/evenkeel/agent.sock")

for verb in ("create", "exec", "pull", "scale ", "", None, ["scale"], {"verb": "roll"}):
    agent = Agent("agent")
    agent.request("POST", "/v1/plan", json.dumps({"verb": verb, "tier": "static", "count": 1}))
    answer = agent.getresponse()
    if answer.status < 400:
        found.append(f"verb {verb!r}")
    answer.read()
for path in ("/v1/containers", "/containers/json", "/v1/../containers/json", "/v1/nodes/" + "0" * 64 + "/log"):
    agent = Agent("agent")
    agent.request("GET", path)
    if agent.getresponse().status < 400:
        found.append(path)
print(json.dumps(found))
"""


def test_what_runs_in_the_web_process_reaches_nothing_but_the_agents_verbs(engine: docker.DockerClient) -> None:
    nodes = engine.containers.list(filters={"label": "evenkeel.role=node"})
    addresses = [net["IPAddress"] for node in nodes for net in node.attrs["NetworkSettings"]["Networks"].values()]
    edge = engine.containers.get("evenkeel-edge").attrs["NetworkSettings"]["Networks"]
    places = [(address, port) for address in addresses for port in (80, 3000, 9180)]
    places += [(net["IPAddress"], port) for net in edge.values() for port in (8000, 9000)]
    assert addresses
    script = ["/opt/evenkeel/venv/bin/python", "-c", REACHES, json.dumps(places), str(STATE)]
    code, output = engine.containers.get(WEB).exec_run(script)
    assert isinstance(output, bytes)
    assert code == 0, output.decode()
    assert json.loads(output) == []


def test_a_run_mends_what_was_removed_and_tells_it_before(engine: docker.DockerClient) -> None:
    engine.containers.get(AGENT).remove(force=True)
    engine.containers.get(WEB).stop()
    status = played("playbooks/status.yml")
    assert f"start {AGENT}" in status
    assert f"start {WEB}" in status
    assert play("playbooks/status.yml", "-e", "status_strict=true").returncode != 0
    played("playbooks/console.yml")
    assert login(PASSWORD.read_text().strip()) == 200
    assert "changed=0" in played("playbooks/console.yml")


@pytest.mark.parametrize("name", [WEB, AGENT])
def test_a_run_restarts_what_hangs(engine: docker.DockerClient, name: str) -> None:
    engine.containers.get(name).kill(signal="SIGSTOP")
    began = {each: engine.containers.get(each).attrs["State"]["StartedAt"] for each in (WEB, AGENT)}
    played("playbooks/console.yml", "-e", "console_ready_seconds=5")
    again = {each for each, at in began.items() if engine.containers.get(each).attrs["State"]["StartedAt"] != at}
    assert again == {name}
    assert login(PASSWORD.read_text().strip()) == 200


def test_a_reset_gives_another_password(engine: docker.DockerClient) -> None:
    before = PASSWORD.read_text().strip()
    shown = played("playbooks/console.yml", "-e", "console_reset=admin", "-vv")
    after = PASSWORD.read_text().strip()
    assert after != before
    assert after not in shown
    assert (login(before), login(after)) == (401, 200)


def test_a_reset_of_a_user_that_is_not_declared_is_one_line() -> None:
    done = play("playbooks/console.yml", "-e", "console_reset=bob")
    assert done.returncode != 0
    assert "console_reset: got 'bob', want one of admin (fix: -e console_reset=admin" in " ".join(done.stdout.split())
