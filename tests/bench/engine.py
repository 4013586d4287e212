"""Containers of the benchmarks, through the Docker Engine API: what the peers start, and what the pool has."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import docker
import docker.errors
import requests
from tests.bench.common import DASHBOARD, STATE, BenchError, play

CLUSTER = "evenkeel"
# Every container that a benchmark starts has this label.
BENCH_LABEL = "evenkeel.bench"
# More threads are no faster on one engine.
WORKERS = 8
PORTS = {"static": 8080, "dynamic": 3000}

_API_TIMEOUT_SECONDS = 120
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.05

_local = threading.local()
_T = TypeVar("_T")


def api() -> Any:
    """This thread's connection to the engine (low level: no inspection after each call)."""
    client = getattr(_local, "client", None)
    if client is None:
        client = docker.from_env(version="auto", timeout=_API_TIMEOUT_SECONDS).api
        _local.client = client
    return client


@dataclasses.dataclass(frozen=True)
class Template:
    """What a managed node is made with; the peers' containers are made with the same.

    ``host_config`` is the engine's own record of the node's options.
    """

    image: str
    environment: list[str]
    host_config: dict[str, Any]
    stop_timeout: int
    network: str
    port: int


@dataclasses.dataclass(frozen=True)
class Container:
    """A running container and how to reach it directly."""

    id: str
    name: str
    address: str
    labels: dict[str, str]

    @property
    def tier(self) -> str:
        """The tier of a node."""
        return self.labels.get("evenkeel.tier", "")

    @property
    def service(self) -> str:
        """The balancer's service of a node."""
        return self.labels.get("evenkeel.service", "")

    @property
    def url(self) -> str:
        """The address by which the balancer knows a managed node."""
        return self.labels.get(f"traefik.http.services.{self.service}.loadbalancer.server.url", "")


def containers(*labels: str, network: str = CLUSTER, everything: bool = False) -> list[Container]:
    """The containers with all these labels, by name; only those that run unless *everything* is asked for."""
    found = []
    for item in api().containers(all=everything, filters={"label": list(labels)}):
        networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
        address = networks.get(network, {}).get("IPAddress", "")
        found.append(Container(item["Id"], item["Names"][0].lstrip("/"), address, item["Labels"]))
    return sorted(found, key=lambda container: container.name)


def nodes(tier: str) -> list[Container]:
    """The running managed nodes of a tier."""
    return containers(f"evenkeel.cluster={CLUSTER}", "evenkeel.managed=true", f"evenkeel.tier={tier}")


def started(found: Iterable[Container]) -> dict[str, str]:
    """Name to the moment the container was started: changes when it is recreated or restarted."""
    return {item.name: api().inspect_container(item.id)["State"]["StartedAt"] for item in found}


def template(tier: str) -> Template:
    """What the nodes of a tier are made with, read from one that runs.

    Raises:
        BenchError: the tier has no node.
    """
    found = nodes(tier)
    if not found:
        raise BenchError(f"tier {tier}: got no node, want at least one (fix: make up)")
    info = api().inspect_container(found[0].id)
    return Template(
        image=info["Config"]["Image"],
        environment=info["Config"]["Env"],
        host_config=info["HostConfig"],
        stop_timeout=info["Config"]["StopTimeout"],
        network=info["HostConfig"]["NetworkMode"],
        port=PORTS[tier],
    )


def peer_labels(peer: str) -> dict[str, str]:
    """Labels of a peer's container; they also take it out of the cluster, whose labels its image has."""
    return {BENCH_LABEL: peer, "evenkeel.cluster": "none", "evenkeel.role": "bench", "traefik.enable": "false"}


def create_and_start(made: Template, name: str, labels: dict[str, str], stop_signal: str = "SIGTERM") -> None:
    """Two calls of the Engine API, with the options of a managed node."""
    config = {
        "Image": made.image,
        "Hostname": name,
        "Env": made.environment,
        "Labels": labels,
        "StopSignal": stop_signal,
        "StopTimeout": made.stop_timeout,
        "HostConfig": made.host_config,
    }
    connection = api()
    created = connection.create_container_from_config(config, name)
    connection.start(created["Id"])


def in_parallel(work: Callable[[_T], None], items: Iterable[_T], workers: int = WORKERS) -> None:
    """Do the work for all items; raises the first error."""
    with ThreadPoolExecutor(workers) as threads:
        for _ in threads.map(work, items):
            pass


def remove(container: Container) -> None:
    """Remove at once (SIGKILL); one that is gone already is no error."""
    try:
        api().remove_container(container.id, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise


def remove_all(*labels: str) -> None:
    """Remove all containers with these labels, in parallel."""
    in_parallel(remove, containers(*labels, everything=True))


def answers(container: Container, port: int, path: str = "/healthz") -> bool:
    """Whether the container answers 200 directly, without the balancer."""
    try:
        url = f"http://{container.address}:{port}{path}"
        return bool(container.address) and requests.get(url, timeout=2).status_code == requests.codes.ok
    except requests.RequestException:
        return False


def await_serving(labels: Sequence[str], count: int, port: int) -> None:
    """Wait until *count* containers with these labels answer their health check.

    Raises:
        BenchError: not within two minutes.
    """
    deadline = time.monotonic() + _READY_SECONDS
    serving: set[str] = set()
    with ThreadPoolExecutor(WORKERS) as threads:
        while len(serving) < count:
            if time.monotonic() > deadline:
                raise BenchError(
                    f"{labels[0]}: got {len(serving)} containers that serve, want {count} (fix: docker logs)"
                )
            waiting = [item for item in containers(*labels) if item.id not in serving]
            found = threads.map(lambda item: answers(item, port), waiting)
            serving |= {item.id for item, serves in zip(waiting, found, strict=True) if serves}
            if len(serving) < count:
                time.sleep(_POLL_SECONDS)


def balancer_status(service: str) -> dict[str, str]:
    """Server URL to UP or DOWN, as the balancer has it; empty when it does not know the service.

    Raises:
        BenchError: the balancer does not answer.
    """
    file = STATE / "secrets/dashboard_password"
    try:
        password = file.read_text(encoding="utf-8").strip()
        url = f"{DASHBOARD}/api/http/services/{service}@docker"
        answer = requests.get(url, auth=("admin", password), timeout=5)
    except (OSError, requests.RequestException) as error:
        raise BenchError(f"balancer: got {type(error).__name__}, want an answer (fix: make up)") from error
    found = answer.json().get("serverStatus") if answer.ok else None
    return found if isinstance(found, dict) else {}


class Restored:
    """Restores the tiers' numbers of nodes at the end, also after an error."""

    def __enter__(self) -> Restored:
        """Count.

        Raises:
            BenchError: Docker does not answer.
        """
        try:
            self.counts = {tier: len(nodes(tier)) for tier in PORTS}
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise BenchError("Docker: got no answer, want a running cluster (fix: make up)") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what the benchmarks started and scale back."""
        remove_all(BENCH_LABEL)
        play("playbooks/scale.yml", *(f"-e{tier}_nodes={count}" for tier, count in self.counts.items()))
