"""hold as it runs in a container: the first process of a process namespace, in a network of its own."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).parents[2] / "files" / "hold"
APP = Path(__file__).with_name("app.py")
# Where the node is asked, and where its clients come from: all of this network is local here.
NODE = "10.9.0.1"
CLIENT = "10.9.0.2"
PORT = 8080
LISTEN = 9180
PATIENCE = 10.0

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _IFF_UP = 0x8913, 0x8914, 0x8916, 1
_libc = ctypes.CDLL(None, use_errno=True)


def _call(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(NODE))
        fcntl.ioctl(any_socket, _SIOCSIFADDR, address)
        for name in (b"lo", b"lo:1"):
            request = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh14x", name, 0))
            flags = struct.unpack("16sh14x", request)[1]
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | _IFF_UP))


@pytest.fixture(scope="session", autouse=True)
def network() -> Iterator[None]:
    """A network with nothing but the tests; without root, as root of a user namespace."""
    with open("/proc/self/ns/net") as before:
        if os.getuid() == 0:
            _call(_libc.unshare(_CLONE_NEWNET))
        else:
            user, group = os.getuid(), os.getgid()
            _call(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _bring_up_loopback()
        yield
        # Of a user namespace there is no way back.
        _libc.setns(before.fileno(), _CLONE_NEWNET)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with hold and its sanitized twin."""
    folder = tmp_path_factory.mktemp("hold")
    for program in ("musl-gcc", "gcc"):
        assert shutil.which(program), (
            f"{program}: got none, want one (fix: sudo apt-get install gcc libc6-dev musl-tools)"
        )
    subprocess.run(
        ["make", "--silent", "--directory", str(SOURCES), f"BUILD={folder}", "all", "sanitized"],
        check=True,
        timeout=120,
    )
    return folder


@pytest.fixture(scope="session")
def program(programs: Path) -> Path:
    """The program as it goes into images."""
    return programs / "hold"


def await_true(what: Callable[[], bool], seconds: float = PATIENCE, why: str = "") -> float:
    """Wait until it is so, and tell how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, why or "it did not become true in time"
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass
class Reply:
    """What an HTTP request got."""

    status: int
    body: bytes
    headers: dict[str, str]


def get(path: str, address: str = NODE, port: int = LISTEN, method: str = "GET", source: str = CLIENT) -> Reply:
    """One request on a connection of its own; status 0 without an answer."""
    came_from = None if address.startswith("127.") or ":" in address else (source, 0)
    connection = http.client.HTTPConnection(address, port, timeout=2, source_address=came_from)
    try:
        connection.request(method, path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
    except (OSError, http.client.HTTPException):
        return Reply(0, b"", {})
    finally:
        connection.close()


@dataclass
class Running:
    """A hold that was started, with its app."""

    process: subprocess.Popen[bytes]
    first_process: bool
    said: bytes = b""
    log: bytes = b""

    @property
    def pid(self) -> int:
        """Hold itself, as seen from here."""
        return self.process.pid if not self.first_process else children(self.process.pid)[0]

    def ready(self, address: str = NODE) -> int:
        """The status of /ready."""
        return get("/ready", address).status

    def stats(self) -> dict[str, Any]:
        """What /stats says."""
        found = json.loads(get("/stats").body)
        assert isinstance(found, dict)
        return found

    def await_ready(self) -> None:
        """Wait until the node may be sent requests."""
        await_true(lambda: self.ready() == 200, why="the node did not become ready")

    def signal(self, number: int) -> None:
        """Send a signal as `docker kill` does."""
        os.kill(self.pid, number)

    def end(self, seconds: float = PATIENCE) -> int:
        """The exit code, after it has ended by itself."""
        out, log = self.process.communicate(timeout=seconds)
        self.said += out
        self.log += log
        return self.process.returncode

    def heard(self, text: str) -> bool:
        """Whether the app has printed it until now."""
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], 0)[0]:
            got = os.read(self.process.stdout.fileno(), 4096)
            if not got:
                break
            self.said += got
        return text.encode() in self.said


def children(pid: int) -> list[int]:
    """Children of a process, zombies included."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


Start = Callable[..., Running]


@contextlib.contextmanager
def starts(program: Path) -> Iterator[Start]:
    """Starts hold, by default with the app beside this file, and sees to its end."""
    running: list[Running] = []

    def started(
        *options: str,
        command: tuple[str, ...] | None = None,
        environment: dict[str, str] | None = None,
        first_process: bool = True,
        app_address: str = "0.0.0.0",
    ) -> Running:
        app = command or (sys.executable, "-SE", str(APP), app_address, str(PORT))
        wrapper = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"] if first_process else []
        given = ["--interval-ms", "100", "--timeout-ms", "300", "--drain-seconds", "0.4", "--finish-seconds", "3"]
        process = subprocess.Popen(
            [*wrapper, str(program), "--port", str(PORT), *given, *options, "--", *app],
            env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        running.append(Running(process, first_process))
        if first_process:
            await_true(lambda: process.poll() is not None or bool(children(process.pid)))
        return running[-1]

    yield started
    for one in running:
        if one.process.poll() is None:
            for child in children(one.process.pid):
                os.kill(child, 9)
            one.process.kill()
        one.process.communicate()


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    """Starts hold as it goes into images."""
    with starts(program) as started:
        yield started
