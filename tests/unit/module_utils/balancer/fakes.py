"""Edge, balancers and their APIs on a virtual clock. A new balancer gets its servers late, as Traefik does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import SLOTS, draining_slot, static_name
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.files import static_text
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.options import BalancerOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import BalancerContainer, Desired
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.ports import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.reconcile import (
    BalancerOutcome,
    BalancerRequest,
    reconcile,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import ContainerSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError, Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import NoSuchRouteError, TraefikApiError

UP = {"http://static-1:8080": "UP", "http://static-2:8080": "UP"}
SERVICES: list[dict[str, Any]] = [{"name": "static@docker", "serverStatus": UP}, {"name": "evenkeel-empty@file"}]


def made_options(folder: Path, **differs: Any) -> BalancerOptions:
    """Options with folders that can be written to."""
    (folder / "config" / "dynamic").mkdir(parents=True, exist_ok=True)
    options = BalancerOptions(
        cluster="shop",
        network="shop-net",
        image="res/traefik:1",
        edge_image="res/edge:1",
        static={
            "entryPoints": {
                "web": {"address": ":8000", "reusePort": True},
                "dashboard": {"address": "[::]:9000", "reusePort": True},
                "internal": {"address": "127.0.0.1:8899", "reusePort": True},
            },
            "providers": {"docker": {"endpoint": "unix:///host/run/docker.sock"}},
            "api": {},
        },
        seed="seed",
        ports={8000: ("0.0.0.0", 8080), 9000: ("", 9000)},
        user="65532",
        groups=("999",),
        memory=1024**3,
        pids=512,
        environment={"GOGC": "1000"},
        socket="/run/docker.sock",
        config_dir=folder / "config",
        log_dir=folder / "log",
        stop_seconds=45,
        log_size=20 * 1024**2,
        log_files=2,
        drain_seconds=3.0,
        ready_seconds=30.0,
    )
    return dataclasses.replace(options, **differs)


class VirtualClock:
    """Time passes when it is slept, and then something may happen."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.on_sleep()


@dataclasses.dataclass
class Process:
    """What a balancer's process has read, and when it began."""

    started: float
    accepted: str
    edge_text: str


