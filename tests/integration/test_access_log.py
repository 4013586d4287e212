"""The access log stays within its size on the disk, also in the middle of a measurement."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import docker
import requests

from .conftest import STATE, WEB, played

LIMIT = ("-e", "load_balancer_access_log_size=1m", "-e", "load_balancer_access_log_keep=3")


def files() -> dict[Path, int]:
    return {path: size(path) for path in (STATE / "log").glob("access.log*")}


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it has just been renamed
        return 0


def test_the_log_stays_within_its_size_and_the_drill_reads_all_of_it(cluster: docker.DockerClient) -> None:
    """A drill compares what its clients saw with the log: a lost line would fail it."""
    try:
        played("site.yml", "--tags", "balancer", *LIMIT)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: requests.get(WEB, timeout=5), range(3000)))
        assert len(files()) > 1
        before = {path: path.stat().st_ino for path in files()}
        played("playbooks/drill.yml", "-e", "drill_scenario=steady", "-e", "drill_control=false", *LIMIT)
        assert {path: path.stat().st_ino for path in files()} != before, "control: it was rotated meanwhile"
        assert sum(files().values()) < 1.2 * 1024**2
    finally:
        played("site.yml", "--tags", "balancer")
