"""Connections are counted by their far end, in the tables that Linux shows."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.connections import count_open

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
NODE = ("172.18.0.4", 8080)


def line(remote: str, state: str = "01") -> str:
    return f"   0: 030012AC:9C4E {remote} {state} 00000000:00000000 02:000000A2 00000000 65532        0 51234 2 0\n"


def words(address: bytes) -> str:
    """As the kernel of this machine writes it: words of four bytes in its own order."""
    return "".join(f"{int.from_bytes(address[at : at + 4], sys.byteorder):08X}" for at in range(0, len(address), 4))


TO_NODE = f"{words(bytes([172, 18, 0, 4]))}:1F90"
MAPPED = f"{words(bytes(10) + bytes([255, 255, 172, 18, 0, 4]))}:1F90"


@pytest.mark.parametrize(
    "table, count",
    [
        (line(TO_NODE), 1),
        (line(TO_NODE) + line(MAPPED), 2),
        (line(TO_NODE, "06") + line(TO_NODE, "02") + line(TO_NODE, "08"), 0),
        (line(TO_NODE.replace("1F90", "1F91")), 0),
        (line(f"{words(bytes([172, 18, 0, 5]))}:1F90"), 0),
        ("", 0),
        ("no table\n0: x y 01\n0: 0:0 zz:zz 01\n0: 0:0 0011:1F90 01\n", 0),
    ],
    ids=["one", "over version 6 too", "closing or opening", "other port", "other node", "empty", "nonsense"],
)
def test_only_open_ones_to_the_node_count(table: str, count: int) -> None:
    assert count_open(HEAD + table, {NODE}) == count


def test_a_node_with_an_address_of_version_6() -> None:
    address = bytes.fromhex("fd000000000000000000000000000004")
    assert count_open(line(f"{words(address)}:1F90"), {("fd00::4", 8080)}) == 1


def test_nothing_is_counted_for_no_node() -> None:
    assert count_open(HEAD + line(TO_NODE), set()) == 0