class FakeHost:
    """One Docker Engine with the cluster's edge and balancers; implements ``ports.Containers``.

    Attributes:
        log: what was asked for, in order.
        delay: seconds from the start of a balancer until it has its servers.
        crashes: new balancers end at once.
        silent: slots whose API does not answer.
        routeless: slots whose balancer has not read its configuration.
        refuse: name of a method that fails.
        logless: ids of balancers whose access log was removed.
        accepted: the password in the users' file; a process reads it when it starts and when its configuration changes.
    """

    def __init__(self, options: BalancerOptions) -> None:
        self.options = options
        self.clock = VirtualClock()
        self.found: dict[str, BalancerContainer] = {}
        self.processes: dict[str, Process] = {}
        self.log: list[str] = []
        self.delay = 0.5
        self.crashes = False
        self.silent: set[str] = set()
        self.refuse = ""
        self.accepted = "secret"
        self.images = {options.image: Image("sha256:1")}
        self.perl_problem = ""
        self.refusal = ""
        self.logless: set[str] = set()
        self.routeless: set[str] = set()

    # -- what a test sets up and asks ----------------------------------------------

    def add_edge(self, revision: str) -> None:
        self.found["shop-edge"] = BalancerContainer(
            "id-edge", "shop-edge", "", "running", revision, networks=frozenset({"bridge", "shop-net"})
        )

    def add_balancer(self, slot: str, revision: str, started: float = -60.0) -> None:
        name = f"shop-balancer-{slot}"
        self.found[name] = BalancerContainer(f"id-{slot}", name, slot, "running", revision, "id-edge")
        self.processes[slot] = Process(started, self.accepted, self.edge_text)
        (self.options.config_dir / static_name(slot)).write_text(static_text(self.options, slot))

    def end(self, name: str) -> None:
        self.found[name] = dataclasses.replace(self.found[name], state="exited")

    @property
    def edge_text(self) -> str:
        file = self.options.edge_file
        return file.read_text() if file.is_file() else ""

    @property
    def names(self) -> list[str]:
        return sorted(self.found)

    def api(self, url: str, *credentials: str) -> FakeApi:
        return FakeApi(self, url, credentials[-1] if credentials else self.accepted)

    # -- ports.Containers ------------------------------------------------------------

    def _note(self, method: str, text: str) -> None:
        if self.refuse == method:
            raise EngineError(f"{text}: got 'no', want success (fix: see dockerd's log)")
        self.log.append(text)

    def connect(self) -> str:
        if self.refuse == "connect":
            raise EngineError("Docker daemon: got no answer, want a running daemon (fix: start it)")
        return "29"

    def image(self, reference: str) -> Image | None:
        return self.images.get(reference)

    def containers(self) -> list[BalancerContainer]:
        return list(self.found.values())

    def in_order(self) -> list[BalancerContainer]:
        running = [container for container in self.found.values() if container.slot and container.running]
        return sorted(running, key=lambda container: self.processes[container.slot].started)

    def options_of(self, container: BalancerContainer) -> BalancerOptions:
        return self.options

    def start_edge(self, options: BalancerOptions, revision: str) -> None:
        self._note("start_edge", "start shop-edge")
        self.add_edge(revision)

    def start_balancer(self, options: BalancerOptions, desired: Desired, slot: str) -> None:
        self._note("start_balancer", f"start {desired.balancer_name(slot)}")
        assert (options.config_dir / f"traefik-{slot}.yml").is_file()
        self.add_balancer(slot, desired.balancer, self.clock.now())
        if self.crashes:
            self.end(f"shop-balancer-{slot}")

    def direct_new_connections(self, edge: str, rank: int, ports: Iterable[int]) -> str:
        self._note("direct_new_connections", f"{edge} directs {list(ports)} to {self.in_order()[rank].name}")
        return self.perl_problem

    def address(self, name: str) -> str:
        if name not in self.found:
            raise EngineError(f"container {name}: got 'No such container', want success (fix: see dockerd's log)")
        return "172.18.0.2"

    def connect_edge(self, edge: str, network: str) -> None:
        self._note("connect_edge", f"connect {edge} to {network}")
        (name,) = (item.name for item in self.found.values() if item.id == edge)
        found = self.found[name]
        self.found[name] = dataclasses.replace(found, networks=found.networks | {network})

    def mend(self, container: str, spec: ContainerSpec) -> None:
        (name,) = (item.name for item in self.found.values() if item.id == container)
        self._note("mend", f"mend {name} as {spec.name}")
        settings = {"RestartPolicy": {"Name": spec.restart}, "Memory": spec.memory, "PidsLimit": spec.pids}
        self.found[spec.name] = dataclasses.replace(self.found.pop(name), name=spec.name, settings=settings)

    def unpause(self, container: str) -> None:
        (name,) = (item.name for item in self.found.values() if item.id == container)
        self._note("unpause", f"unpause {name}")
        self.found[name] = dataclasses.replace(self.found[name], state="running")

    def refused(self, options: BalancerOptions) -> str:
        return self.refusal

    def lost_logs(self, options: BalancerOptions, found: Iterable[BalancerContainer]) -> set[str]:
        return self.logless & {item.id for item in found}

    def stop(self, container: str, seconds: int) -> int | None:
        (name,) = (item.name for item in self.found.values() if item.id == container)
        self._note(
            "stop", f"stop {name} {seconds} at {self.clock.now():.1f}, draining '{draining_slot(self.edge_text)}'"
        )
        self.end(name)
        return 0

    def remove(self, container: str) -> None:
        (name,) = (item.name for item in self.found.values() if item.id == container)
        self._note("remove", f"remove {name}")
        del self.found[name]

    def logs(self, container: str) -> str:
        return f"log of {container}"


class FakeApi:
    """The API of the balancer in one slot, as far as that has come."""

    def __init__(self, host: FakeHost, url: str, password: str) -> None:
        self._host = host
        self._password = password
        address, _, port = url.rpartition(":")
        assert address == "http://172.18.0.2"
        (self._slot,) = (slot for slot, number in SLOTS.items() if str(number) == port)

    def _process(self) -> Process:
        container = self._host.found.get(f"shop-balancer-{self._slot}")
        if container is None or not container.running or self._slot in self._host.silent:
            raise TraefikApiError("connection refused", "an answer", "check that it runs")
        if self._slot in self._host.routeless:
            raise NoSuchRouteError("status 404", "status 200", "check the address")
        process = self._host.processes[self._slot]
        if process.edge_text != self._host.edge_text:
            process.edge_text, process.accepted = self._host.edge_text, self._host.accepted
        if self._password != process.accepted:
            raise TraefikApiError("status 401", "accepted credentials", "check the user and the password file")
        return process

    def version(self) -> str:
        self._process()
        return "3.7.15"

    def all_services(self) -> list[dict[str, Any]]:
        late = self._host.clock.now() - self._process().started < self._host.delay
        return [{"name": service["name"]} for service in SERVICES] if late else list(SERVICES)


def done(host: FakeHost, request: BalancerRequest) -> BalancerOutcome:
    return reconcile(request, Ports(host, host.api), clock=host.clock)


def told(outcome: BalancerOutcome) -> list[str]:
    return [str(action) for action in outcome.actions]
