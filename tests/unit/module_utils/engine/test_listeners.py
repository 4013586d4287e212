"""Where the processes of a container listen, by the kernel's own tables."""

from __future__ import annotations

import socket
from os import getpid
from pathlib import Path

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.listeners import parse_listening, read_listening
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Listener

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEAD
    + "   0: 0B00007F:A1B2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
    + "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1\n"
    + "   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1\n"
    + "   3: 0200A8C0:0050 0100A8C0:C001 01 00000000:00000000 00:00000000 00000000     0        0 4 1\n"
)
TCP6 = (
    HEAD
    + "   0: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 5 1\n"
    + "   1: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 6 1\n"
    + "   2: 0000000000000000FFFF00000100007F:0BBA 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1\n"
)


def test_sockets_that_wait_for_connections_beside_the_name_server() -> None:
    assert parse_listening(TCP) == [Listener("127.0.0.1", 8080), Listener("0.0.0.0", 80)]


def test_the_other_kind_of_addresses() -> None:
    assert parse_listening(TCP6) == [Listener("::", 3000), Listener("::1", 3001), Listener("127.0.0.1", 3002)]


def test_both_tables_are_read_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "7" / "net"
    folder.mkdir(parents=True)
    assert read_listening(7, tmp_path) is None
    (folder / "tcp").write_text(TCP, encoding="ascii")
    assert read_listening(7, tmp_path) == (Listener("0.0.0.0", 80), Listener("127.0.0.1", 8080))
    (folder / "tcp6").write_text(TCP6 + TCP6.splitlines(keepends=True)[1], encoding="ascii")
    assert [item.port for item in read_listening(7, tmp_path) or ()] == [80, 3000, 3001, 3002, 8080]


def test_a_socket_of_this_process_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert Listener("127.0.0.1", server.getsockname()[1]) in (read_listening(getpid()) or ())
