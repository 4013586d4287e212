# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The files that a run leaves on the target for changes without Ansible, and takes back.

They are written while the cluster's lock is held.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ..cluster.spec import Tier
from ..core.files import write_atomically
from .overrides import read_overrides, write_overrides

_DECLARATION_MODE = 0o600


class Declared(Protocol):
    """The part of a request that is left on the target."""

    @property
    def declaration_file(self) -> str:
        """The file; empty for none."""

    @property
    def absent(self) -> bool:
        """Whether the cluster goes."""

    @property
    def cluster(self) -> str:
        """The cluster's name."""

    @property
    def hosts(self) -> Sequence[str]:
        """Host names that the routes accept."""

    @property
    def images(self) -> Mapping[str, str]:
        """Tier to image reference."""

    @property
    def tiers(self) -> Mapping[str, Tier]:
        """The declared tiers by name."""


def leave_declaration(request: Declared) -> None:
    """Write the declaration on the target, for changes without Ansible.

    It holds the tiers' environment, so only its owner may read it.

    Raises:
        WriteError: it cannot be written.
    """
    if not request.declaration_file:
        return
    path = Path(request.declaration_file)
    if request.absent:
        path.unlink(missing_ok=True)
        return
    content = {
        "cluster": request.cluster,
        "hosts": list(request.hosts),
        "images": dict(request.images),
        "tiers": [dataclasses.asdict(tier) for tier in request.tiers.values()],
    }
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomically(path, text, _DECLARATION_MODE)


def settled_overrides(file: str, tiers: Mapping[str, Tier]) -> list[str]:
    """What a run settles of the numbers set in the console, one line each. Changes nothing.

    Args:
        file: of the overrides; empty for none.
        tiers: the declared tiers by name.

    Raises:
        OverridesError: the file cannot be read.
    """
    found = read_overrides(Path(file)) if file else {}
    declared = {name: tier.nodes for name, tier in tiers.items()}
    return [override.settled(declared.get(name)) for name, override in sorted(found.items())]


def settle_overrides(file: str, tiers: Mapping[str, Tier]) -> list[str]:
    """The same, and the overrides go: the declaration holds again.

    Raises:
        OverridesError: the file cannot be read.
        OSError: it cannot be removed.
    """
    lines = settled_overrides(file, tiers)
    if lines:
        write_overrides(Path(file), {})
    return lines
