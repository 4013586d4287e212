# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Numbers of nodes that a person set in the console, which hold until the next run of the declaration."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core.errors import EvenkeelError, Problem
from ..core.files import write_atomically

_MODE = 0o600


class OverridesError(EvenkeelError):
    """The file of overrides cannot be read."""


@dataclass(frozen=True)
class Override:
    """The number of nodes of one tier, instead of the declared one.

    Attributes:
        tier: its name.
        nodes: how many.
        declared: how many were declared when it was set.
        by: the person that set it.
        at: when, in seconds since the epoch.
    """

    tier: str
    nodes: int
    declared: int
    by: str
    at: float

    @property
    def words(self) -> str:
        """The number, the person that set it, and the time."""
        at = datetime.datetime.fromtimestamp(self.at, datetime.timezone.utc)
        return f"{self.nodes} set in the console by {self.by} at {at:%Y-%m-%d %H:%M:%S} UTC"

    def settled(self, declared: int | None) -> str:
        """The line of a run that goes back to the declaration.

        Args:
            declared: how many nodes are declared now; None for a tier that is not.
        """
        now = "not declared any more" if declared is None else f"declared {declared}: back to {declared}"
        return f"{self.tier}: {self.words}, {now}"


def read_overrides(path: Path) -> dict[str, Override]:
    """Tier to its override; none without the file.

    Raises:
        OverridesError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(item["tier"]): Override(**item) for item in found}
    except FileNotFoundError:
        return {}
    except OSError as error:
        got = f"'{error.strerror or error}'"
    except (ValueError, KeyError, TypeError):
        got = "text that is not of this version"
    raise OverridesError(Problem(f"overrides {path}", got, "a file of this version", f"remove {path}"))


def write_overrides(path: Path, overrides: Mapping[str, Override]) -> None:
    """Write all of them; without any, the file goes.

    Raises:
        WriteError: it cannot be written; the file is as it was.
    """
    if not overrides:
        path.unlink(missing_ok=True)
        return
    text = json.dumps([asdict(item) for _name, item in sorted(overrides.items())], indent=2) + "\n"
    write_atomically(path, text, _MODE)
