# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Remove secrets from data that is going to be shown. Pure.

Too much is removed rather than too little: a name is enough to remove its value. Of environment variables all values
are removed, because people give them any name. Paths (``..._file``) are kept, because
the path of a secret is not secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REMOVED = "(removed)"
_SECRET = re.compile(
    r"pass(?:wor[dt]|wd|phrase|code)|(?:^|[^a-z])pass(?:[^a-z]|$)|secret|token|credential|(?:^|[^a-z])(?:api)?keys?(?:[^a-z]|$)"
    r"|private|bearer|authori[sz]ation|(?:^|[^a-z])auth(?:[^a-z]|$)|htpasswd|users?_?hash|salt(?:[^a-z]|$)|cookie_?value"
)
_PLACE = re.compile(r"(?:_|-)(?:file|path|folder|dir)s?$")
_VARIABLES = re.compile(r"(?:^|[^a-z])env(?:ironment)?s?$")
# An option of tiers: text in it is secret whatever its name is. Lists in it are names.
_OPTION = "secrets"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Between // and @ of an address: user, password or token.
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s\"'<>@]+(?:@[^/?#\s\"'<>@]+)*@")


def is_secret(name: str) -> bool:
    """Whether a value of this name must not be shown."""
    flat = _CAMEL.sub("_", name).lower()
    return bool(_SECRET.search(flat)) and not _PLACE.search(flat)


def holds_variables(name: str) -> bool:
    """Whether a value of this name is a set of environment variables."""
    return bool(_VARIABLES.search(_CAMEL.sub("_", name).lower()))


def without_credentials(text: str) -> str:
    """The text without the credentials of addresses in it."""
    return _URL_CREDENTIALS.sub(f"{REMOVED}@", text)


def redacted(value: Any, name: str = "") -> Any:
    """A copy without secrets: variables, values whose name says that they are secret, and credentials in addresses.

    Numbers, booleans and null are kept: they can say that there is a secret, but not which.
    """
    if isinstance(value, Mapping):
        return {
            without_credentials(str(key)): _emptied(item)
            if holds_variables(str(key))
            else redacted(_without_texts(item) if key == _OPTION else item, str(key))
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        # Environment variables are often written NAME=value.
        return [redacted(_assignment(item), name) for item in value]
    if isinstance(value, str):
        if not value:
            return value
        return REMOVED if is_secret(name) else without_credentials(value)
    return value


def without_variables(value: Any) -> Any:
    """A copy without the values of environment variables and of tiers' secrets, wherever they are in it."""
    if isinstance(value, Mapping):
        return {
            key: _emptied(item)
            if holds_variables(str(key))
            else without_variables(_without_texts(item) if key == _OPTION else item)
            for key, item in value.items()
        }
    return [without_variables(item) for item in value] if isinstance(value, (list, tuple)) else value


def _without_texts(value: Any) -> Any:
    """A mapping without its texts."""
    if not isinstance(value, Mapping):
        return value
    return {key: REMOVED if isinstance(item, str) and item else item for key, item in value.items()}


def _emptied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {without_credentials(str(key)): _emptied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_emptied(item) for item in value]
    if isinstance(value, str):
        name, equals, _value = value.partition("=")
        return f"{name}={REMOVED}" if equals and re.fullmatch(r"\w+", name) else REMOVED if value else value
    return value if value is None else REMOVED


def without_address_credentials(value: Any) -> Any:
    """A copy without credentials in addresses; names do not matter here."""
    if isinstance(value, Mapping):
        return {without_credentials(str(key)): without_address_credentials(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_address_credentials(item) for item in value]
    return without_credentials(value) if isinstance(value, str) else value


def _assignment(item: Any) -> Any:
    if not isinstance(item, str):
        return item
    name, equals, value = item.partition("=")
    return f"{name}={REMOVED}" if equals and value and re.fullmatch(r"[\w.-]+", name) and is_secret(name) else item
