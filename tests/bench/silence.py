"""What makes a balancer's API silent or its docker provider deaf while it goes on to serve. Needs root and Linux."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench import runs
from tests.bench.common import BenchError
from tests.bench.examples import docker

API_PORT = "9000"
DOCKER = Path("/run/docker.sock")
# Another name of Docker's socket, for all but the balancer.
ASIDE = DOCKER.with_name("evenkeel-bench.sock")
_PIDFD_GETFD = 438


def process_of(role: str) -> int:
    """The first process of the cluster's container of this role.

    Raises:
        BenchError: there is none.
    """
    names = docker("ps", "--quiet", "--filter", f"label=evenkeel.role={role}").split()
    if not names:
        raise BenchError(f"{role}: got no container that runs, want one (fix: make up)")
    return int(docker("inspect", "--format", "{{.State.Pid}}", names[0]))


@contextlib.contextmanager
def api_silent() -> Iterator[None]:
    """Meanwhile, no packet reaches the balancer's API; what it serves is on another port."""
    edge = str(process_of("edge"))
    rule = ["INPUT", "-p", "tcp", "--dport", API_PORT, "-j", "DROP"]

    def change(what: str) -> None:
        subprocess.run(["nsenter", "-t", edge, "-n", "iptables", what, *rule], check=True, capture_output=True)

    change("-I")
    try:
        yield
    finally:
        change("-D")


@contextlib.contextmanager
def provider_frozen() -> Iterator[None]:
    """Meanwhile, the balancer reaches a Docker that never answers; all others reach the real one by another name."""
    balancer = process_of("balancer")
    silent = DOCKER.with_name("evenkeel-silent.sock")
    silent.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(silent))
        deaf.listen(64)
        silent.replace(DOCKER)
        try:
            for process in runs.descendants(balancer):
                _cut(process)
            yield
        finally:
            again = ASIDE.with_suffix(".again")
            os.link(ASIDE, again)
            again.replace(DOCKER)


@contextlib.contextmanager
def docker_aside() -> Iterator[None]:
    """Meanwhile, this process and all that it starts reach Docker by another name of its socket."""
    ASIDE.unlink(missing_ok=True)
    os.link(DOCKER, ASIDE)
    former = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = f"unix://{ASIDE}"
    try:
        yield
    finally:
        os.environ.pop("DOCKER_HOST")
        if former is not None:
            os.environ["DOCKER_HOST"] = former
        ASIDE.unlink()


def _cut(process: int) -> None:
    """End the connections that a process has to Docker."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(process)
    try:
        for entry in Path(f"/proc/{process}/fd").iterdir():
            copy = libc.syscall(_PIDFD_GETFD, handle, int(entry.name), 0)
            if copy >= 0:
                _cut_one(copy)
    finally:
        os.close(handle)


def _cut_one(copy: int) -> None:
    """End the connection if it leads to Docker; the copy of the file descriptor is closed."""
    if not os.readlink(f"/proc/self/fd/{copy}").startswith("socket:"):
        os.close(copy)
        return
    with socket.socket(fileno=copy) as found, contextlib.suppress(OSError):
        if found.family == socket.AF_UNIX and str(found.getpeername()).endswith(DOCKER.name):
            found.shutdown(socket.SHUT_RDWR)
