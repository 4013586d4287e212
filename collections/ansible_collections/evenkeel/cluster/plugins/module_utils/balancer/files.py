# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The files that the balancer's own module writes, as they are between two replacements. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .config import edge_config, static_config, static_name
from .options import BalancerOptions
from .plan import BalancerContainer


def static_text(options: BalancerOptions, slot: str) -> str:
    """The text of a slot's static configuration."""
    return json.dumps(static_config(options.static, slot), indent=2, sort_keys=True) + "\n"


def own_files(options: BalancerOptions, containers: Iterable[BalancerContainer], revision: str) -> dict[Path, str]:
    """Path to text: the configuration of every request, and that of the balancer that runs as declared.

    That of another balancer is only read when it starts, and a start writes it.

    Args:
        options: what is declared.
        containers: the edge and all balancers.
        revision: of the declared balancer.
    """
    slots = [item.slot for item in containers if item.slot and item.running and item.revision == revision]
    files = {options.config_dir / static_name(slot): static_text(options, slot) for slot in slots}
    return {options.edge_file: edge_config(""), **files}
