# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The words for a measurement's verdict; the same in modules, reports and pages."""

from __future__ import annotations

from collections.abc import Collection

PASSED = "pass"
FAILED = "fail"
NOT_MEASURED = "not measured"
STOPPED = "stopped"
PLANNED = "planned"

# The verdict of a claim, in words and as a mark.
CLAIM_WORDS = {PASSED: "proved", FAILED: "not proved", NOT_MEASURED: "not measured"}
CLAIM_MARKS = {PASSED: "✓", FAILED: "✗", NOT_MEASURED: "-"}


def verdict_from(problems: Collection[object]) -> str:
    """``pass`` without problems, else ``fail``."""
    return FAILED if problems else PASSED
