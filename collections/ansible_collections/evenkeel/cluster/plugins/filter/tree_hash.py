# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The content hash of an image's build context, and the list of files that it covers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tree_hash
short_description: Hash a build context and list its files
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Walks a directory on the controller and hashes names, types, executable bits and contents, together with a salt.
  - Files that the directory's C(.dockerignore) excludes are excluded here too.
  - Times, owners and the other mode bits are ignored, because a checkout does not preserve them.
positional: _input
options:
  _input:
    description: The directory, on the controller.
    type: path
    required: true
  salt:
    description: Anything else that the hash must depend on, as data that can be written as JSON.
    type: raw
    default: null
  exclude:
    description: Additional patterns to exclude, in the syntax of C(.dockerignore).
    type: list
    elements: str
    default: []
notes:
  - Needs the Docker SDK for Python on the controller; it uses the SDK's matcher for C(.dockerignore).
"""

EXAMPLES = r"""
- name: Show the tag for the content of a build context
  ansible.builtin.debug:
    msg: "{{ ('files/static' | evenkeel.cluster.tree_hash(salt={'base': 'evenkeel/base:trixie'})).tag }}"
"""

RETURN = r"""
_value:
  description: The hash and the files it covers.
  type: dict
  contains:
    digest:
      description: SHA-256 in hexadecimal digits.
      type: str
      sample: b9ed47b62c5b8a1f6d1f0d5c3f5f0f6a0f3c9e0b7d4e8a2c1b6f5d3e7a9c8b10
    tag:
      description: The first 12 digits of the digest, for an image tag.
      type: str
      sample: b9ed47b62c5b
    files:
      description: The files and symbolic links covered, relative to the directory, sorted.
      type: list
      elements: str
      sample: [Dockerfile, src/app.js]
"""

import hashlib
import json
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

_IGNORE_FILE = ".dockerignore"
_TAG_DIGITS = 12
_BLOCK = 1 << 20


def _ignore_patterns(root: Path) -> list[str]:
    path = root / _IGNORE_FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _included(root: Path, patterns: list[str]) -> list[str]:
    """What the patterns leave, as the engine would see it.

    Raises:
        AnsibleFilterError: the Docker SDK is not installed.
    """
    try:
        # Here, because each task with any filter of the collection loads this file, and the SDK takes 0.1 s.
        from docker.utils.build import exclude_paths  # noqa: PLC0415
    except ImportError as error:
        message = f"tree_hash: got {error}, want the Docker SDK on the controller (fix: pip install docker)"
        raise AnsibleFilterError(message) from None
    return [str(name) for name in exclude_paths(str(root), patterns)]


def _entry_digest(path: Path) -> str:
    """What the hash covers of one entry: its type and executable bit, then its content or target."""
    if path.is_symlink():
        return f"link {path.readlink()}"
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        message = f"{path}: got a socket, pipe or device, want files, directories and links only (fix: remove it)"
        raise AnsibleFilterError(message)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    kind = "executable" if status.st_mode & stat.S_IXUSR else "file"
    return f"{kind} {digest.hexdigest()}"


def tree_hash(path: str, salt: object = None, exclude: Iterable[str] = ()) -> dict[str, Any]:
    """Hash a directory's files.

    Args:
        path: the directory, on the controller.
        salt: data that can be written as JSON, and that the hash covers as well.
        exclude: ``.dockerignore`` patterns that override the directory's own file.

    Returns:
        ``digest`` (64 hexadecimal digits), ``tag`` (the first 12) and ``files`` (sorted, relative).

    Raises:
        AnsibleFilterError: the directory is missing or unreadable, it contains a name or an entry that a build context
            cannot have, or the Docker SDK is not installed.
    """
    root = Path(path)
    if not root.is_dir():
        message = f"build context: got '{path}', want a directory on the controller (fix: correct the tier's context)"
        raise AnsibleFilterError(message)
    try:
        patterns = [*_ignore_patterns(root), *exclude]
        # The matcher always keeps the ignore file, because the engine reads it; the hash does not need it.
        names = sorted(name for name in _included(root, patterns) if name != _IGNORE_FILE)
        files = [name for name in names if (root / name).is_symlink() or not (root / name).is_dir()]
        broken = next((name for name in files if "\n" in name), None)
        if broken is not None:
            message = f"{root}: got the file name {broken!r}, want one without line breaks (fix: rename it)"
            raise AnsibleFilterError(message)
        entries = [[name, _entry_digest(root / name)] for name in files]
    except OSError as exc:
        message = f"{exc.filename or root}: got '{exc.strerror}', want a readable file (fix: correct its permissions)"
        raise AnsibleFilterError(message) from exc
    content = json.dumps({"entries": entries, "salt": salt}, sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"digest": digest, "tag": digest[:_TAG_DIGITS], "files": files}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"tree_hash": tree_hash}
