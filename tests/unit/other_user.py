"""Run a piece of the library as a user without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534
LIBRARY = Path(__file__).parents[2] / "collections/ansible_collections/evenkeel/cluster/plugins/module_utils"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to be another user")


def as_nobody(module: str, expression: str) -> str:
    """The value of an expression over a module of the library (as ``m``) in a process of an unprivileged user."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-") as folder:
        Path(folder).chmod(0o755)
        # The user may not be allowed to enter the folder of the project.
        shutil.copytree(LIBRARY, Path(folder) / "module_utils", ignore=shutil.ignore_patterns("__pycache__"))
        code = f"import sys; sys.path.insert(0, {folder!r})\nimport module_utils.{module} as m\nprint({expression})"
        outcome = subprocess.run(
            ["/usr/bin/python3", "-I", "-B", "-c", code],
            check=True,
            capture_output=True,
            text=True,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
        )
    return outcome.stdout.strip()
