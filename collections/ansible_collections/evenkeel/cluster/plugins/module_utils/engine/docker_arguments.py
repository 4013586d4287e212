# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A container's specification as the arguments of the Docker SDK."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ..cluster.labels import CLUSTER
from .container_spec import ContainerSpec


def sdk(name: str) -> Any:
    """A part of the Docker SDK, loaded when it is needed."""
    return importlib.import_module(name)


def container_arguments(api: Any, spec: ContainerSpec) -> dict[str, Any]:
    """The arguments of the SDK's ``create_container``.

    Args:
        api: the SDK's client, which knows how a host configuration looks in its version of the API.
        spec: the container.
    """
    host_config = api.create_host_config(
        network_mode=spec.network,
        read_only=spec.read_only,
        cap_drop=list(spec.cap_drop),
        cap_add=list(spec.cap_add) or None,
        security_opt=list(spec.security_opt),
        restart_policy={"Name": spec.restart},
        mem_limit=spec.memory or None,
        nano_cpus=spec.nano_cpus or None,
        pids_limit=spec.pids or None,
        tmpfs=dict(spec.tmpfs) or None,
        mounts=[_mount(item, spec.labels.get(CLUSTER, "")) for item in spec.mounts] or None,
        binds=list(spec.binds) or None,
        port_bindings=dict(spec.ports) or None,
        sysctls=dict(spec.sysctls) or None,
        group_add=list(spec.groups) or None,
        init=spec.init or None,
        extra_hosts=dict(spec.extra_hosts) or None,
        dns=list(spec.dns) or None,
        ulimits=[_limit(name, *limits) for name, limits in spec.ulimits.items()] or None,
        shm_size=spec.shm_size or None,
        devices=list(spec.devices) or None,
        device_requests=[_device_request(item) for item in spec.gpus] or None,
        runtime=spec.runtime or None,
        mem_reservation=spec.memory_reservation or None,
        cpu_shares=spec.cpu_shares or None,
        log_config=log_config(spec.log_size, spec.log_files),
    )
    arguments = {
        "image": spec.image,
        "name": spec.name,
        "labels": dict(spec.labels),
        "environment": dict(spec.environment) or None,
        "hostname": spec.hostname or None,
        "user": spec.user or None,
        "entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "command": None if spec.command is None else list(spec.command),
        # The SDK takes "8000/tcp" for a port of that name, and adds another /tcp.
        "ports": [tuple(port.split("/")) for port in spec.ports] or None,
        "working_dir": spec.working_dir or None,
        "platform": spec.platform or None,
        "healthcheck": None if spec.healthcheck else {"test": ["NONE"]},
        "stop_signal": spec.stop_signal or None,
        "stop_timeout": spec.stop_timeout or None,
    }
    return {**{name: value for name, value in arguments.items() if value is not None}, "host_config": host_config}


def log_config(size: int, files: int) -> Any:
    """Docker's own log files of a container, limited; None for what the engine does by default.

    Args:
        size: bytes per file; 0 for the engine's default.
        files: how many are kept.
    """
    if not size:
        return None
    return sdk("docker.types").LogConfig(type="json-file", config={"max-size": str(size), "max-file": str(files)})


def _limit(name: str, soft: int, hard: int) -> Any:
    return sdk("docker.types").Ulimit(name=name, soft=soft, hard=hard)


def _device_request(item: Mapping[str, Any]) -> Any:
    # Docker takes a list of alternatives, each of which is a list of capabilities.
    return sdk("docker.types").DeviceRequest(
        driver=item["driver"],
        count=item["count"],
        device_ids=list(item["device_ids"]),
        capabilities=[list(item["capabilities"])],
        options=dict(item["options"]),
    )


def _mount(item: Mapping[str, Any], cluster: str) -> Any:
    kind = "bind" if item["source"].startswith("/") else "volume"
    # Docker gives them to a volume that it makes for this container, and changes none that is there.
    found = {CLUSTER: cluster} if kind == "volume" and cluster else None
    mount = sdk("docker.types").Mount(
        item["target"], item["source"], type=kind, read_only=item["read_only"], labels=found
    )
    if not item.get("recursive", True):
        mount["BindOptions"] = {"NonRecursive": True}
    return mount
