# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The words for what a measurement came to; the same in modules, reports and pages."""

from __future__ import annotations

PASSED = "pass"
FAILED = "fail"
NOT_MEASURED = "not measured"
STOPPED = "stopped"
PLANNED = "planned"
