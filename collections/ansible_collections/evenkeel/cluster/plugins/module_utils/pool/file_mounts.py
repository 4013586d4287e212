# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: what is in the files that nodes have mounted, so that a changed secret makes another revision."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..cluster.spec import Tier

#: The key of a mount with the digest of its file.
CONTENT = "content"
_SECCOMP = "seccomp"
# Larger files are data rather than settings.
_LARGEST = 16 * 1024**2


def with_contents(tier: Tier) -> Tier:
    """The tier with its profile, and with a digest beside each mount of a file that its nodes only read.

    A node keeps the file that it was started with when an editor replaces it, and most applications read theirs once.
    Volumes and folders are the application's own affair, and what nodes write changes without being a change.
    """
    mounts = [{**mount, **_content(mount)} for mount in tier.mounts]
    profiles = [_with_profile(option) for option in tier.container.security_opt]
    container = dataclasses.replace(tier.container, security_opt=profiles)
    return dataclasses.replace(tier, mounts=mounts, container=container)


def _with_profile(option: str) -> str:
    """A file with a profile, as what is in it: the engine takes no name of a file, and another profile is a change."""
    kind, _equals, path = option.partition("=")
    if kind != _SECCOMP or not path.startswith("/"):
        return option
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Docker tells it when a node starts
        return option
    return f"{_SECCOMP}={json.dumps(content, separators=(',', ':'), sort_keys=True)}"


def _content(mount: Mapping[str, Any]) -> dict[str, str]:
    source = str(mount["source"])
    if not mount["read_only"] or not source.startswith("/"):
        return {}
    try:
        # Not blocking, because it may be a pipe.
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # not there, which Docker tells, or for root alone
        return {}
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return {}
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return {CONTENT: hashlib.sha256(stream.read()).hexdigest()}
    finally:
        os.close(descriptor)
