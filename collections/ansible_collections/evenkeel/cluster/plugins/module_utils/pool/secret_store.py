# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: the secrets of tiers on the target, a folder for each version of each tier.

``<state folder>/secrets/tiers/<tier>/<digest>/<name>``. The folder of a version is open, because nodes see it as it is
and any user of a node may read its secrets; the folders above it are closed, so that no other user of the target can.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..cluster.paths import StatePaths
from ..cluster.secrets import SecretChange, SecretFolder, differences, digest, folder_content, unpack
from ..cluster.spec import Tier
from ..core.errors import EvenkeelError, Problem
from ..core.files import WriteError, is_folder, write_atomically
from ..core.secret_file import ensure_secret
from ..engine.port import Engine

_CLOSED, _OPEN, _FILE = 0o700, 0o755, 0o444
_KEY_LENGTH, _KEY_MODE = 64, 0o400
# The folder of secrets whose digest is not known yet, because there is no key. No node has it.
_NO_KEY = "no-key"


class SecretInputError(EvenkeelError):
    """The values of secrets are missing."""


class SecretStore:
    """The secrets of a cluster's tiers.

    Args:
        folder: the cluster's folder of secrets on the target; the usual one is that of a cluster without secrets.
    """

    def __init__(self, folder: Path = Path("/nonexistent")) -> None:
        """Nothing is read yet."""
        paths = StatePaths(str(folder.parent))
        self._key = folder / Path(paths.secrets_key_file).name
        self._tiers = folder / Path(paths.tier_secrets_dir).name

    def with_folders(
        self, tiers: Mapping[str, Tier], packed: str, *, write: bool
    ) -> tuple[dict[str, Tier], dict[str, SecretFolder]]:
        """The tiers with the folders of their secrets, and what has to be in these.

        A tier whose folder is known already, as from the declaration on the target, needs no values.

        Args:
            tiers: the declared tiers.
            packed: the values, as :func:`cluster.secrets.pack` makes them.
            write: make the key if there is none.

        Raises:
            InputError: the values are not in that form.
            SecretInputError: a value is missing.
            SecretFileError: the key cannot be read or made.
        """
        given = unpack(packed)
        wanted = {name: tier for name, tier in tiers.items() if tier.secrets.declared}
        contents = {name: _content(tier, given) for name, tier in wanted.items() if _is_asked(tier, given)}
        if not contents:
            return dict(tiers), {}
        key = ensure_secret(self._key, _KEY_LENGTH, write=write, mode=_KEY_MODE).value
        folders = {}
        for name, content in contents.items():
            version = digest(key, name, content) if key else _NO_KEY
            folders[name] = SecretFolder(name, str(self._tiers / name / version), content)
        told = {
            name: dataclasses.replace(
                wanted[name], secrets=dataclasses.replace(wanted[name].secrets, folder=folder.path)
            )
            for name, folder in folders.items()
        }
        return {**tiers, **told}, folders

    def changes(
        self, folders: Mapping[str, SecretFolder], tiers: Mapping[str, Tier], engine: Engine
    ) -> list[SecretChange]:
        """What a run would change about the secrets.

        Args:
            folders: tier to what has to be there.
            tiers: the declared tiers.
            engine: tells which versions are in use.

        Raises:
            EngineError: the engine does not answer.
            OSError: a folder cannot be read.
        """
        there = self._versions()
        if not folders and not there:
            return []
        used = engine.mounted_below(str(self._tiers))
        known = {name for name, tier in tiers.items() if tier.secrets.declared and name not in folders}
        found: list[SecretChange] = []
        for tier in sorted({*folders, *(path.parent.name for path in there)} - known):
            wanted = folders.get(tier)
            others = [path for path in there if path.parent.name == tier and str(path) in used]
            others = [path for path in others if wanted is None or str(path) != wanted.path]
            before = _read(max(others, key=_age)) if others else {}
            if wanted is None:
                found += differences(tier, before, {})
                continue
            written = Path(wanted.path) in there
            if before or not written:
                removed = not written and wanted.path in used
                found += differences(tier, before, wanted.content, by_hand=removed)
            if written:
                found += differences(tier, _as_written(Path(wanted.path)), wanted.content, by_hand=True)
        return found

    def lost(self, folders: Mapping[str, SecretFolder], tiers: Mapping[str, Tier], engine: Engine) -> list[str]:
        """The tiers whose nodes have a folder mounted that was removed by hand: they cannot see the one in its place.

        Args:
            folders: tier to what has to be there.
            tiers: the declared tiers.
            engine: tells which folders nodes have.

        Raises:
            EngineError: the engine does not answer.
        """
        paths = _folders(tiers)
        missing = self.missing(tiers, engine)
        # The folder may have been written again by a run that failed before it replaced the nodes.
        removed = engine.removed_below(str(self._tiers)) if paths else set()
        # Without their values, new nodes would not find them either.
        return [
            name
            for name, path in paths.items()
            if (name in missing or path in removed) and (name in folders or Path(path).is_dir())
        ]

    def missing(self, tiers: Mapping[str, Tier], engine: Engine) -> list[str]:
        """The tiers whose nodes have a folder mounted that is not there; for this, no value needs to be known.

        Raises:
            EngineError: the engine does not answer.
            OSError: a folder cannot be looked for.
        """
        missing = {name: path for name, path in _folders(tiers).items() if not Path(path).is_dir()}
        used = engine.mounted_below(str(self._tiers)) if missing else set()
        return [name for name, path in missing.items() if path in used]

    def write(self, folders: Iterable[SecretFolder]) -> None:
        """Write what is missing, and write again what was changed by hand.

        Raises:
            WriteError: a folder cannot be written; nothing half-written has a version's name.
        """
        for folder in folders:
            path = Path(folder.path)
            try:
                for place in (self._tiers, path.parent):
                    place.mkdir(mode=_CLOSED, parents=True, exist_ok=True)
                    place.chmod(_CLOSED)
                if path.is_dir():
                    _mend(path, folder.content)
                else:
                    _make(path, folder.content)
            except WriteError:
                raise
            except OSError as error:
                name, got = str(error.filename or path), f"'{error.strerror or error}'"
                fix = "see df, or run it as root"
                raise WriteError(Problem(name, got, "a folder that can be written", fix)) from error

    def clean(self, tiers: Mapping[str, Tier], engine: Engine) -> None:
        """Remove the versions that are neither declared nor mounted, and what a killed run had begun to write.

        Raises:
            EngineError: the engine does not answer.
            OSError: a folder cannot be removed.
        """
        declared = {tier.secrets.folder for tier in tiers.values()}
        stray = [path for path in self._versions() if str(path) not in declared]
        if not stray:
            return
        used = engine.mounted_below(str(self._tiers))
        for path in stray:
            if str(path) not in used:
                shutil.rmtree(path)
        for place in (*{path.parent for path in stray}, self._tiers):
            with contextlib.suppress(OSError):  # there is another version in it
                place.rmdir()

    def _versions(self) -> list[Path]:
        """All folders of versions; none for a user that may not look."""
        try:
            found = [path for tier in self._tiers.iterdir() if is_folder(tier) for path in tier.iterdir()]
            return sorted(path for path in found if is_folder(path))
        except (FileNotFoundError, PermissionError):
            return []


