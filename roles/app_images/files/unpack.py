# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Unpack parts of a wheel: ``unpack.py WHEEL PART=TARGET...``.

PART is a regular expression for the start of a member's name; what follows it in the name is appended to TARGET.
Wheels lose the executable bit of what is not a script of theirs, so a part that names one file gets it back.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from pathlib import Path


def unpack(wheel: Path, parts: dict[str, Path]) -> None:
    """Unpack the members that begin with one of the parts.

    :raises SystemExit: with one line, when a part is not in the wheel.
    """
    patterns = {re.compile(part): target for part, target in parts.items()}
    found = set()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            for pattern, target in patterns.items():
                match = pattern.match(member.filename)
                if match is None:
                    continue
                found.add(pattern)
                rest = member.filename[match.end() :]
                path = target / rest if rest else target
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, path.open("wb") as destination:
                    shutil.copyfileobj(source, destination, 1 << 20)
                path.chmod(0o644 if rest else 0o755)
    for pattern in patterns.keys() - found:
        sys.exit(f"{wheel.name}: got no member {pattern.pattern}, want one (fix: pin a version that has it)")


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), {part: Path(target) for part, target in (item.split("=", 1) for item in sys.argv[2:])})
