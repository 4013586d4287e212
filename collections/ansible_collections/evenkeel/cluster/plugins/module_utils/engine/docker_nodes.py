# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: the pool's containers, read and changed through the Docker Engine API."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Literal

try:
    import docker
    import docker.errors
    import docker.types
    import requests.exceptions

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # told by the module as one line
    IMPORT_ERROR = error

from ..cluster.node import Node, NodeOptions
from ..cluster.spec import Tier
from ..traefik.labels import server_url_labels
from .docker_client import _API_TIMEOUT_SECONDS, _LOG_LINES, DockerPoolError, docker_errors, explain_connection_error


class DockerPool:
    """All nodes of one cluster on one Docker Engine.

    Threads may share an instance: each gets an HTTP connection of its own.
    """

    def __init__(self, cluster: str, network: str, ports: Mapping[str, int]) -> None:
        """Nothing is sent yet.

        Args:
            cluster: value of the label ``evenkeel.cluster``.
            network: the managed nodes' network.
            ports: tier to the port its nodes listen on, to find a guest's URL.
        """
        self._cluster = cluster
        self._network = network
        self._ports = dict(ports)
        self._local = threading.local()
        self._version = "auto"

    def connect(self) -> str:
        """Check that Docker answers.

        Returns:
            The engine's version.

        Raises:
            DockerPoolError: no permission on the socket, or no daemon.
        """
        try:
            version = self._api.version()
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise DockerPoolError(explain_connection_error(error)) from error
        self._version = str(version["ApiVersion"])
        return str(version["Version"])

    @property
    def _api(self) -> Any:
        api = getattr(self._local, "api", None)
        if api is None:
            base_url = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
            api = docker.APIClient(base_url=base_url, version=self._version, timeout=_API_TIMEOUT_SECONDS)
            self._local.api = api
        return api

    def nodes(self) -> list[Node]:
        """All containers that bear the cluster's node labels, in whatever state."""
        labels = [f"evenkeel.cluster={self._cluster}", "evenkeel.role=node"]
        with docker_errors("list of containers"):
            return [self._node(item) for item in self._api.containers(all=True, filters={"label": labels})]

    def _node(self, item: Mapping[str, Any]) -> Node:
        labels = item["Labels"]
        tier = labels.get("evenkeel.tier", "")
        name = item["Names"][0].lstrip("/") if item.get("Names") else item["Id"][:12]
        managed = labels.get("evenkeel.managed") == "true"
        networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
        own = networks.get(self._network, {}).get("IPAddress")
        address = own or next((net["IPAddress"] for net in networks.values() if net.get("IPAddress")), "")
        service = labels.get("evenkeel.service", "")
        url = labels.get(f"traefik.http.services.{service}.loadbalancer.server.url", "")
        if not url and address and tier in self._ports:
            url = f"http://{address}:{self._ports[tier]}"
        return Node(
            id=item["Id"],
            name=name,
            tier=tier,
            managed=managed,
            state=item["State"],
            revision=labels.get("evenkeel.revision", "") if managed else "",
            image_id=item["ImageID"],
            service=service,
            address=address,
            served_by=name if managed else self._hostname(item["Id"]),
            url=url,
        )

    def _hostname(self, container: str) -> str:
        with contextlib.suppress(docker.errors.NotFound):
            return str(self._api.inspect_container(container)["Config"]["Hostname"])
        return ""

    def foreign_names(self, names: Iterable[str]) -> dict[str, str]:
        """Which of the names belong to containers that are not this cluster's nodes: name -> image."""
        wanted = set(names)
        with docker_errors("list of containers"):
            every = self._api.containers(all=True)
        owners: dict[str, str] = {}
        for item in every:
            labels = item["Labels"] or {}
            ours = labels.get("evenkeel.cluster") == self._cluster and labels.get("evenkeel.role") == "node"
            for name in () if ours else (entry.lstrip("/") for entry in item.get("Names") or ()):
                if name in wanted:
                    owners[name] = item["Image"]
        return owners

    def image(self, reference: str) -> tuple[str, dict[str, str]] | None:
        """The image's ID and labels, or ``None`` when it is not on this host."""
        try:
            with docker_errors(f"image {reference}"):
                info = self._api.inspect_image(reference)
        except docker.errors.NotFound:
            return None
        return str(info["Id"]), dict((info.get("Config") or {}).get("Labels") or {})

    def start(self, name: str, tier: Tier, image: str, revision: str, options: NodeOptions) -> None:
        """Create and start one managed node.

        Raises:
            DockerPoolError: Docker refuses; nothing half-made is left.
        """
        api = self._api
        # The name, not the address, identifies the node to the balancer: sticky sessions and the access log
        # survive a restart, and a recycled address inherits nobody's sessions.
        urls = server_url_labels(tier.service, f"http://{name}:{tier.port}")
        labels = {**options.labels, **urls, "evenkeel.revision": revision}
        with docker_errors(f"node {name}"):
            host_config = api.create_host_config(
                network_mode=options.network,
                read_only=True,
                tmpfs=options.tmpfs,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mem_limit=options.memory,
                nano_cpus=options.nano_cpus or None,
                pids_limit=options.pids or None,
                restart_policy={"Name": "unless-stopped"},
                mounts=[_mount(item) for item in options.mounts],
            )
            created = api.create_container(
                image,
                name=name,
                hostname=name,
                labels=labels,
                environment=options.environment,
                stop_timeout=options.stop_timeout,
                host_config=host_config,
            )
            try:
                api.start(created["Id"])
            except docker.errors.APIError:
                api.remove_container(created["Id"], force=True, v=True)
                raise

    def stop(self, container: str, timeout: int) -> int | None:
        """SIGTERM, wait for the lame duck, SIGKILL after ``timeout`` seconds.

        Returns:
            The exit code, ``None`` when the container vanished meanwhile.
        """
        try:
            with docker_errors(f"stop of {container[:12]}"):
                self._api.stop(container, timeout=timeout)
                return int(self._api.inspect_container(container)["State"]["ExitCode"])
        except docker.errors.NotFound:
            return None

    def start_again(self, container: str) -> None:
        """Start a container that has ended; its restart policy counts again.

        Raises:
            DockerPoolError: it is gone, or Docker refuses.
        """
        try:
            with docker_errors(f"start of {container[:12]}"):
                self._api.start(container)
        except docker.errors.NotFound as error:
            raise DockerPoolError(
                f"start of {container[:12]}: got no such container, want it there (fix: see who removed it)"
            ) from error

    def remove(self, container: str) -> None:
        """Remove the container whatever its state; one that is gone already is no error."""
        try:
            with docker_errors(f"removal of {container[:12]}"):
                self._api.remove_container(container, force=True, v=True)
        except docker.errors.NotFound:
            return
        except DockerPoolError as error:
            if "already in progress" not in str(error):
                raise

    def logs(self, container: str) -> str:
        """The container's last log lines, joined to one."""
        with contextlib.suppress(docker.errors.DockerException):
            text = self._api.logs(container, tail=_LOG_LINES).decode(errors="replace")
            return " | ".join(line.strip() for line in text.splitlines() if line.strip())
        return ""


def _mount(item: Mapping[str, Any]) -> Any:
    kind: Literal["bind", "volume"] = "bind" if item["source"].startswith("/") else "volume"
    return docker.types.Mount(item["target"], item["source"], type=kind, read_only=item["read_only"])
