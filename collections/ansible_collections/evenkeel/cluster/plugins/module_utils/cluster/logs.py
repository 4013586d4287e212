# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How much of what a container prints is kept. Pure data."""

from __future__ import annotations

#: The container's log: bytes per file, and the number of files.
LOG_SIZE = 10 * 1024**2
LOG_FILES = 3
MIN_LOG_SIZE = 1024**2
MAX_LOG_FILES = 100
