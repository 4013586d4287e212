# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Docker's processes that carry the machine's own connections to published ports. Pure."""

from __future__ import annotations

import itertools
import os


def parse_port_proxy(command: str) -> int:
    """The published port of a docker-proxy's command line, with its words apart by NUL; 0 for another process."""
    words = command.split("\0")
    if os.path.basename(words[0]) != "docker-proxy":
        return 0
    port = next((after for word, after in itertools.pairwise(words) if word.lstrip("-") == "host-port"), "")
    return int(port) if port.isdecimal() else 0
