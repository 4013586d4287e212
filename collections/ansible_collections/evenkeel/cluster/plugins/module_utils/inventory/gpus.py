# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which GPUs the nodes of a tier get, as compose files say it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.values import whole_number
from .reader import Reader

_ALL = -1
_GPU = "gpu"
_MOST = 64
_KEYS = frozenset({"driver", "count", "device_ids", "capabilities", "options"})
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", re.ASCII)


def gpus(reader: Reader, what: str, raw: object) -> list[dict[str, Any]]:
    """GPUs: ``all``, or a list with what each request asks for; none is empty.

    Args:
        reader: collects the problems.
        what: the option as people know it.
        raw: as it was written.
    """
    if raw == "all":
        return [_request()]
    if not isinstance(raw, list):
        reader.problem(
            what, raw, "all, or a list of {driver, count, device_ids, capabilities, options}", f"{what}: all"
        )
        return []
    return [_read(reader, f"{what}[{index}]", item) for index, item in enumerate(raw)]


def _request(**said: Any) -> dict[str, Any]:
    return {"driver": "", "count": _ALL, "device_ids": [], "capabilities": [_GPU], "options": {}, **said}


def _read(reader: Reader, place: str, item: object) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        reader.problem(
            place, item, "a mapping {driver, count, device_ids, capabilities, options}", f"{place}: {{count: 1}}"
        )
        return _request()
    reader.known_keys(place, item, _KEYS)
    devices = _words(reader, f"{place}.device_ids", item.get("device_ids", []), '["0"]')
    if "device_ids" in item and "count" in item:
        reader.problem(place, "count and device_ids", "one of them", f"remove {place}.count")
    count = item.get("count", "all")
    number = _ALL if count == "all" else whole_number(count)
    if number is None or not (number == _ALL or 1 <= number <= _MOST) or count == _ALL:
        reader.problem(f"{place}.count", count, f"all, or a whole number from 1 to {_MOST}", f"{place}.count: 1")
        number = _ALL
    capabilities = _words(reader, f"{place}.capabilities", item.get("capabilities", []), "[gpu, utility]")
    driver = item.get("driver", "")
    if not isinstance(driver, str) or not (driver == "" or _WORD.fullmatch(driver)):
        reader.problem(f"{place}.driver", driver, "the name of a driver", f"{place}.driver: nvidia")
        driver = ""
    return _request(
        driver=driver,
        # Docker refuses both; named devices are a count of their own.
        count=0 if devices else number,
        device_ids=devices,
        capabilities=sorted({_GPU, *capabilities}),
        options=_options(reader, f"{place}.options", item.get("options", {})),
    )


def _words(reader: Reader, place: str, raw: object, example: str) -> list[str]:
    """A list of names; numbers are names too."""
    found = [str(item) for item in raw] if isinstance(raw, list) else []
    simple = isinstance(raw, list) and all(isinstance(item, str | int) and not isinstance(item, bool) for item in raw)
    if not simple or not all(_WORD.fullmatch(item) for item in found):
        reader.problem(place, raw, "a list of names or numbers", f"{place}: {example}")
        return []
    return found


def _options(reader: Reader, place: str, raw: object) -> dict[str, str]:
    if isinstance(raw, Mapping) and all(isinstance(item, str) for pair in raw.items() for item in pair):
        return dict(raw)
    reader.problem(place, raw, "a mapping of names to texts", f"remove {place}")
    return {}
