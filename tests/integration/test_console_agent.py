"""The console's agent as a process on the running cluster: every verb under load, and what ends it half-way."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.integration.agent_process import AgentProcess
from tests.integration.conftest import STATE, Declared, Watcher, balancer, until

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import cluster_lock

FRAMES = int(os.environ.get("EVENKEEL_FRAMES", "5000"))
_SEED = 20261128


@pytest.fixture(scope="module")
def agent(
    engine: docker.DockerClient, declared: Declared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentProcess]:
    """An agent at the cluster as it is declared; afterwards the cluster is as before."""
    declared.restore("playbooks/scale.yml")
    found = AgentProcess(tmp_path_factory.mktemp("agent"), limits={"surge_percent": 100}).start()
    yield found
    found.stop()
    (STATE / "overrides.json").unlink(missing_ok=True)
    declared.restore("playbooks/scale.yml")


def serving(agent: AgentProcess, tier: str, count: int) -> None:
    """Wait until so many nodes of the tier are there, all in rotation."""
    until(lambda: agent.words(tier) == ["in rotation"] * count, 15, f"{count} of {tier} in rotation")


def test_every_verb_but_kill_loses_no_request(agent: AgentProcess) -> None:
    serving(agent, "dynamic", 3)
    with Watcher(clients=2) as watcher:
        agent.done(verb="scale", tier="dynamic", count=4)
        serving(agent, "dynamic", 4)
        assert agent.state()["tiers"]["dynamic"]["override"]["by"] == "alice"
        agent.done(verb="settle", tier="dynamic")
        until(lambda: agent.state()["tiers"]["dynamic"]["override"] is None, 5, "the declared number")
        node = agent.node("dynamic")
        agent.done(verb="drain", node=node)
        until(lambda: agent.state()["nodes"][node]["word"] == "draining", 5, "draining")
        assert agent.state()["nodes"][node]["reason"] == "by alice"
        agent.done(verb="undrain", node=node)
        serving(agent, "dynamic", 3)
        for verb in ("restart", "stop", "start", "remove"):
            agent.done(verb=verb, node=node)
        agent.done(verb="scale", tier="dynamic", count=3)
        agent.done(verb="roll", tier="dynamic")
    assert watcher.failed == []
    assert watcher.sent > 100


def test_a_killed_node_comes_back(agent: AgentProcess) -> None:
    serving(agent, "static", 3)
    found = agent.done(verb="kill", node=agent.node("static"))
    assert [step["step"] for step in found["steps"]] == ["started", "ready", "in_rotation"]


def test_a_verification_grows_while_requests_go(agent: AgentProcess) -> None:
    serving(agent, "dynamic", 3)
    ended = threading.Event()
    counts: list[int] = []
    lines = agent.stream("/v1/watch?since=-1", ended)
    next(lines)
    name = agent.begin(verb="verify", tier="dynamic")
    for line in lines:
        action = line.get("action", {})
        if action.get("id") == name:
            counts.append(sum(sum(item["counts"].values()) for item in action.get("verdicts", [])))
            if action["state"] != "running":
                break
    lines.close()  # type: ignore[attr-defined]
    verdicts = agent.action(name)["verdicts"]
    assert [(item["check"], item["ok"]) for item in verdicts] == [
        ("agreement", True),
        ("balance of dynamic", True),
        ("sessions of dynamic", True),
    ]
    assert counts == sorted(counts)
    assert len(set(counts)) > 2


def test_another_holder_of_the_lock_is_named(agent: AgentProcess) -> None:
    status, plan = agent.ask("/v1/plan", {"verb": "scale", "tier": "dynamic", "count": 4})
    assert status == 200
    with cluster_lock("evenkeel", "drill", 5):
        body = {"plan": plan["plan"], "actor": "alice", "request": uuid.uuid4().hex}
        status, answer = agent.ask("/v1/do", body)
    assert (status, "drill" in answer["holder"]) == (409, True)
    assert "drill" in answer["problems"][0]
    status, answer = agent.ask("/v1/do", body | {"actor": "console"})
    assert (status, answer["problems"][0][:22]) == (422, "actor: got 'console', ")


def test_a_plan_that_is_not_true_any_more_comes_back_as_a_new_one(
    agent: AgentProcess, engine: docker.DockerClient
) -> None:
    plan = agent.ask("/v1/plan", {"verb": "scale", "tier": "dynamic", "count": 2})[1]
    agent.done(verb="scale", tier="dynamic", count=4)
    body = {"plan": plan["plan"], "actor": "bob", "request": uuid.uuid4().hex}
    status, answer = agent.ask("/v1/do", body)
    assert (status, len(answer["plan"]["actions"])) == (409, 2)
    agent.done(verb="settle", tier="dynamic")


def test_containers_that_are_no_nodes_cannot_be_named(agent: AgentProcess, engine: docker.DockerClient) -> None:
    foreign = balancer(engine).id
    for verb in ("stop", "kill", "remove", "drain"):
        status, answer = agent.ask("/v1/plan", {"verb": verb, "node": foreign})
        assert (status, "want a node of this cluster" in answer["problems"][0]) == (404, True)
    for path in (f"/v1/nodes/{foreign}/log", f"/v1/samples?nodes={foreign}", "/v1/history?tier=nope"):
        assert agent.ask(path)[0] == 404


def test_a_killed_agent_tells_what_it_left_and_the_next_run_goes_on(agent: AgentProcess) -> None:
    serving(agent, "dynamic", 3)
    with Watcher(clients=2) as watcher:
        name = agent.begin(verb="roll", tier="dynamic")
        until(lambda: bool(agent.action(name)["steps"]), 10, "a first step")
        agent.kill()
        agent.start()
        assert agent.action(name)["state"] == "unfinished"
        newest = agent.ask("/v1/audit?count=1")[1][0]
        assert (newest["state"], newest["action"], newest["actor"]) == ("unfinished", name, "alice")
        until(lambda: settled(agent), 60, "the next run's end")
        serving(agent, "dynamic", 3)
    assert watcher.failed == []


def settled(agent: AgentProcess) -> bool:
    """Whether a run from here has ended well: it refuses while what it was shown still changes."""
    try:
        name = agent.begin(verb="settle", tier="dynamic")
    except AssertionError:
        return False
    return bool(agent.ended(name)["state"] == "done")


def test_a_log_ends_at_the_engine_with_its_reader(agent: AgentProcess) -> None:
    before = agent.sockets
    ended = threading.Event()
    streams = [agent.stream(f"/v1/nodes/{agent.node('static')}/log?tail=5&follow=1", ended) for _ in range(5)]
    assert all(len(next(stream)) == 2 for stream in streams)
    assert agent.sockets >= before + 10
    for stream in streams:
        stream.close()  # type: ignore[attr-defined]
    until(lambda: agent.sockets <= before, 2, "the streams' end")


def test_bodies_are_bounded(agent: AgentProcess) -> None:
    assert agent.ask("/v1/plan", {"verb": "scale", "tier": "x" * 5000, "count": 1})[0] in {400, 413}
    assert agent.ask("/v1/plan", ["scale"])[0] == 422


def test_random_frames_do_nothing(agent: AgentProcess) -> None:
    before = (agent.ask("/v1/audit?count=1")[1], agent.state()["tiers"]["static"]["desired"])
    chance = random.Random(_SEED)  # noqa: S311 - a test that can be repeated
    for _ in range(FRAMES):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(0.01)
            connection.connect(str(agent.socket))
            try:
                connection.sendall(frame(chance))
                connection.recv(1000)
            except OSError:
                continue
    assert agent.lives
    assert (agent.ask("/v1/audit?count=1")[1], agent.state()["tiers"]["static"]["desired"]) == before
    assert "evenkeel_agent/" not in agent.log, "no traceback of ours"


def frame(chance: random.Random) -> bytes:
    """Bytes of any kind, or a request that is nearly right."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(2000))
    words: list[Any] = ["scale", "static", "kill", 5, -1, None, True, 1e308, "\u0663", "x" * 300, {}, [], "0" * 64]
    keys = ["verb", "tier", "node", "count", "plan", "actor", "request", "typed", "action"]
    items = [f'"{chance.choice(keys)}":{written(chance.choice(words))}' for _ in range(chance.randrange(6))]
    body = "{" + ",".join(items) + "}"
    path = chance.choice(["/v1/plan", "/v1/do", "/v1/halt", "/v1/watch?since=x", "/v1/nodes/../log", "/v1/%00"])
    method = chance.choice(["POST", "GET", "PUT", "DELETE", "X"])
    length = chance.choice([len(body.encode()), 0, 10**9, -1])
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}".encode()


def written(value: object) -> str:
    """A value as a body may have it, also one that is no JSON."""
    return "[[[" if value == [] else json.dumps(value)


def test_it_serves_after_all_that(agent: AgentProcess) -> None:
    connection = http.client.HTTPConnection("localhost", 8080, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()
    told = json.dumps([agent.state(), *(agent.ask(f"/v1/{what}")[1] for what in ("events", "audit", "actions"))])
    assert "environment" not in told
    assert (STATE / "secrets/dashboard_password").read_text().strip() not in told
    assert Path(agent.data / "audit.jsonl").stat().st_mode & 0o777 == 0o600
