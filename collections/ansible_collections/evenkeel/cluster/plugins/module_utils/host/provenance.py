# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The machine, the engine and the images that a cluster runs on."""

from __future__ import annotations

import platform
from pathlib import Path

from ..cluster.labels import CLUSTER
from ..core.results import ProvenanceResult
from ..engine.docker_facts import read_provenance
from .facts import parse_memory_total, parse_os_release, parse_processor, read_machine


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_provenance_of(cluster: str) -> ProvenanceResult:
    """Read the machine, and ask its engine for versions and for the images of a cluster.

    An engine that does not answer is part of the result.
    """
    machine = read_machine()
    release = parse_os_release(_text("/etc/os-release"))
    engine = read_provenance({CLUSTER: cluster})
    return {
        "machine": {
            "system": release.get("PRETTY_NAME", machine.os_id),
            "kernel": platform.release(),
            "architecture": machine.architecture,
            "processor": parse_processor(_text("/proc/cpuinfo")),
            "cpus": machine.cpus,
            "memory_bytes": parse_memory_total(_text("/proc/meminfo")),
            "python": platform.python_version(),
        },
        "docker": {"version": engine.version, "api_version": engine.api_version, "reason": engine.reason},
        "images": [
            {
                "role": image.role,
                "tier": image.tier,
                "id": image.id,
                "tags": list(image.tags),
                "digests": list(image.digests),
                "containers": list(image.containers),
            }
            for image in engine.images
        ],
    }
