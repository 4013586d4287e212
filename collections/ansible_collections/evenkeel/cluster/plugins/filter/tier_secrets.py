# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The values of all tiers' secrets as one text, for the modules that need them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tier_secrets
short_description: Pack the values of the tiers' secrets for modules
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Makes one text of the values of C(secrets) and C(secret_environment) of all tiers, and of what is in their
    C(env_file), which it reads on the controller.
  - The text is as secret as the values. Pass it to options with C(no_log) only, and keep it in no fact.
  - Judges nothing. A file that cannot be read is told by M(evenkeel.cluster.preflight).
positional: _input
options:
  _input:
    description: The tiers, as C(cluster_tiers) declares them.
    type: raw
    required: true
  root:
    description: Folder on the controller where relative paths of C(env_file) start.
    type: path
    default: ""
  read_files:
    description: Whether to read the files of C(env_file). What removes a cluster needs none, and they may be gone.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Reconcile the pool
  evenkeel.cluster.node_pool:
    cluster: "{{ cluster_spec.name }}"
    network: "{{ cluster_spec.network }}"
    tiers: "{{ cluster_spec.tiers }}"
    tier_secrets: "{{ cluster_tiers | evenkeel.cluster.tier_secrets(playbook_dir) }}"
    secrets_dir: "{{ cluster_spec.paths.secrets_dir }}"
    routes_file: "{{ cluster_spec.paths.routes_file }}"
    api_url: "{{ cluster_spec.api.url }}"
    api_password_file: "{{ cluster_spec.api.password_file }}"
"""

RETURN = r"""
_value:
  description: The text; empty if no tier has secrets.
  type: str
  sample: ""
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..module_utils.cluster.secrets import ENV_FILE, SECRET_OPTIONS, pack

_LARGEST = 1024**2


def tier_secrets(tiers: object, root: str = "", *, read_files: bool = True) -> str:
    """The values of all tiers' secrets as one text.

    Args:
        tiers: the declared tiers, whatever is in them.
        root: the folder that relative paths start from.
        read_files: whether to read files of variables; otherwise they count as empty.
    """
    found = (
        {str(name): _secrets(tier, root if read_files else None) for name, tier in tiers.items()}
        if isinstance(tiers, Mapping)
        else {}
    )
    return pack({name: options for name, options in found.items() if options})


def _secrets(tier: object, root: str | None) -> dict[str, Any]:
    if not isinstance(tier, Mapping):
        return {}
    options = {key: tier[key] for key in SECRET_OPTIONS if key in tier}
    path = tier.get(ENV_FILE)
    if not isinstance(path, str) or not path:
        return options
    return {**options, ENV_FILE: {"text": ""} if root is None else _read(Path(root, path))}


def _read(path: Path) -> dict[str, str]:
    """The text of a file, or why there is none."""
    try:
        if not path.is_file():
            return {"problem": "a folder" if path.is_dir() else "no file"}
        if os.path.getsize(path) >= _LARGEST:
            return {"problem": "1 MiB or more"}
        return {"text": path.read_text(encoding="utf-8")}
    except UnicodeDecodeError:
        return {"problem": "bytes that are not UTF-8"}
    except OSError as error:
        return {"problem": f"'{error.strerror or error}'"}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"tier_secrets": tier_secrets}
