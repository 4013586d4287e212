"""A cluster without Docker: containers are entries of a list, and one HTTP server plays the balancer and all nodes.

Each node has a loopback address of its own, so the server knows by the Host header which node is asked.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node, NodeOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerPoolError
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DrillPool
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import PoolContext, tier_route
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.revision import TierBuild, node_options, revision
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import TraefikApi
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import (
    active_routes,
    pool_service,
    route_rule,
)

CLUSTER = "fake"
HOSTS = ["localhost"]
GONE_SECONDS = 0.15


@dataclasses.dataclass
class Counters:
    """What a node counts in one life."""

    requests: int = 0
    draining: bool = False
    keys: dict[str, int] = dataclasses.field(default_factory=dict)


class FakePool(DrillPool):
    """The containers, in memory."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(CLUSTER, CLUSTER, {})
        self.cluster = cluster
        self.containers: dict[str, Node] = {}
        self.counters: dict[str, Counters] = {}
        self.calls: list[str] = []
        self.images: dict[str, dict[str, str]] = {}
        self.drills: set[str] = set()
        self.lossless = True
        self.fails: Callable[[str], bool] = lambda call: False
        self._numbers = itertools.count(2)
        self._lock = threading.Lock()

    def connect(self) -> str:
        return "fake"

    def nodes(self) -> list[Node]:
        with self._lock:
            return list(self.containers.values())

    def _call(self, call: str) -> None:
        """Note a call, or refuse it before anything has been done."""
        self.calls.append(call)
        if self.fails(call):
            raise DockerPoolError(f"{call}: got 'no', want success (fix: see dockerd's log)")

    def _set(self, container: str, state: str) -> Node:
        with self._lock:
            node = dataclasses.replace(self.containers[container], state=state)
            self.containers[container] = node
            if state == "exited":
                self.counters[container] = Counters()
        return node

    def add(self, name: str, tier: Tier, **differs: Any) -> Node:
        number = next(self._numbers)
        node = Node(
            id=f"id-{number:04d}-{name}",
            name=name,
            tier=tier.name,
            managed=True,
            state="running",
            service=tier.service,
            address=f"127.0.0.{number}",
            served_by=name,
            url=f"http://{name}:{tier.port}",
        )
        node = dataclasses.replace(node, **differs)
        with self._lock:
            self.containers[node.id] = node
            self.counters[node.id] = Counters()
        return node

    def start(self, name: str, tier: Tier, image: str, revision: str, options: NodeOptions) -> None:
        self._call(f"start {name}")
        if "evenkeel.drill" in options.labels:
            self.drills.add(self.add(name, tier, revision=revision, image_id=f"id of {image}").id)
        else:
            self.add(name, tier, revision=revision, image_id=f"id of {image}")

    def stop(self, container: str, timeout: int) -> int | None:
        node = self.containers[container]
        self._call(f"stop {node.name} {timeout}")
        self.counters[container].draining = True
        time.sleep(GONE_SECONDS)
        self._set(container, "exited")
        if node.tier.startswith("naive-"):
            time.sleep(GONE_SECONDS)  # the balancer has not noticed yet
        return 0

    def remove(self, container: str) -> None:
        node = self.containers.get(container)
        if node is not None:
            self._call(f"remove {node.name}")
            with self._lock:
                del self.containers[container]
            self.drills.discard(container)

    def logs(self, container: str) -> str:
        return f"log of {container}"

    def image(self, reference: str) -> tuple[str, dict[str, str]] | None:
        found = self.images.get(reference)
        return None if found is None else (f"id of {reference}", found)

    def kill(self, container: str) -> None:
        self._call(f"kill {self.containers[container].name}")
        self._set(container, "exited")

    def freeze(self, container: str) -> None:
        self._call(f"freeze {self.containers[container].name}")
        self._set(container, "paused")

    def thaw(self, container: str) -> None:
        if self.containers[container].state == "paused":
            self._call(f"thaw {self.containers[container].name}")
            self._set(container, "running")

    def start_again(self, container: str) -> None:
        self._call(f"start again {self.containers[container].name}")
        self._set(container, "running")

    def run_guest(self, image: str, run: str) -> str:
        self._call(f"guest of {image}")
        tier = next(build.tier for build in self.cluster.builds.values() if build.image == image)
        node = self.add("brave_bell", tier, managed=False, served_by="0123456789ab", image_id=f"id of {image}")
        node = dataclasses.replace(node, url=f"http://{node.address}:{tier.port}")
        self.containers[node.id] = node
        self.drills.add(node.id)
        return node.id

    def of_drills(self) -> list[str]:
        return sorted(self.drills)

    def bare_image(self, image: str, name: str) -> str:
        self._call(f"bare {image} as {name}")
        self.images[f"{name}:latest"] = {}
        return f"id of {name}:latest"

    def remove_image(self, reference: str) -> None:
        self.calls.append(f"remove image {reference}")
        self.images.pop(reference, None)


