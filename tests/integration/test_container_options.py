"""What a tier says of its containers holds in them, on a real engine, and is no change by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node, TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import wait_until
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_nodes import DockerEngine
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError, Listener
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import declare
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.start_faults import in_words, remedy

from .test_engine_contract import RAW

CLUSTER = "options"
NETWORK = "evenkeel"
BACKEND = "evenkeel-options-backend"
IMAGE = "evenkeel/base:trixie"
FOREVER = ["sleep", "infinity"]

Start = Callable[..., tuple[Node, TierBuild]]


@pytest.fixture
def backend(engine: docker.DockerClient) -> Iterator[str]:
    network = engine.networks.create(BACKEND)
    yield BACKEND
    network.remove()


@pytest.fixture
def pool(backend: str) -> Iterator[DockerEngine]:
    """The nodes of a cluster that no balancer knows; they are gone before the network is."""
    made = DockerEngine(CLUSTER, NETWORK, {"web": 80})
    made.connect()
    yield made
    for node in made.nodes():
        made.remove(node.id)


@pytest.fixture
def start(cluster: Any, pool: DockerEngine) -> Start:
    """Start a node of a tier with these options."""

    def start_one(**options: Any) -> tuple[Node, TierBuild]:
        own = {"leaving": "balancer", "command": FOREVER, "stop_seconds": 4, **options}
        raw = {"image": IMAGE, "port": 80, "path": "/", "nodes": 1, **own}
        spec, problems = parse_cluster({**RAW, "name": CLUSTER, "tiers": {"web": raw}})
        assert spec is not None, problems
        build = declare(CLUSTER, {"web": spec.tiers[0]}, {}, (), pool).builds["web"]
        number = len(pool.nodes()) + 1
        pool.start(f"options-web-{number}", build)
        return next(node for node in pool.nodes() if node.number == number), build

    return start_one


def inside(pool: DockerEngine, node: Node, command: str) -> str:
    """What a command in the node prints."""
    return pool.client.execute(node.id, ["sh", "-c", command])[1].strip()


def capabilities(pool: DockerEngine, node: Node) -> int:
    return int(inside(pool, node, "sed -n 's/^CapBnd:\\s*//p' /proc/self/status"), 16)


NET_RAW, MKNOD, CHOWN = 1 << 13, 1 << 27, 1 << 0


def test_the_two_confinements(pool: DockerEngine, start: Start) -> None:
    found, _ = start()
    assert inside(pool, found, "touch /anywhere && echo yes") == "yes"
    assert capabilities(pool, found) & (NET_RAW | MKNOD | CHOWN) == CHOWN
    strict, _ = start(confinement="strict")
    assert "Read-only file system" in inside(pool, strict, "touch /anywhere")
    assert "refused" in inside(pool, strict, "cp /bin/true /tmp/tool && /tmp/tool || echo refused")
    assert capabilities(pool, strict) == 0
    for node in (found, strict):
        assert inside(pool, node, "sed -n 's/^NoNewPrivs:\\s*//p' /proc/self/status") == "1"


def test_every_option_holds_and_is_no_change_by_hand(pool: DockerEngine, start: Start, backend: str) -> None:
    node, build = start(
        user="33:33",
        group_add=[44],
        read_only=True,
        tmpfs={"/cache": "1m", "/tools": "1m,exec"},
        cap_add=["NET_RAW"],
        cap_drop=["KILL", "CHOWN"],
        working_dir="/usr",
        init=True,
        extra_hosts={"db.example.org": "192.0.2.7"},
        dns=["192.0.2.53"],
        ulimits={"nofile": {"soft": 500, "hard": 1000}},
        shm_size="1m",
        sysctls={"net.core.somaxconn": 77},
        devices=["/dev/null:/dev/nothing:r"],
        runtime="runc",
        memory_reservation="32m",
        cpu_shares=512,
        labels={"org.example.team": "shop"},
        platform="linux/" + pool.evidence("none").architecture,
        stop_signal="SIGINT",
        networks=[backend],
        entrypoint=["env", "SAID=yes"],
    )
    assert inside(pool, node, "id -u; id -g; pwd; ulimit -Sn; ulimit -Hn").split() == [
        "33",
        "33",
        "/usr",
        "500",
        "1000",
    ]
    assert "44" in inside(pool, node, "id -G").split()
    assert "Read-only file system" in inside(pool, node, "touch /usr/anywhere; touch /anywhere")
    assert inside(pool, node, "stat -fc %s:%b /cache /dev/shm").split() == ["4096:256", "4096:256"]
    assert inside(pool, node, "cp /bin/true /tools/ && /tools/true && echo ran; cat /proc/sys/net/core/somaxconn") == (
        "ran\n77"
    )
    assert "db.example.org" in inside(pool, node, "getent hosts 192.0.2.7")
    assert inside(pool, node, "cat /proc/1/comm; test -c /dev/nothing && echo there").split() == [
        "docker-init",
        "there",
    ]
    assert "SAID=yes" in inside(pool, node, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert capabilities(pool, node) & (NET_RAW | MKNOD | CHOWN) == NET_RAW
    assert pool.alterations(pool.nodes(), {"web": build}) == {}
    assert pool.stop(node.id, 4) in {0, 130, 137}


def test_what_is_changed_by_hand_is_set_back(pool: DockerEngine, start: Start, backend: str, engine: Any) -> None:
    node, build = start(cpu_shares=512, memory_reservation="32m", networks=[backend])
    engine.api.update_container(node.id, cpu_shares=64, mem_reservation="64m")
    engine.networks.get(backend).disconnect(node.id)
    (changed,) = pool.alterations(pool.nodes(), {"web": build}).values()
    assert changed.mendable
    assert changed.words == (
        f"is off the network {backend}",
        "CPU shares 64, want 512",
        "memory reservation 67108864, want 33554432",
    )
    pool.mend(node, build)
    assert pool.alterations(pool.nodes(), {"web": build}) == {}


def test_what_is_known_of_starts_that_fail(pool: DockerEngine, start: Start) -> None:
    hungry, build = start(memory="16m", command=["perl", "-e", "$x = 'a' x 200_000_000"])

    def looked(node: Node, words: str) -> None:
        def look() -> str:
            found = remedy(build.tier, pool.evidence(node.id))
            return "" if words in found else found or "nothing"

        assert wait_until(look, 10, 0.2) == ""

    looked(hungry, "cluster_tiers.web.memory: 32m")
    ends, build = start(command=["true"])
    looked(ends, "stays in the foreground")
    denied, build = start(confinement="strict", command="touch /var/cache/x")
    looked(denied, "cluster_tiers.web.tmpfs: {/var/cache: 16m}")
    perl = "use IO::Socket; $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:80') or die $!; sleep 60"
    local, build = start(command=["perl", "-e", perl])
    looked(local, "listen on 0.0.0.0:80")
    assert pool.evidence(local.id).listeners == (Listener("127.0.0.1", 80),)
    with pytest.raises(EngineError) as raised:
        start(user="ghost")
    assert "cluster_tiers.web.user" in in_words(build.tier, [str(raised.value)])
