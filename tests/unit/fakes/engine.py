"""An engine in memory: keeps :class:`engine.port.Engine` and :class:`engine.port.Faults`, and takes its time."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.leaving import DRAINING_PATH
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import (
    BROKEN,
    ENDED,
    RUNNING,
    Node,
    TierBuild,
    told_apart,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import Clock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import (
    Alteration,
    EngineError,
    Evidence,
    Image,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import (
    health_check_of,
    leaving_of,
)

from .history import Counters, Delays
from .mounts import Mounts
from .node import FakeNode

KILLED = 137
#: What Docker calls containers that were started without a name.
GUEST_NAMES = ("brave_bell", *(f"brave_bell_{number}" for number in range(2, 100)))
#: How a frozen node looks: Docker's word for it.
FROZEN = "paused"


class FakeEngine:
    """Nodes in a dictionary. Every call is noted in :attr:`calls`, and refused first when :attr:`fails` says so.

    Args:
        clock: tells and passes the time.
        cluster: the cluster's name, which nodes' labels must bear.
        ports: tier to the port its nodes listen on, for a guest's address.
        delays: how long things take.
    """

    def __init__(self, clock: Clock, cluster: str, ports: Mapping[str, int], delays: Delays) -> None:
        self.clock = clock
        self.cluster = cluster
        self.delays = delays
        self.calls: list[str] = []
        self.fails: Callable[[str], bool] = lambda call: False
        self.images: dict[str, Image] = {}
        #: How release commands end.
        self.release_code: int | None = 0
        #: Name of a node -> when the request ends that it works on.
        self.under_way: dict[str, float] = {}
        #: Name of a node -> what is known of its start.
        self.seen: dict[str, Evidence] = {}
        #: Names that are taken by what is no node of the cluster -> image.
        self.foreign: dict[str, str] = {}
        self._ports = dict(ports)
        self._nodes: dict[str, FakeNode] = {}
        self._past: list[FakeNode] = []
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # -- for tests -------------------------------------------------------------------

    def add(self, name: str, build: TierBuild, **differs: object) -> Node:
        """A managed node that has been there for long."""
        found = self._made(name, build.options.labels, managed=True, image_id=build.image_id, revision=build.revision)
        found.put(**differs)
        if found.node.running:
            found.present.set(float("-inf"), 1)
            found.health.set(float("-inf"), HTTPStatus.OK)
        return found.node

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes() if node.name == name)

    def everything(self) -> list[FakeNode]:
        """All nodes that there are and that there were."""
        with self._lock:
            return [*self._nodes.values(), *self._past]

    def at_address(self, address: str) -> FakeNode | None:
        """The node that has the address now."""
        with self._lock:
            found = self._nodes.values()
            return next((item for item in found if item.node.address == address and _has_address(item.node)), None)

    def drains(self, name: str) -> None:
        """The node was told to leave and does not end yet, as after a run that was killed."""
        found = self.by_name(name)
        found.draining = True
        found.health.set(self.clock.now(), HTTPStatus.SERVICE_UNAVAILABLE)

    def by_name(self, name: str) -> FakeNode:
        """The node of that name, with what the engine knows of it."""
        with self._lock:
            return next(item for item in self._nodes.values() if item.node.name == name)

    def by_id(self, node: str) -> FakeNode:
        """The node with that identifier."""
        return self._there(node, "look")

    def duplicate(self, node: str, name: str) -> str:
        """Start a copy of the node under another name, with all its labels; the copy's identifier."""
        found = self.by_id(node)
        made = self._made(name, found.labels, managed=True, image_id=found.node.image_id, revision=found.node.revision)
        made.node = dataclasses.replace(made.node, url=found.node.url, made_as=found.node.made_as)
        self._began(made)
        return made.node.id

    # -- Engine ----------------------------------------------------------------------

    @property
    def provider(self) -> str:
        return "docker"

    @property
    def network(self) -> str:
        return self.cluster

    def connect(self) -> str:
        self._refuse("connect")
        return "fake"

    def nodes(self) -> list[Node]:
        self._refuse("nodes")
        with self._lock:
            return told_apart(item.node for item in self._nodes.values())

    def alterations(self, nodes: Iterable[Node], builds: Mapping[str, TierBuild]) -> dict[str, Alteration]:
        found: dict[str, Alteration] = {}
        for node in nodes:
            item = self._nodes.get(node.id)
            build = builds.get(node.tier)
            if item is None or build is None or not node.managed or node.state == ENDED:
                continue
            words = ["is paused"] if node.detail == FROZEN else []
            words += [f"is {node.own_name}, renamed by hand"] if node.name != node.own_name else []
            words += [f"is off the network {self.network}"] if item.detached else []
            words += [item.limits] if item.limits else []
            if words and node.revision == build.revision:
                found[node.id] = Alteration(tuple(words), item.mendable)
        return found

    def mend(self, node: Node, build: TierBuild) -> None:
        found = self._there(node.id, "mend")
        self._call(f"mend {found.node.name}")
        with self._lock:
            taken = {item.node.name for item in self._nodes.values() if item is not found} | self.foreign.keys()
            if node.own_name in taken:
                raise EngineError(Problem(f"node {node.name}", "'the name is in use'", "success", "see dockerd's log"))
            found.node = dataclasses.replace(
                found.node, name=node.own_name, address=found.detached or found.node.address
            )
        found.limits = found.detached = ""
        found.health.set(self.clock.now(), HTTPStatus.OK)
        self._become(found, RUNNING, "running")

    def connections(self, nodes: Sequence[Node]) -> int:
        """Those of requests that are under way, see :attr:`under_way`."""
        self._call(f"connections {' '.join(node.name for node in nodes)}")
        return sum(1 for node in nodes if self.under_way.get(node.name, 0.0) > self.clock.now())

    def foreign_names(self, names: Iterable[str]) -> dict[str, str]:
        return {name: self.foreign[name] for name in names if name in self.foreign}

    def mounted_below(self, folder: str) -> set[str]:
        self._refuse("mounted")
        with self._lock:
            found = {path for item in self._nodes.values() for path in item.mounts.sources}
        return {path for path in found if path.startswith(f"{folder}/")}

    def removed_below(self, folder: str) -> set[str]:
        self._refuse("mounted")
        with self._lock:
            found = {path for item in self._nodes.values() for path in item.mounts.removed()}
        return {path for path in found if path.startswith(f"{folder}/")}

    def image(self, reference: str) -> Image | None:
        self._refuse(f"image {reference}")
        return self.images.get(reference)

    def start(self, name: str, build: TierBuild) -> None:
        self._call(f"start {name}")
        self.clock.sleep(self.delays.start)
        image = self._image(build.image)
        # A container has its image's labels too.
        own = {**image.labels, **build.options.labels}
        found = self._made(name, own, managed=True, image_id=image.id, revision=build.revision)
        found.mounts = Mounts(build.options.mounts)
        self._began(found)

    def release(self, name: str, build: TierBuild) -> tuple[int | None, str]:
        self._call(f"release {name}")
        return self.release_code, "done"

    def stop(self, node: str, seconds: int, signal: str = "") -> int | None:
        found = self._nodes.get(node)
        if found is None:
            return None
        self._call(f"stop {found.node.name} {seconds} {signal}".strip())
        if found.node.state == ENDED:
            return 0
        killed = seconds < self.delays.drain
        found.draining = True
        found.health.set(self.clock.now(), HTTPStatus.SERVICE_UNAVAILABLE)
        self.clock.sleep(min(self.delays.drain, float(seconds)))
        self._ended(found)
        return KILLED if killed else 0

    def start_again(self, node: str) -> None:
        found = self._there(node, "start")
        self._call(f"start again {found.node.name}")
        self.clock.sleep(self.delays.start)
        if not found.node.running:
            self._began(found)

    def remove(self, node: str) -> None:
        found = self._nodes.get(node)
        if found is not None:
            self._call(f"remove {found.node.name}")
            if found.node.state != ENDED:
                self._ended(found)
            with self._lock:
                self._past.append(self._nodes.pop(node))

    def logs(self, node: str) -> str:
        return f"log of {node}"

    def evidence(self, node: str) -> Evidence:
        seen = [item.node for item in self.everything() if item.node.id == node]
        return self.seen.get(seen[0].name, Evidence(ended=seen[0].state == ENDED)) if seen else Evidence()

    def health(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        self._refuse(f"health {url}")
        parts = urlsplit(url)
        found = self.at_address(parts.hostname or "")
        if found and parts.path == DRAINING_PATH:
            return HTTPStatus.OK if found.draining else HTTPStatus.NOT_FOUND
        return found.health.value(self.clock.now()) if found else 0

    # -- Faults ----------------------------------------------------------------------

    def kill(self, node: str) -> None:
        found = self._there(node, "kill")
        self._call(f"kill {found.node.name}")
        self._ended(found)

    def freeze(self, node: str) -> None:
        found = self._there(node, "freeze")
        self._call(f"freeze {found.node.name}")
        found.health.set(self.clock.now(), 0)
        self._become(found, BROKEN, FROZEN)

    def thaw(self, node: str) -> None:
        found = self._nodes.get(node)
        if found is not None and found.node.detail == FROZEN:
            self._call(f"thaw {found.node.name}")
            found.health.set(self.clock.now(), HTTPStatus.OK)
            self._become(found, RUNNING, "running")

    def run_guest(self, image: str, run: str) -> str:
        self._call(f"guest of {image}")
        found = self._image(image)
        self.clock.sleep(self.delays.start)
        with self._lock:
            taken = {item.node.name for item in self._nodes.values()}
        name = next(name for name in GUEST_NAMES if name not in taken)
        made = self._made(name, {**found.labels, labels.DRILL: run}, managed=False, image_id=found.id)
        self._began(made)
        return made.node.id

    def of_drills(self) -> list[str]:
        with self._lock:
            made = {key: item.labels for key, item in self._nodes.items() if labels.DRILL in item.labels}
        serving = (labels.NODE, "true")
        own = {key for key, found in made.items() if (found.get(labels.ROLE), found.get(labels.MANAGED)) != serving}
        return sorted(own)

    def bare_image(self, image: str, name: str) -> str:
        self._call(f"bare {image} as {name}")
        self._image(image)
        marks = {labels.CLUSTER: self.cluster, labels.ROLE: labels.NONE, labels.DRILL: "control"}
        made = Image(f"id of {name}:latest", marks, f"content of {image}")
        self.images[f"{name}:latest"] = made
        return made.id

    def remove_image(self, reference: str) -> None:
        self.calls.append(f"remove image {reference}")
        self.images.pop(reference, None)

    # -- inside ----------------------------------------------------------------------

    def _refuse(self, call: str) -> None:
        if self.fails(call):
            raise EngineError(Problem(call, "'no'", "success", "see dockerd's log"))

    def _call(self, call: str) -> None:
        """Note a call, or refuse it before anything has been done."""
        with self._lock:
            self.calls.append(call)
        self._refuse(call)

    def _image(self, reference: str) -> Image:
        found = self.images.get(reference)
        if found is None:
            raise EngineError(Problem(f"image {reference}", "'no such image'", "it there", "see who removed it"))
        return found

    def _there(self, node: str, what: str) -> FakeNode:
        found = self._nodes.get(node)
        if found is None:
            gone = Problem(f"{what} of {node[:12]}", "'no such container'", "it there", "see who removed it")
            raise EngineError(gone)
        return found

    def _made(
        self, name: str, node_labels: Mapping[str, str], *, managed: bool, image_id: str, revision: str = ""
    ) -> FakeNode:
        with self._lock:
            if any(item.node.name == name for item in self._nodes.values()) or name in self.foreign:
                raise EngineError(Problem(f"node {name}", "'the name is in use'", "success", "see dockerd's log"))
            number = next(self._numbers)
            used = {item.node.address for item in self._nodes.values() if _has_address(item.node)}
            # The lowest free one, so that the addresses of nodes that have ended are soon another one's.
            address = next(f"10.9.0.{place}" for place in itertools.count(2) if f"10.9.0.{place}" not in used)
            tier = node_labels.get(labels.TIER, "")
            port = self._ports.get(tier, 80)
            service = node_labels.get(labels.SERVICE, "")
            node = Node(
                id=f"{number:04d}-{name}",
                name=name,
                tier=tier,
                managed=managed,
                state=RUNNING,
                detail="running",
                revision=revision,
                image_id=image_id,
                service=node_labels.get(labels.SERVICE, ""),
                address=address,
                served_by=name if managed else f"{number:012x}",
                url=f"http://{name if managed else address}:{port}",
                made_as=name if managed else "",
                leaves=leaving_of(node_labels, service),
                probe=health_check_of(node_labels, service),
            )
            self._nodes[node.id] = FakeNode(node, node_labels)
            return self._nodes[node.id]

    def _began(self, found: FakeNode) -> None:
        now = self.clock.now()
        found.draining = False
        found.mounts.begin()
        found.present.set(now, 1)
        found.health.set(now, 0)
        found.health.then(now + self.delays.ready, HTTPStatus.OK)
        self._become(found, RUNNING, "running")

    def _ended(self, found: FakeNode) -> None:
        now = self.clock.now()
        found.present.set(now, 0)
        found.health.set(now, 0)
        found.counters = Counters()
        found.mounts.end()
        self._become(found, ENDED, "exited")

    def _become(self, found: FakeNode, state: str, detail: str) -> None:
        with self._lock:
            found.node = dataclasses.replace(found.node, state=state, detail=detail)


def _has_address(node: Node) -> bool:
    return node.running or node.detail == FROZEN
