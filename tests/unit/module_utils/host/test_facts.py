"""The facts of a machine: parsers as tables, the rest against real sockets, processes and folders."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.other_user import as_nobody, needs_root

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_proxies import parse_port_proxy
from ansible_collections.evenkeel.cluster.plugins.module_utils.host import facts as machine
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.facts import (
    PortProxy,
    parse_daemon_config,
    parse_listeners,
    parse_memory_available,
    parse_memory_total,
    parse_open_files,
    parse_os_release,
    parse_processor,
    read_disk,
    read_listeners,
    read_machine,
    read_port_proxies,
    sudo_without_password,
)

PROC_NET_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
"""
PROC_NET_TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 444 1 0 100 0 0
"""


def test_os_release() -> None:
    text = "# comment\nID=debian\nVERSION_ID=\"12\"\nNAME='Debian GNU/Linux'\n\nBROKEN\n"
    assert parse_os_release(text) == {"ID": "debian", "VERSION_ID": "12", "NAME": "Debian GNU/Linux"}


@pytest.mark.parametrize(
    "text, size",
    [("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", 2 * 1024**2), ("MemTotal: 9 kB\n", 0), ("", 0)],
)
def test_memory_available(text: str, size: int) -> None:
    assert parse_memory_available(text) == size


def test_memory_total() -> None:
    assert parse_memory_total("MemFree: 1 kB\nMemTotal:   2048 kB\n") == 2 * 1024**2


@pytest.mark.parametrize(
    "text, name",
    [("processor\t: 0\nmodel name\t: AMD  EPYC 7B13\n\nmodel name\t: other\n", "AMD EPYC 7B13"), ("", "")],
)
def test_processor(text: str, name: str) -> None:
    assert parse_processor(text) == name


@pytest.mark.parametrize(
    "text, ports, found",
    [
        (PROC_NET_TCP, [8080], {"111": 8080}),
        (PROC_NET_TCP, [8080, 9000], {"111": 8080, "222": 9000}),
        (PROC_NET_TCP, [50000, 80], {}),
        (PROC_NET_TCP6, [8080], {"444": 8080}),
        ("", [8080], {}),
        ("header\nshort line\n", [8080], {}),
    ],
)
def test_listeners_in_the_kernel_s_table(text: str, ports: list[int], found: dict[str, int]) -> None:
    assert parse_listeners(text, ports) == found


def test_this_machine() -> None:
    facts = read_machine()
    assert facts.architecture == os.uname().machine
    assert facts.python == sys.version_info[:2]
    assert facts.root is (os.geteuid() == 0)
    assert facts.cpus >= 1
    assert facts.memory_available > 0
    assert facts.docker_sdk
    assert facts.os_id


def test_user_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    monkeypatch.setenv("HOME", "/elsewhere")
    facts = read_machine()
    assert (facts.user, facts.home, facts.root) == ("4000000", "/elsewhere", False)


# --- listeners ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family, address",
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")],
)
def test_listening_process_is_named(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = read_listeners([port, 1])
    assert list(found) == [port]
    assert found[port].pid == os.getpid()
    assert "python" in found[port].command
    assert read_listeners([port]) == {}


def test_socket_that_is_bound_only_is_no_listener() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert read_listeners([bound.getsockname()[1]]) == {}


def test_command_of_a_listener_is_one_short_line() -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    words = [sys.executable, "-c", code, "a\nb\x1b[31m", "x" * 200]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        found = read_listeners([port])[port]
        process.communicate("\n", timeout=10)
    assert found.pid == process.pid
    assert found.command.isprintable()
    assert len(found.command) <= 80


@needs_root
def test_listener_of_another_user_has_no_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = as_nobody("host.facts", f"m.read_listeners([{port}])[{port}].pid")
    assert found == "0"


# --- docker-proxy ---------------------------------------------------------------------------------------------------

PROXY = "/usr/sbin/docker-proxy\0-proto\0tcp\0-host-ip\x000.0.0.0\0-host-port\x008080\0-container-ip\x00172.17.0.2\0"


@pytest.mark.parametrize(
    "command, port",
    [(PROXY, 8080), (PROXY.replace("-host-port", "--host-port"), 8080), ("sh\0-c\0docker-proxy\0-host-port\x0080", 0)]
    + [(text, 0) for text in ("", "docker-proxy\0", "docker-proxy\0-host-port\0", "docker-proxy\0-host-port\0x")],
)
def test_port_of_a_proxy(command: str, port: int) -> None:
    assert parse_port_proxy(command) == port


@pytest.mark.parametrize(
    "text, count",
    [
        ("Max processes 5 6 x\nMax open files            20000                20000                files \n", 20_000),
        ("Max open files            unlimited            unlimited            files\n", 0),
        ("", 0),
    ],
)
def test_limit_of_open_files(text: str, count: int) -> None:
    assert parse_open_files(text) == count


def test_proxies_of_this_machine() -> None:
    """A process that bears the name and the words of one."""
    port = 30000 + os.getpid() % 30000  # another suite on this machine has its own
    words = ["docker-proxy", "-c", "input()", "-host-port", str(port)]
    with subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE, text=True) as process:
        # Its words can be read a moment after it was started.
        found: list[PortProxy] = []
        until = time.monotonic() + 10
        while not found and time.monotonic() < until:
            found = [proxy for proxy in read_port_proxies() if proxy.port == port]
        process.communicate("\n", timeout=10)
    assert [proxy.open_files for proxy in found] == [resource.getrlimit(resource.RLIMIT_NOFILE)[0]]


@pytest.mark.parametrize(
    "text, settings", [('{"userns-remap": "default"}', {"userns-remap": "default"}), ("", {}), ("{", {}), ("[]", {})]
)
def test_daemon_config(text: str, settings: dict[str, object]) -> None:
    assert parse_daemon_config(text) == settings


# --- disks ----------------------------------------------------------------------------------------------------------


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    disk = read_disk(str(tmp_path / "a" / "b"))
    status = os.statvfs(tmp_path)
    assert disk.folder == str(tmp_path)
    assert disk.device == tmp_path.stat().st_dev
    assert abs(disk.free - status.f_bavail * status.f_frsize) < 1024**3
    assert disk.writable
    assert disk.obstacle == ""


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    disk = read_disk(str(tmp_path / "a" / "b"))
    assert (disk.folder, disk.obstacle) == (str(tmp_path), str(tmp_path / "a"))


def test_dangling_link_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/nowhere/at/all")
    assert read_disk(str(tmp_path / "a")).obstacle == str(tmp_path / "a")


@needs_root
def test_disk_that_another_user_owns() -> None:
    assert as_nobody("host.facts", "(lambda d: (d.folder, d.writable))(m.read_disk('/root/x/y'))") == "('/root', False)"
    assert as_nobody("host.facts", "m.read_disk('/tmp/x-y').writable") == "True"


# --- sudo -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body, allowed", [("exit 0", True), ("exit 1", False), ("sleep 60", False), (None, False)])
def test_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, allowed: bool) -> None:
    if body is not None:
        sudo = tmp_path / "sudo"
        sudo.write_text(f'#!/bin/sh\n[ "$*" = "-n true" ] || exit 7\n{body}\n')
        sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere" if body is None else f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "_SUDO_TIMEOUT_SECONDS", 0.5)
    assert sudo_without_password() is allowed


def test_sudo_that_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("not a program")
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sudo_without_password() is False
