"""What is asked of Docker for edge and balancers, and what is read from its answers."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from tests.unit.module_utils.balancer.fakes import made_options

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer import containers
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import static_config
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.containers import BalancerPool
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import BalancerContainer, Desired
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.ports import Containers
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.specs import (
    balancer_spec,
    baseline_balancer_spec,
    edge_spec,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.alterations import resources
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import ContainerSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import DockerNotFoundError
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError, Image

DESIRED = Desired("shop", "e1", "b1")


def listed(name: str, role: str, state: str = "running", **differs: Any) -> dict[str, Any]:
    """An entry of Docker's list of containers."""
    labels = {"evenkeel.cluster": "shop", "evenkeel.role": role, **differs.pop("labels", {})}
    return {"Id": f"id-{name}", "Names": [f"/{name}"], "State": state, "Labels": labels, **differs}


def balancer(slot: str, state: str = "running") -> dict[str, Any]:
    return listed(
        f"shop-balancer-{slot}",
        "balancer",
        state,
        labels={"evenkeel.slot": slot, "evenkeel.revision": "b1"},
        HostConfig={"NetworkMode": "container:id-shop-edge"},
    )


class RecordingClient:
    """Answers from tables and notes what it is asked to do."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.listed: list[dict[str, Any]] = []
        self.records: dict[str, dict[str, Any]] = {}
        self.result = (0, "")

    def connect(self) -> str:
        return "29.1"

    def image(self, reference: str) -> Image | None:
        return Image(f"sha256:{reference}")

    def containers(self, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
        self.calls.append(("containers", *labels))
        return self.listed

    def inspect(self, container: str) -> dict[str, Any]:
        if container not in self.records:
            raise DockerNotFoundError(f"container {container}: got 'none', want success (fix: see dockerd's log)")
        return self.records[container]

    def run(self, spec: ContainerSpec) -> str:
        self.calls.append(("run", spec))
        return "new-id"

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        self.calls.append(("execute", container, *command))
        return self.result

    def stop(self, container: str, seconds: int) -> int | None:
        self.calls.append(("stop", container, seconds))
        return 137

    def start_again(self, container: str) -> None:
        self.calls.append(("start_again", container))

    def join(self, container: str, network: str) -> None:
        self.calls.append(("join", container, network))

    def unpause(self, container: str) -> None:
        self.calls.append(("unpause", container))

    def rename(self, container: str, name: str) -> None:
        self.calls.append(("rename", container, name))

    def update(self, container: str, wanted: dict[str, Any]) -> None:
        self.calls.append(("update", container, wanted))

    def remove(self, container: str) -> None:
        self.calls.append(("remove", container))

    def logs(self, container: str) -> str:
        return f"log of {container}"


@pytest.fixture
def client() -> RecordingClient:
    return RecordingClient()


@pytest.fixture
def pool(client: RecordingClient, tmp_path: Path) -> BalancerPool:
    given: Any = client
    return BalancerPool("shop", "shop-net", given, tmp_path / "sys")


def test_it_is_what_the_replacement_needs(pool: BalancerPool) -> None:
    found: Containers = pool
    assert found.connect() == "29.1"
    assert found.image("res/traefik:1") == Image("sha256:res/traefik:1")


def test_edge_and_balancers_are_found_by_their_labels(pool: BalancerPool, client: RecordingClient) -> None:
    client.listed = [
        listed("shop-edge", "edge", labels={"evenkeel.revision": "e1"}, HostConfig={"NetworkMode": "shop-net"}),
        balancer("blue", "exited"),
        listed("static-1", "node"),
        listed("shop-baseline", "none"),
        {"Id": "0123456789abcdef", "Names": [], "State": "created", "Labels": {"evenkeel.role": "balancer"}},
    ]
    client.records = {
        "id-shop-edge": {
            "State": {"StartedAt": "2026-01-01T00:00:00.5Z", "Pid": 0},
            "NetworkSettings": {"Networks": {"bridge": {}, "shop-net": {}}},
        },
        "id-shop-balancer-blue": {"State": {"StartedAt": "2026-01-01T00:00:01Z"}},
        "0123456789abcdef": {},
    }
    assert pool.containers() == [
        BalancerContainer(
            id="id-shop-edge",
            name="shop-edge",
            slot="",
            state="running",
            revision="e1",
            started="2026-01-01T00:00:00.5",
            networks=frozenset({"bridge", "shop-net"}),
            made_as="shop-edge",
        ),
        BalancerContainer(
            id="id-shop-balancer-blue",
            name="shop-balancer-blue",
            slot="blue",
            state="exited",
            revision="b1",
            network="id-shop-edge",
            started="2026-01-01T00:00:01",
            made_as="shop-balancer-blue",
        ),
        BalancerContainer("0123456789abcdef", "0123456789ab", "", "created", "", ""),
    ]
    assert client.calls == [("containers", "evenkeel.cluster=shop")]


def test_an_edge_is_mended_by_its_name_or_id(pool: BalancerPool, client: RecordingClient) -> None:
    pool.connect_edge("id-edge", "shop-net")
    pool.unpause("id-edge")
    assert client.calls == [("join", "id-edge", "shop-net"), ("unpause", "id-edge")]


def test_names_that_were_changed_are_known_by_labels(pool: BalancerPool, client: RecordingClient) -> None:
    client.listed = [listed("gateway", "edge"), {**balancer("blue"), "Names": ["/proxy"]}]
    settings = {"RestartPolicy": {"Name": "no"}}
    client.records = {"id-gateway": {"HostConfig": settings}, "id-shop-balancer-blue": {}}
    assert [(item.name, item.own_name, item.settings) for item in pool.containers()] == [
        ("gateway", "shop-edge", settings),
        ("proxy", "shop-balancer-blue", {}),
    ]


def test_a_container_is_mended_while_it_runs(pool: BalancerPool, client: RecordingClient, tmp_path: Path) -> None:
    spec = edge_spec(made_options(tmp_path), "e1", migrate=False)
    client.records["id-edge"] = {"Name": "/gateway"}
    pool.mend("id-edge", spec)
    update = ("update", "id-edge", resources(spec))
    assert client.calls == [("rename", "id-edge", "shop-edge"), update]
    client.calls.clear()
    client.records["id-edge"] = {"Name": "/shop-edge"}
    pool.mend("id-edge", spec)
    assert client.calls == [update]
    with pytest.raises(EngineError, match=r"^container shop-edge: got .*, want it there"):
        pool.mend("id-none", spec)


def test_balancers_are_ordered_by_their_start(pool: BalancerPool, client: RecordingClient) -> None:
    client.listed = [
        listed("shop-edge", "edge"),
        balancer("green"),
        balancer("blue"),
    ]
    # Docker leaves zeros at the end out, and the second balancer began a little later.
    client.records = {
        "id-shop-edge": {"State": {"StartedAt": "2026-01-01T00:00:00Z"}},
        "id-shop-balancer-green": {"State": {"StartedAt": "2026-01-01T00:00:00.123Z"}},
        "id-shop-balancer-blue": {"State": {"StartedAt": "2026-01-01T00:00:00.12Z"}},
    }
    assert [container.slot for container in pool.in_order()] == ["blue", "green"]
    client.listed[2]["State"] = "exited"
    assert [container.slot for container in pool.in_order()] == ["green"]


def test_a_clock_that_was_set_back_does_not_change_the_order(
    pool: BalancerPool, client: RecordingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "born", {0: 0, 7: 100, 8: 200}.__getitem__)
    monkeypatch.setattr(containers, "network_of", {0: "", 7: "net:[1]", 8: "net:[1]"}.__getitem__)
    client.listed = [balancer("green"), balancer("blue")]
    client.records = {
        "id-shop-balancer-green": {"State": {"StartedAt": "2025-01-01T00:00:00Z", "Pid": 8}},
        "id-shop-balancer-blue": {"State": {"StartedAt": "2026-01-01T00:00:00Z", "Pid": 7}},
    }
    assert [(item.slot, item.namespace) for item in pool.in_order()] == [("blue", "net:[1]"), ("green", "net:[1]")]


def test_only_a_running_balancer_with_a_declared_log_may_have_lost_it(pool: BalancerPool, tmp_path: Path) -> None:
    options = made_options(tmp_path)
    logging = dataclasses.replace(
        options, static={**options.static, "accessLog": {"filePath": "/var/log/traefik/access.log"}}
    )
    found = [
        BalancerContainer("e", "shop-edge", "", "running", "e1", pid=os.getpid()),
        BalancerContainer("b", "shop-balancer-blue", "blue", "running", "b1", pid=os.getpid()),
        BalancerContainer("g", "shop-balancer-green", "green", "exited", "b1"),
    ]
    assert pool.lost_logs(logging, found) == {"b"}
    assert pool.lost_logs(options, found) == set()
    assert pool.lost_logs(dataclasses.replace(options, static={"accessLog": {}}), found) == set()
    options.log_dir.mkdir()
    (options.log_dir / "access.log").touch()
    assert pool.lost_logs(logging, found) == set()


def test_a_balancer_that_vanishes_while_it_is_looked_at_has_no_place(
    pool: BalancerPool, client: RecordingClient
) -> None:
    client.listed = [balancer("green"), balancer("blue")]
    client.records = {"id-shop-balancer-green": {"State": {"StartedAt": "2026-01-01T00:00:00Z"}}}
    assert [container.slot for container in pool.in_order()] == ["green"]


@pytest.mark.parametrize("migrate", [True, False])
def test_the_edge_starts_as_specified(
    pool: BalancerPool, client: RecordingClient, tmp_path: Path, migrate: bool
) -> None:
    options = made_options(tmp_path)
    if migrate:
        (tmp_path / "sys/net/ipv4").mkdir(parents=True)
        (tmp_path / "sys/net/ipv4/tcp_migrate_req").touch()
    pool.start_edge(options, "e1")
    assert client.calls == [("run", edge_spec(options, "e1", migrate=migrate))]


def test_balancers_start_as_specified(pool: BalancerPool, client: RecordingClient, tmp_path: Path) -> None:
    options = made_options(tmp_path)
    pool.start_balancer(options, DESIRED, "green")
    assert pool.start_baseline(options, "blue", "shop-baseline", {"a": "b"}) == "new-id"
    assert client.calls == [
        ("run", balancer_spec(options, DESIRED, "green")),
        ("run", baseline_balancer_spec(options, "blue", "shop-baseline", {"a": "b"})),
    ]


def test_the_options_of_a_running_balancer(pool: BalancerPool, client: RecordingClient, tmp_path: Path) -> None:
    options = dataclasses.replace(made_options(tmp_path), edge_image="", seed="", ports={})
    (options.config_dir / "traefik-blue.yml").write_text(json.dumps(static_config(options.static, "blue")))
    client.records["id-blue"] = {
        "Config": {
            "Image": options.image,
            "User": options.user,
            # The image's own variables are among them.
            "Env": ["GOGC=1000", "EVENKEEL_SLOT=blue"],
            "StopTimeout": options.stop_seconds,
        },
        "HostConfig": {
            "Binds": [
                f"{options.config_dir}:/etc/traefik:ro",
                f"{options.log_dir}:/var/log/traefik",
            ],
            "Mounts": [{"Target": "/host/run", "Source": "/run"}],
            "GroupAdd": ["999"],
            "Memory": options.memory,
            "PidsLimit": options.pids,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "2"}},
        },
    }
    assert pool.options_of(BalancerContainer("id-blue", "shop-balancer-blue", "blue", "running", "b1")) == options


def test_new_connections_are_directed_by_a_process_in_the_edge(pool: BalancerPool, client: RecordingClient) -> None:
    assert pool.direct_new_connections("shop-edge", 1, [8000, 9000]) == ""
    (call,) = client.calls
    assert call[:4] == ("execute", "shop-edge", "perl", "-e")
    assert "use Socket;" in call[4]
    assert call[5:] == ("1", "8000", "9000")


@pytest.mark.parametrize(
    "result, reason",
    [
        ((2, "bind 8000:\n  Permission denied\n"), "bind 8000: Permission denied"),
        ((1, "x" * 300), "x" * 200),
        ((127, ""), "exit code 127"),
        ((0, "a remark"), ""),
    ],
)
def test_why_new_connections_cannot_be_directed(
    pool: BalancerPool, client: RecordingClient, result: tuple[int, str], reason: str
) -> None:
    client.result = result
    assert pool.direct_new_connections("shop-edge", 0, [8000]) == reason


@pytest.mark.parametrize(
    "networks, address",
    [
        ({"shop-net": {"IPAddress": "172.18.0.2"}, "bridge": {"IPAddress": "172.17.0.2"}}, "172.18.0.2"),
        ({"shop-net": {"IPAddress": ""}}, ""),
        ({"bridge": {"IPAddress": "172.17.0.2"}}, ""),
        ({"shop-net": None}, ""),
    ],
)
def test_the_address_is_that_in_the_clusters_network(
    pool: BalancerPool, client: RecordingClient, networks: dict[str, Any], address: str
) -> None:
    client.records["shop-edge"] = {"NetworkSettings": {"Networks": networks}}
    assert pool.address("shop-edge") == address


def test_what_needs_no_translation(pool: BalancerPool, client: RecordingClient) -> None:
    assert pool.stop("a", 45) == 137
    pool.start_again("b")
    pool.remove("c")
    assert pool.logs("d") == "log of d"
    assert client.calls == [("stop", "a", 45), ("start_again", "b"), ("remove", "c")]


def test_the_docker_engine_is_that_of_the_environment() -> None:
    with pytest.raises(EngineError, match=r"no-docker\.sock"):
        BalancerPool("shop", "shop-net").connect()


class FakeSdk:
    """The calls of the SDK that run a command in a container."""

    def __init__(self, status: int = 0, refuses: Exception | None = None) -> None:
        self.status = status
        self.refuses = refuses
        self.calls: list[tuple[Any, ...]] = []

    def exec_create(self, container: str, command: list[str]) -> dict[str, str]:
        if self.refuses is not None:
            raise self.refuses
        self.calls.append(("create", container, command))
        return {"Id": "exec-1"}

    def exec_start(self, made: str) -> bytes:
        self.calls.append(("start", made))
        return b"bind 8000: \xff"

    def exec_inspect(self, made: str) -> dict[str, int]:
        return {"ExitCode": self.status}


def test_a_command_runs_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = FakeSdk(status=2)
    monkeypatch.setattr(DockerClient, "api", sdk)
    assert DockerClient().execute("shop-edge", ("perl", "-v")) == (2, "bind 8000: \ufffd")
    assert sdk.calls == [("create", "shop-edge", ["perl", "-v"]), ("start", "exec-1")]


def test_a_command_in_a_container_that_does_not_run_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = docker.errors.APIError("409", explanation="container is not running")
    monkeypatch.setattr(DockerClient, "api", FakeSdk(refuses=refusal))
    with pytest.raises(EngineError) as caught:
        DockerClient().execute("shop-edge", ["true"])
    assert str(caught.value) == (
        "command in shop-edge: got 'container is not running', want success (fix: see dockerd's log)"
    )