class FakeBalancer(TraefikApi):
    """The balancer's API: it sees at once what the containers are."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__("http://127.0.0.1:9")
        self.cluster = cluster

    def version(self) -> str:
        return "fake"

    def server_status(self, service: str, provider: str = "docker") -> dict[str, str]:
        nodes = [node for node in self.cluster.pool.nodes() if node.service == service]
        listed = [node for node in nodes if node.state in {"running", "paused"}]
        return {node.url: "UP" if node.state == "running" else "DOWN" for node in listed}

    def server_up(self, service: str, provider: str = "docker") -> dict[str, bool]:
        return {url: state == "UP" for url, state in self.server_status(service, provider).items()}

    def router(self, name: str, provider: str = "file") -> dict[str, Any] | None:
        route = active_routes(self.cluster.routes.read_text()).get(name)
        if route is None:
            return None
        return {"service": f"{pool_service(route.service)}@file", "rule": route_rule(route, HOSTS)}


class FakeCluster:
    """Two tiers of two nodes: ``shop`` at / (sticky) and ``dates`` at /api/."""

    def __init__(self, folder: Path) -> None:
        self.pool = FakePool(self)
        self.routes = folder / "tiers.yml"
        self.log = folder / "access.log"
        self.log.touch()
        self.status: Callable[[web.Request], int] = lambda request: 200
        self.port = 0
        self._turn = itertools.count()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)
        self.builds = self._builds()
        for build in self.builds.values():
            self.pool.images[build.image] = {"evenkeel.tier": build.tier.name}
            for number in (1, 2):
                self.pool.add(
                    f"{build.tier.name}-{number}", build.tier, revision=build.revision, image_id=build.image_id
                )
        context = self.context()
        file = context.route_file()
        for build in self.builds.values():
            file.lead(build.tier.name, tier_route(build.tier))

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def _builds(self) -> dict[str, TierBuild]:
        shop = {"image": "res/shop", "context": "shop", "port": self.port, "path": "/", "nodes": 2, "sticky": True}
        dates = {"image": "res/dates", "port": self.port, "path": "/api/", "strip_path": True, "nodes": 2}
        spec, problems = parse_cluster(
            {
                "name": CLUSTER,
                "domain": "localhost",
                "hosts": HOSTS,
                "engine": "docker",
                "web_port": 8080,
                "dashboard_port": 9000,
                "portainer": False,
                "portainer_port": 9090,
                "image_source": "packages",
                "registry_prefix": "",
                "apt_mirror": "",
                "ca_bundle": "",
                "state_dir": "/var/lib/fake",
                "tiers": {"shop": shop, "dates": dates},
            }
        )
        assert spec is not None, problems
        builds = {}
        for tier in spec.tiers:
            image = f"{tier.image}:latest"
            options = node_options(tier, CLUSTER)
            builds[tier.name] = TierBuild(tier, image, f"id of {image}", revision(f"id of {image}", options), options)
        return builds

    def context(self) -> PoolContext:
        return PoolContext(
            cluster=CLUSTER,
            pool=self.pool,
            tiers={name: build.tier for name, build in self.builds.items()},
            builds=self.builds,
            missing_images={},
            hosts=HOSTS,
            routes_path=self.routes,
            routes_text=self.routes.read_text() if self.routes.exists() else "",
        )

    def declared(self) -> bool:
        """Whether the pool is as declared, and nothing of a drill is left."""
        nodes = self.pool.nodes()
        shown = sorted((node.tier, node.managed, node.state, node.revision) for node in nodes)
        wanted = sorted((name, True, "running", build.revision) for name, build in self.builds.items() for _ in (1, 2))
        return shown == wanted and not self.pool.drills and not any("drill" in name for name in self.pool.images)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # -- the server ---------------------------------------------------------------

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "0.0.0.0", 0).start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        direct = next((node for node in self.pool.nodes() if node.address == host), None)
        return self._internal(request, direct) if direct else await self._balanced(request)

    def _internal(self, request: web.Request, node: Node) -> web.Response:
        counters = self.pool.counters[node.id]
        if node.state != "running":
            return web.Response(status=503)
        if request.path == "/stats":
            return web.json_response(
                {"node": node.served_by, "requests": counters.requests, "draining": counters.draining}
            )
        if request.path == "/executions":
            keys = [{"key": key, "executions": 1, "replays": times - 1} for key, times in counters.keys.items()]
            return web.json_response({"forgotten": 0, "keys": keys})
        return web.Response(text="ok")

    async def _balanced(self, request: web.Request) -> web.Response:
        await request.read()
        path = request.path
        naive = path.startswith("/evenkeel-drill/")
        kind = path.split("/")[2] if naive else "dates" if path.startswith("/api/") else "shop"
        tier = f"naive-{kind}" if naive else kind
        members = [node for node in self.pool.nodes() if node.tier == tier]
        serving = [
            node for node in members if node.state == "running" and (naive or not self.pool.counters[node.id].draining)
        ]
        away = [node for node in members if node.state != "running"]
        if not serving or (naive and away):
            return self._logged(request, web.Response(status=502), "")
        held = request.cookies.get(f"on_{tier}")
        node = next((item for item in serving if item.name == held), None)
        fresh = node is None
        node = node or serving[next(self._turn) % len(serving)]
        counters = self.pool.counters[node.id]
        counters.requests += 1
        if request.method == "POST":
            key = request.headers["Idempotency-Key"]
            counters.keys[key] = counters.keys.get(key, 0) + 1
        answer = web.json_response({"node": node.served_by}, status=self.status(request))
        answer.headers["X-Served-By"] = node.served_by
        if kind == "shop" and fresh:
            answer.set_cookie(f"on_{tier}", node.name)
        return self._logged(request, answer, f"{node.name}:{self.port}")

    def _logged(self, request: web.Request, answer: web.Response, server: str) -> web.Response:
        line = {
            "request_X-Request-Id": request.headers.get("X-Request-Id", "-"),
            "DownstreamStatus": answer.status,
            "ServiceAddr": server,
        }
        with self.log.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        return answer
