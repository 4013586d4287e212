"""Figures of all tiers for Prometheus. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FIGURES = {
    "desired": "Nodes that the tier shall have.",
    "running": "Nodes that run.",
    "in_rotation": "Nodes that get requests; nothing while the balancer does not answer.",
    "guests": "Nodes in rotation that were started by hand.",
    "stale": "Nodes of an earlier image or setting.",
    "drift": "Lines of what differs from the declaration.",
}
KIND = "text/plain; version=0.0.4; charset=utf-8"


def exposition(state: Mapping[str, Any] | None) -> str:
    """The text.

    Args:
        state: as the agent gives it; None if it does not answer.
    """
    lines = _head("agent_up", "Whether the agent answers.")
    lines.append(f"evenkeel_agent_up {0 if state is None else 1}")
    tiers: Mapping[str, Any] = (state or {}).get("tiers") or {}
    for name, text in _FIGURES.items():
        found = [(tier, _number(values.get(name))) for tier, values in sorted(tiers.items())]
        lines += _head(f"tier_{name}", text)
        lines += [
            f'evenkeel_tier_{name}{{tier="{_label(tier)}"}} {value}' for tier, value in found if value is not None
        ]
    return "\n".join(lines) + "\n"


def _head(name: str, text: str) -> list[str]:
    return [f"# HELP evenkeel_{name} {text}", f"# TYPE evenkeel_{name} gauge"]


def _number(value: object) -> int | float | None:
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
