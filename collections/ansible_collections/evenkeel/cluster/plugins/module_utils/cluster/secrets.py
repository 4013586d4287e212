# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The secrets of tiers: how their values travel, what is written for the nodes, and the digest of it. Pure.

Values travel in one text that looks like nothing else, see :func:`pack`. Ansible replaces what a secret option holds
wherever it occurs in a module's result: were each value an option of its own, a secret ``3000`` would remove the port
from all addresses. So results are kept free of values by never getting them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InputError, Problem

#: Where nodes see their secrets.
MOUNTED_AT = "/run/secrets"
#: The file there with the variables for the application, as the option --environment-file of files/hold reads it.
VARIABLES_FILE = ".env"
#: The options of a tier whose values are secret.
SECRET_OPTIONS = ("secrets", "secret_environment")
ENV_FILE = "env_file"
#: A variable's name, for nodes and in a file of variables.
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_END = "\0"
ADDED, CHANGED, REMOVED = "added", "changed", "removed"
#: It was changed by hand on the target.
WRITTEN = "written again"
_TO_DO = {ADDED: "add", CHANGED: "change", REMOVED: "remove", WRITTEN: "write again"}


@dataclass(frozen=True)
class TierSecrets:
    """What a tier's nodes are given that Docker's records do not show: names, and never a value.

    Attributes:
        files: the names of the files in :data:`MOUNTED_AT`.
        variables: the names of the variables in :data:`VARIABLES_FILE`.
        folder: the folder on the target with both, named after their digest; empty while that is not known.
    """

    files: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    folder: str = ""

    @property
    def declared(self) -> bool:
        """Whether there are any."""
        return bool(self.files or self.variables)


@dataclass(frozen=True)
class SecretFolder:
    """One version of a tier's secrets, with the values; these are not in its text.

    Attributes:
        tier: the tier's name.
        path: the folder on the target.
        content: file name to what is in it.
    """

    tier: str
    path: str
    content: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class SecretChange:
    """What a run changes about one secret, without its value.

    Attributes:
        tier: the tier's name.
        name: the secret's, for people.
        kind: one of :data:`ADDED`, :data:`CHANGED`, :data:`REMOVED`, :data:`WRITTEN`.
    """

    tier: str
    name: str
    kind: str

    def __str__(self) -> str:
        """What happened, for people."""
        return f"{self.name} of {self.tier} {self.kind}"

    @property
    def to_do(self) -> str:
        """What a run would do, for people."""
        return f"{_TO_DO[self.kind]} {self.name} of {self.tier}"


def pack(tiers: Mapping[str, Mapping[str, Any]]) -> str:
    """The values of all tiers as one text, for the option ``tier_secrets`` of modules.

    Args:
        tiers: tier to its :data:`SECRET_OPTIONS`, and in ``env_file`` the ``text`` of that file, or the ``problem``.
    """
    return base64.b64encode(json.dumps(tiers, sort_keys=True, default=str).encode()).decode() if tiers else ""


def unpack(text: str) -> dict[str, dict[str, Any]]:
    """What :func:`pack` was given.

    Raises:
        InputError: it did not make this text.
    """
    try:
        found = json.loads(base64.b64decode(text, validate=True)) if text else {}
        return {str(tier): dict(options) for tier, options in found.items()}
    except (binascii.Error, ValueError, AttributeError, TypeError):
        want = "what the filter evenkeel.cluster.tier_secrets makes"
        # Without the cause, which may tell what was in the text.
        raise InputError(Problem("tier_secrets", "another text", want, "pass cluster_tiers through it")) from None


def read_variables(text: str) -> tuple[dict[str, str], list[int]]:
    """The variables of a file with ``NAME=value`` lines, taken literally, and the numbers of the lines that are not.

    Empty lines and those that begin with ``#`` are left out; of two lines with one name, the last counts.
    """
    found: dict[str, str] = {}
    broken = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        entry = line.removesuffix("\r")
        name, equals, value = entry.partition("=")
        if not entry or entry.startswith("#"):
            continue
        if not equals or VARIABLE_NAME.fullmatch(name) is None or _END in value:
            broken.append(number)
        else:
            found[name] = value
    return found, broken


def given_variables(options: Mapping[str, Any]) -> dict[str, Any]:
    """The secret variables of a tier, from its file and beside it; what is said in the inventory goes over the file."""
    file = options.get(ENV_FILE)
    text = file.get("text") if isinstance(file, Mapping) else None
    said = options.get("secret_environment")
    return {
        **(read_variables(text)[0] if isinstance(text, str) else {}),
        **(said if isinstance(said, Mapping) else {}),
    }


def folder_content(names: TierSecrets, options: Mapping[str, Any]) -> dict[str, str]:
    """File name to content of what a tier's nodes have mounted.

    Args:
        names: what the tier declares.
        options: the tier's part of what :func:`unpack` gives.

    Raises:
        KeyError: a value is missing.
    """
    said = options.get("secrets") or {}
    content = {name: str(said[name]) for name in names.files}
    variables = given_variables(options)
    if names.variables:
        content[VARIABLES_FILE] = variables_text({name: str(variables[name]) for name in names.variables})
    return content


def variables_text(variables: Mapping[str, str]) -> str:
    """The content of :data:`VARIABLES_FILE`: a NUL after each entry, so that values may hold line ends."""
    return "".join(f"{name}={value}{_END}" for name, value in sorted(variables.items()))


def digest(key: str, tier: str, content: Mapping[str, str]) -> str:
    """Identifies what is in a tier's folder; without the key, no guess at a value can be checked against it.

    The tier is part of it, so that equal secrets of two tiers do not show as equal.
    """
    said = json.dumps([tier, sorted(content.items())])
    return hmac.new(key.encode(), said.encode(), hashlib.sha256).hexdigest()


def differences(
    tier: str, before: Mapping[str, str], after: Mapping[str, str], *, by_hand: bool = False
) -> list[SecretChange]:
    """What differs between two versions of a tier's secrets.

    Args:
        tier: the tier's name.
        before: the content of the folder.
        after: the content that it must have.
        by_hand: both are the same version, which was changed by hand.
    """
    old, new = dict(_named(before)), dict(_named(after))
    changes = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            kind = CHANGED if name in old and name in new else ADDED if name in new else REMOVED
            changes.append(SecretChange(tier, name, WRITTEN if by_hand and kind != REMOVED else kind))
    return changes


def _named(content: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Each secret by its name for people."""
    for file, text in content.items():
        if file != VARIABLES_FILE:
            yield f"secret {file}", text
            continue
        for entry in text.split(_END)[:-1]:
            name, _equals, value = entry.partition("=")
            yield f"secret variable {name}", value