def _folders(tiers: Mapping[str, Tier]) -> dict[str, str]:
    """The folders of the tiers that have one."""
    return {name: tier.secrets.folder for name, tier in tiers.items() if tier.secrets.folder}


def _is_asked(tier: Tier, given: Mapping[str, object]) -> bool:
    return tier.name in given or not tier.secrets.folder


def _content(tier: Tier, given: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    try:
        return folder_content(tier.secrets, given.get(tier.name, {}))
    except KeyError as error:
        raise SecretInputError(
            Problem(
                f"secrets of tier {tier.name}",
                f"no value of {error.args[0]}",
                "the values of all its secrets",
                "tier_secrets: what the filter evenkeel.cluster.tier_secrets makes of cluster_tiers",
            )
        ) from None


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


def _read(path: Path) -> dict[str, str]:
    """The content of a version's folder."""
    return {item.name: item.read_text(encoding="utf-8", errors="replace") for item in path.iterdir() if item.is_file()}


def _as_written(path: Path) -> dict[str, str]:
    """The same without what not all users of a node can read any more."""
    if _mode(path) != _OPEN:
        return {}
    return {name: text for name, text in _read(path).items() if _mode(path / name) == _FILE}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _make(path: Path, content: Mapping[str, str]) -> None:
    """A new folder, which gets its name when everything is on the disk."""
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        for name, text in content.items():
            write_atomically(temporary / name, text, _FILE)
        temporary.chmod(_OPEN)
        _sync(temporary)
        temporary.rename(path)
        _sync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _mend(path: Path, content: Mapping[str, str]) -> None:
    """Set the folder of a version back file by file: nodes that run have this folder itself mounted."""
    for item in path.iterdir():
        if item.name in content:
            continue
        # A folder is what a file was replaced by, moved aside.
        if is_folder(item):
            shutil.rmtree(item)
        else:
            item.unlink()
    for name, text in content.items():
        file = path / name
        if not file.is_file() or file.read_bytes() != text.encode() or _mode(file) != _FILE:
            write_atomically(file, text, _FILE)
    path.chmod(_OPEN)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
