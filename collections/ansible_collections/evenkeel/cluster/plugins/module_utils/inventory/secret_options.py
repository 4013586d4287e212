# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How a tier says which secrets its nodes get. No value is in an error line. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..cluster.leaving import HELD
from ..cluster.secrets import (
    ENV_FILE,
    MOUNTED_AT,
    SECRET_OPTIONS,
    VARIABLE_NAME,
    TierSecrets,
    given_variables,
    read_variables,
    variables_text,
)
from ..core.errors import Problem, join_some, quote
from .reader import Reader
from .tier_values import kind_of

SECRET_KEYS = frozenset({*SECRET_OPTIONS, ENV_FILE, "accept_visible"})
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", re.ASCII)
_LARGEST = 1024**2
# The kernel takes no longer string for a new process (MAX_ARG_STRLEN), with its name and the NUL at its end.
_LONGEST_VARIABLE = 128 * 1024


def read_secrets(
    reader: Reader,
    at: str,
    raw: Mapping[str, Any],
    given: Mapping[str, Any],
    leaving: str,
    environment: Collection[str],
) -> tuple[TierSecrets, dict[str, str]]:
    """The secrets of a tier.

    Args:
        reader: collects the problems.
        at: the tier as people know it.
        raw: the tier's options as they were written.
        given: what the filter ``tier_secrets`` made of them on the controller; it goes over *raw*.
        leaving: how its nodes leave: only where a process of ours is process 1 is there a way for secret variables.
        environment: the names of its other variables.

    Returns:
        The names of the secrets, and the secret variables that are part of the environment after all.
    """
    options = {**{key: raw[key] for key in SECRET_OPTIONS if key in raw}, **given}
    files = _files(reader, f"{at}.secrets", options.get("secrets", {}))
    _read_file(reader, f"{at}.{ENV_FILE}", raw.get(ENV_FILE), options.get(ENV_FILE))
    said = options.get("secret_environment", {})
    variables = _variables(reader, f"{at}.secret_environment", said, environment)
    # What the inventory says is judged above.
    from_file = given_variables({**options, "secret_environment": {}})
    variables = {**_variables(reader, f"{at}.{ENV_FILE}", from_file, environment), **variables}
    what = f"{at}.secret_environment" if said or ENV_FILE not in raw else f"{at}.{ENV_FILE}"
    visible = reader.flag(f"{at}.accept_visible", raw.get("accept_visible", False))
    if len(variables_text(variables).encode(errors="replace")) >= _LARGEST:
        want = "less than 1 MiB of variables"
        reader.problems.append(Problem(what, "1 MiB or more", want, f"{at}.secrets, which are files"))
    if variables and leaving != HELD:
        if visible:
            return TierSecrets(files), variables
        want = "held, because docker inspect shows the variables of such nodes otherwise"
        fix = f"{at}.secrets, which are files, or {at}.accept_visible: true"
        reader.problems.append(Problem(what, f"variables with leaving {leaving}", want, fix))
    return TierSecrets(files, sorted(variables)), {}


def check_places(
    reader: Reader, at: str, secrets: TierSecrets, tmpfs: Iterable[str], mounts: Iterable[Mapping[str, Any]]
) -> None:
    """Nothing else is where the secrets are: that folder cannot be written to, not even to mount something in it."""
    if not secrets.declared:
        return
    targets = [*(("tmpfs", folder) for folder in tmpfs), *(("mounts", str(mount["target"])) for mount in mounts)]
    for option, folder in targets:
        if f"{folder.rstrip('/')}/".startswith(f"{MOUNTED_AT}/"):
            want = f"another folder than {MOUNTED_AT}, where this tier has its secrets"
            reader.problem(f"{at}.{option}", folder, want, f"{at}.{option}: another folder")


def _files(reader: Reader, what: str, raw: object) -> list[str]:
    names = []
    for name, value in _mapping(reader, what, raw, "{db_password: value}").items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            want = "the name of a file: letters, digits, _ - and ., not beginning with . and at most 128"
            reader.problem(what, name, want, "rename it")
        elif (size := _size(reader, f"{what}.{name}", value)) > _LARGEST:
            want = f"at most 1 MiB ({_LARGEST} bytes)"
            reader.problems.append(Problem(f"{what}.{name}", f"{size} bytes", want, "mount a file of the host"))
        elif size == 0:
            reader.problems.append(Problem(f"{what}.{name}", "an empty text", "a value", f"set {name}, or remove it"))
        elif size > 0:
            names.append(str(name))
    return sorted(names)


def _variables(reader: Reader, what: str, raw: object, environment: Collection[str]) -> dict[str, str]:
    found = {}
    for name, value in _mapping(reader, what, raw, "{DB_PASSWORD: value}").items():
        if not isinstance(name, str) or VARIABLE_NAME.fullmatch(name) is None:
            reader.problem(what, name, "a variable name of letters, digits and _", "rename it")
        elif name.startswith("EVENKEEL_"):
            reader.problem(what, name, "a name that does not begin with EVENKEEL_, which is ours", "rename it")
        elif name in environment:
            reader.problem(what, name, "a name that is not in environment too", f"remove {name} from one of them")
        elif (size := _size(reader, f"{what}.{name}", value, "text without NUL")) + len(name) + 2 > _LONGEST_VARIABLE:
            want = f"at most {_LONGEST_VARIABLE - 2} with its name, the kernel's own limit"
            fix = f"secrets: {{{name.lower()}: value}}, which is a file"
            reader.problems.append(Problem(f"{what}.{name}", f"{size} bytes", want, fix))
        elif size >= 0:
            found[str(name)] = str(value)
    return found


def _mapping(reader: Reader, what: str, raw: object, example: str) -> Mapping[Any, Any]:
    if isinstance(raw, Mapping):
        return raw
    reader.problem(what, kind_of(raw), "a mapping of names to values", f"{what}: {example}")
    return {}


def _size(reader: Reader, what: str, value: object, want: str = "text") -> int:
    """The bytes of a value; -1 for one that cannot be used, which is told."""
    if isinstance(value, str) and not ("NUL" in want and "\0" in value):
        try:
            return len(value.encode())
        except UnicodeEncodeError:
            want = "text that UTF-8 can hold"
    # YAML makes 123 of 0123: what is no text any more is not what was written.
    reader.problem(what, kind_of(value), want, 'write it in quotes; a template may need "| string"')
    return -1


def _read_file(reader: Reader, what: str, path: object, found: object) -> None:
    """What is wrong with the file of variables."""
    if path is None:
        return
    if not isinstance(path, str) or not path:
        reader.problem(what, kind_of(path), "the path of a file on the controller", f"{what}: secrets.env")
        return
    want = "a file with NAME=value lines on the controller"
    if not isinstance(found, Mapping):
        fix = "pass it to the filter tier_secrets"
        reader.problems.append(Problem(what, f"a path that was not read for {quote(path)}", want, fix))
        return
    if found.get("problem"):
        fix = "mend the path, which starts at the repository"
        reader.problems.append(Problem(what, f"{found['problem']} for {quote(path)}", want, fix))
        return
    _entries, broken = read_variables(str(found.get("text") or ""))
    if broken:
        lines = f"line{'s' if len(broken) > 1 else ''} {join_some(map(str, broken))} of {quote(path)}"
        want = "NAME=value, a comment that begins with #, or nothing"
        reader.problems.append(Problem(what, lines, want, "mend the file; values with line ends go into secrets"))
