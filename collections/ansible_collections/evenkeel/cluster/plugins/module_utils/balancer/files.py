# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The files that the balancer's own module writes, as they are between two replacements."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ..traefik.route_file import text_to_start_with
from .config import SLOTS, static_config, static_name
from .options import BalancerOptions
from .plan import BalancerContainer


def static_text(options: BalancerOptions, slot: str) -> str:
    """The text of a slot's static configuration."""
    return json.dumps(static_config(options.static, slot), indent=2, sort_keys=True) + "\n"


def own_files(options: BalancerOptions, containers: Iterable[BalancerContainer], revision: str) -> dict[Path, str]:
    """Path to text: what the edge runs, and the static configuration of the balancer that runs as declared.

    Without the latter, that balancer would not start again. That of any other is written when it starts.

    Args:
        options: what is declared.
        containers: the edge and all balancers.
        revision: of the declared balancer.
    """
    slots = [item.slot for item in containers if item.slot and item.alive and item.revision == revision]
    statics = {options.config_dir / static_name(slot): static_text(options, slot) for slot in slots}
    return {options.watch_file: options.watch_script, **statics}


def file_of(options: BalancerOptions, name: str) -> tuple[Path, str | None]:
    """Path and text of the file with this name; None where it may stay as it is.

    Raises:
        KeyError: there is no such file.
    """
    if name == options.routes_file.name:
        return options.routes_file, text_to_start_with(options.routes_file)
    statics = {static_name(slot): static_text(options, slot) for slot in SLOTS}
    return options.config_dir / name, {options.watch_file.name: options.watch_script, **statics}[name]
