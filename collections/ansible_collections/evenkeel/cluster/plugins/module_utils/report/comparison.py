# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What changed from one report to another. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .document import ClaimDocument, ReportDocument

_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Difference:
    """A value that changed; None where it is absent."""

    what: str
    old: Any
    new: Any


def compare(old: ReportDocument, new: ReportDocument) -> dict[str, list[Difference]]:
    """What changed from the old report to the new one: claims, figures, provenance, inventory."""
    olds, news = _by_id(old), _by_id(new)
    ids = list(dict.fromkeys([*olds, *news]))
    verdicts = (
        Difference((news.get(key) or olds[key])["title"], _verdict(olds.get(key)), _verdict(news.get(key)))
        for key in ids
    )
    return {
        "claims": [found for found in verdicts if found.old != found.new],
        "figures": [
            Difference(f"{key}: {found.what}" if found.what else key, found.old, found.new)
            for key in ids
            for found in differences(_figures(olds.get(key)), _figures(news.get(key)))
        ],
        "provenance": differences(old["provenance"], new["provenance"]),
        "inventory": differences(old["inventory"], new["inventory"]),
    }


def _by_id(report: ReportDocument) -> dict[str, ClaimDocument]:
    return {claim["id"]: claim for claim in report["claims"]}


def _verdict(claim: ClaimDocument | None) -> str | None:
    return claim["verdict"] if claim else None


def _figures(claim: ClaimDocument | None) -> Mapping[str, float | None]:
    return claim["figures"] if claim else {}


def differences(old: Any, new: Any, name: str = "") -> list[Difference]:
    """The values that differ, by their path."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            found
            for key in dict.fromkeys([*old, *new])
            for found in differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
        ]
    if _named(old) and _named(new):
        return differences({item["name"]: item for item in old}, {item["name"]: item for item in new}, name)
    return [] if old == new else [Difference(name, old, new)]


def _named(value: Any) -> bool:
    """Whether it is a list of items with names; their order does not matter."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) and "name" in item for item in value)
    )


def comparison_lines(found: Mapping[str, Sequence[Difference]], most: int = 12) -> list[str]:
    """The differences for a terminal, *most* per part."""
    lines = []
    for part, changed in found.items():
        lines.append(f"{part}: {len(changed)} changed" if changed else f"{part}: unchanged")
        lines += [f"  {each.what}: {abbreviate(each.old)} -> {abbreviate(each.new)}" for each in changed[:most]]
        if len(changed) > most:
            lines.append(f"  and {len(changed) - most} more")
    return lines


def abbreviate(value: Any) -> str:
    """A value as short text."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
