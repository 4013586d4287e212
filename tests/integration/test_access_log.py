"""The access log stays within its size on the disk, also in the middle of a measurement."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import docker
import requests

from .conftest import STATE, WEB, played, until

LIMIT = ("-e", "load_balancer_access_log_size=1m", "-e", "load_balancer_access_log_keep=3")


def files() -> dict[Path, int]:
    return {path: size(path) for path in (STATE / "log").glob("access.log*")}


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it has just been renamed
        return 0


def test_the_log_stays_within_its_size_while_requests_are_served(cluster: docker.DockerClient) -> None:
    try:
        played("site.yml", "--tags", "balancer", *LIMIT)
        before = {path: path.stat().st_ino for path in files()}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: requests.get(WEB, timeout=5).status_code, range(6000)))
        assert set(answers) == {200}
        until(lambda: sum(files().values()) < 1.2 * 1024**2, 10, "the log within its size")
        assert len(files()) > 1
        assert {path: path.stat().st_ino for path in files()} != before, "control: it was rotated meanwhile"
    finally:
        played("site.yml", "--tags", "balancer")
