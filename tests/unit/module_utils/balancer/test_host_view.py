"""What is read from the machine's processes: folders that were replaced, and ended proxies of Docker's."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.host_view import (
    born,
    ended_proxies,
    has_lost_log,
    is_blind,
    network_of,
)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Processes as Linux shows them: 7 sees the folder ``config`` as ``/etc/traefik``."""
    (tmp_path / "config").mkdir()
    (tmp_path / "proc/7/root/etc").mkdir(parents=True)
    (tmp_path / "proc/7/root/etc/traefik").symlink_to(tmp_path / "config")
    return tmp_path / "proc"


def mount(folder: Path, kind: str = "bind") -> dict[str, object]:
    return {"Type": kind, "Source": str(folder), "Destination": "/etc/traefik", "RW": False}


def test_a_process_with_the_hosts_own_folder_is_not_blind(proc: Path) -> None:
    assert not is_blind(7, [mount(proc.parent / "config")], proc)


def test_a_process_with_a_folder_that_was_made_again_is_blind(proc: Path) -> None:
    (proc.parent / "again").mkdir()
    assert is_blind(7, [mount(proc.parent / "again")], proc)
    assert is_blind(7, [mount(proc.parent / "gone")], proc)


def test_what_cannot_be_looked_into_is_not_called_blind(proc: Path) -> None:
    other = mount(proc.parent / "again")
    assert not is_blind(0, [other], proc)
    assert not is_blind(8, [other], proc)
    assert not is_blind(7, [mount(proc.parent / "again", "volume")], proc)


@pytest.fixture
def log(proc: Path) -> Path:
    """The access log that process 7 has open, and the log itself."""
    log = proc.parent / "log/access.log"
    log.parent.mkdir()
    log.write_text("line\n")
    return log


def opened(log: Path) -> int:
    return os.open(log, os.O_WRONLY | os.O_APPEND)


def test_a_log_that_is_emptied_in_place_is_not_lost(log: Path) -> None:
    descriptor = opened(log)
    log.with_name("access.log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
    assert not has_lost_log(os.getpid(), str(log), log)
    os.close(descriptor)
    assert not has_lost_log(os.getpid(), str(log), log)


def test_a_log_that_was_removed_made_again_or_moved_is_lost(log: Path) -> None:
    descriptor = opened(log)
    log.unlink()
    assert has_lost_log(os.getpid(), str(log), log)
    log.touch()
    assert has_lost_log(os.getpid(), str(log), log)
    os.close(descriptor)
    descriptor = opened(log)
    log.rename(log.with_name("access.log.1"))
    log.touch()
    assert has_lost_log(os.getpid(), str(log), log)
    os.close(descriptor)


def test_where_a_process_cannot_be_looked_into_a_log_is_lost_when_there_is_none(proc: Path, log: Path) -> None:
    assert not has_lost_log(7, str(log), log, proc)
    log.unlink()
    assert has_lost_log(7, str(log), log, proc)
    assert not has_lost_log(0, str(log), log, proc)
    assert not has_lost_log(7, str(log), proc.parent / "config" / ("x" * 300), proc)


def test_the_network_and_the_begin_of_a_process(proc: Path) -> None:
    (proc / "7/ns").mkdir()
    (proc / "7/ns/net").symlink_to("net:[4026531840]")
    (proc / "7/stat").write_text("7 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 100 200\n")
    assert network_of(7, proc) == "net:[4026531840]"
    assert born(7, proc) == 4711
    assert 0 < born(os.getpid()) >= born(os.getppid())
    assert network_of(os.getpid()) == os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("stat", [None, "", "8 (x) S 1", "8 (x) " + "- " * 30])
def test_what_cannot_be_told_of_a_process(proc: Path, stat: str | None) -> None:
    if stat is not None:
        (proc / "8").mkdir()
        (proc / "8/stat").write_text(stat)
    assert [(network_of(pid, proc), born(pid, proc)) for pid in (0, 8)] == [("", 0), ("", 0)]


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def proxy(proc: Path, pid: int, port: int) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    command = ["/usr/bin/docker-proxy", "-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", str(port), ""]
    (proc / str(pid) / "cmdline").write_bytes("\0".join(command).encode())


def test_a_port_whose_proxy_has_ended_is_found(proc: Path, port: int) -> None:
    proxy(proc, 8, port + 1)
    (proc / "7/cmdline").write_bytes(b"")
    assert ended_proxies([("", port)], proc) == [port]
    assert ended_proxies([("127.0.0.1", port)], proc) == [port]
    proxy(proc, 9, port)
    assert ended_proxies([("", port)], proc) == []


def test_without_any_proxy_nothing_is_known(proc: Path, port: int) -> None:
    assert ended_proxies([("", port)], proc) == []


def test_a_port_that_answers_needs_no_proxy(proc: Path, port: int) -> None:
    proxy(proc, 8, port)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert ended_proxies([("0.0.0.0", server.getsockname()[1])], proc) == []
