# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a measurement depends on besides the cluster: the Docker host, the controller, and the version of Evenkeel."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from ..core.results import NoResult, ProvenanceResult

_GIT_SECONDS = 5.0


def controller(ansible_version: str) -> dict[str, str]:
    """The versions of the software that ran the measurement and writes the report."""
    return {
        "ansible_core": ansible_version,
        "community_docker": collection_version("community/docker"),
        "python": platform.python_version(),
        "matplotlib": package_version("matplotlib"),
        "system": f"{platform.system()} {platform.release()}",
    }


def package_version(name: str) -> str:
    """Version of a Python package; empty if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def collection_version(name: str) -> str:
    """Version of a collection in the package ansible; empty if it is not installed."""
    try:
        base = Path(str(metadata.distribution("ansible").locate_file("ansible_collections")))
        manifest = json.loads((base / name / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(manifest["collection_info"]["version"])
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError):
        return ""


def project(root: Path) -> dict[str, Any]:
    """Version of Evenkeel and, if the folder is a Git repository, its revision and whether files differ from it."""
    galaxy = root / "collections/ansible_collections/evenkeel/cluster/galaxy.yml"
    try:
        found = re.search(r"^version: *(\S+)", galaxy.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    revision = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no") if revision else None
    return {
        "version": found[1] if found else "",
        "revision": revision or "",
        "dirty": None if changes is None else bool(changes),
    }


def _git(root: Path, *arguments: str) -> str | None:
    """The output of Git; None if it failed."""
    # Do not take a repository in a parent folder for ours.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent), "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def provenance_of(host: ProvenanceResult | NoResult, root: Path, ansible_version: str) -> dict[str, Any]:
    """Everything that the measurement depends on."""
    return {
        "machine": dict(host["machine"]) if "machine" in host else {},
        "docker": dict(host["docker"]) if "docker" in host else {"reason": host.get("msg", "not asked")},
        "images": list(host["images"]) if "images" in host else [],
        "controller": controller(ansible_version),
        "evenkeel": project(root),
    }
