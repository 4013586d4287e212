"""Hold plain data to the types of core.results at run time, as the type checker holds code to them."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any


def mismatches(value: Any, wanted: Any, name: str = "result") -> list[str]:
    """Where a value has other keys or types than it should, one line each."""
    if typing.is_typeddict(wanted):
        return _dictionary(value, wanted, name)
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in {types.UnionType, typing.Union}:
        return min((mismatches(value, one, name) for one in arguments), key=len)
    if not _fits(value, origin or wanted):
        return [f"{name}: got {type(value).__name__}, want {getattr(wanted, '__name__', wanted)}"]
    if origin in {list, tuple}:
        return [
            line for number, item in enumerate(value) for line in mismatches(item, arguments[0], f"{name}[{number}]")
        ]
    if origin in {dict, Mapping}:
        return [line for key, item in value.items() for line in mismatches(item, arguments[1], f"{name}[{key}]")]
    return []


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, (int, float) if wanted is float else wanted)


def _dictionary(value: Any, wanted: Any, name: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{name}: got {type(value).__name__}, want {wanted.__name__}"]
    hints = typing.get_type_hints(wanted)
    return [
        *(f"{name}: lacks {key}" for key in sorted(wanted.__required_keys__ - value.keys())),
        *(f"{name}: has {key}, which {wanted.__name__} has not" for key in sorted(value.keys() - hints.keys())),
        *(
            line
            for key in sorted(value.keys() & hints.keys())
            for line in mismatches(value[key], hints[key], f"{name}.{key}")
        ),
    ]
