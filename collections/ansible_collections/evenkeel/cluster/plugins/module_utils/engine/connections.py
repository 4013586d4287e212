# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which TCP connections are open, read from Linux's tables. Pure.

Format: ``/proc/net/tcp`` and ``tcp6`` (proc_pid_net(5), kernel documentation networking/proc_net_tcp): addresses are
words of four bytes in the machine's order, ports and states are in hexadecimal.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Collection

_ESTABLISHED = "01"
_WORD = 8


def count_open(table: str, remote: Collection[tuple[str, int]]) -> int:
    """How many established connections lead to one of these ends.

    Args:
        table: the text of one or more tables; other lines are left out.
        remote: address and port of the far ends.
    """
    wanted = {(ipaddress.ip_address(address), port) for address, port in remote}
    return sum(1 for line in table.splitlines() if _far_end(line) in wanted)


def _far_end(line: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int] | None:
    fields = line.split()
    if len(fields) < 4 or fields[3] != _ESTABLISHED:
        return None
    address, _colon, port = fields[2].partition(":")
    try:
        return table_address(address), int(port, 16)
    except (ValueError, struct.error):
        return None


def table_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the tables write it.

    Raises:
        ValueError: it is none.
        struct.error: it has parts of other than four bytes.
    """
    words = [int(text[at : at + _WORD], 16) for at in range(0, len(text), _WORD)]
    packed = struct.pack(f"={len(words)}I", *words)
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
