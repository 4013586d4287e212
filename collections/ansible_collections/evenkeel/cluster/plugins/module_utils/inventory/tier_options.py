# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The options of a tier that stand alone: their names, what they may be, and their defaults. Pure.

An option that depends on another one, or on what the tier is called, is read in :mod:`inventory.tiers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster.logs import LOG_FILES, LOG_SIZE, MAX_LOG_FILES
from ..cluster.spec import BESIDE, RELEASE_SECONDS, ROLLS, STRATEGIES
from . import tier_values as values
from .container_values import arguments
from .reader import Reader

MAX_PIDS = 4_194_304  # the kernel's own limit (PID_MAX_LIMIT)
# The passive health check takes a node out after this many failures within 0.3 s without a success. The attempts of one
# request to reach a dead node do that (one every 2 to 4 ms); requests for a URL that answers 500 rarely do.
DEFAULT_MAX_FAILURES = 40
MAX_FAILURES = 100
MAX_READY_SECONDS = 3600
MAX_RELEASE_SECONDS = 86_400
#: The limit of a tier that declares none, in bytes.
DEFAULT_MEMORY = 256 * 1024**2

#: Takes the reader, the option as people know it, and its raw value.
Read = Callable[[Reader, str, object], Any]


@dataclass(frozen=True)
class TierOption:
    """One option.

    Attributes:
        name: in the inventory and in the specification.
        read: checks and completes its value.
        default: the raw value of a tier that does not say it.
    """

    name: str
    read: Read
    default: object


def whole(low: int, high: int, default: int) -> Read:
    """Reads a whole number."""
    return lambda reader, what, raw: reader.whole(what, raw, low, high, f"{what}: {default}")


def choice(*choices: str) -> Read:
    """Reads one of these words."""
    return lambda reader, what, raw: reader.choice(what, raw, choices)


def command(reader: Reader, what: str, raw: object) -> list[str]:
    """Reads a command; none is empty."""
    return arguments(reader, what, raw) or []


OPTIONS = (
    TierOption("strip_path", Reader.flag, False),
    TierOption("sticky", Reader.flag, False),
    TierOption("strategy", choice(*STRATEGIES), "wrr"),
    TierOption("max_failures", whole(0, MAX_FAILURES, DEFAULT_MAX_FAILURES), DEFAULT_MAX_FAILURES),
    TierOption("repeat", Reader.flag, False),
    TierOption("ready_seconds", whole(0, MAX_READY_SECONDS, 0), 0),
    TierOption("roll", choice(*ROLLS), BESIDE),
    TierOption("release_command", command, None),
    TierOption("release_seconds", whole(1, MAX_RELEASE_SECONDS, RELEASE_SECONDS), RELEASE_SECONDS),
    TierOption("memory", values.memory, str(DEFAULT_MEMORY)),
    TierOption("cpus", values.cpus, 0),
    TierOption("pids", whole(0, MAX_PIDS, 200), 200),
    TierOption("log_size", values.log_size, str(LOG_SIZE)),
    TierOption("log_files", whole(1, MAX_LOG_FILES, LOG_FILES), LOG_FILES),
    TierOption("environment", values.environment, {}),
)


def names(options: Iterable[TierOption]) -> frozenset[str]:
    """The names of the options."""
    return frozenset(option.name for option in options)


def read_options(reader: Reader, at: str, raw: Mapping[str, Any], options: Iterable[TierOption]) -> dict[str, Any]:
    """Read each of the options.

    Args:
        reader: collects the problems.
        at: the tier as people know it.
        raw: the tier's options as they were written.
        options: those to read.

    Returns:
        Name to value; a value that cannot be used is told, and is replaced by one that can.
    """
    return {
        option.name: option.read(reader, f"{at}.{option.name}", raw.get(option.name, option.default))
        for option in options
    }
