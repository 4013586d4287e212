"""The benchmarks find the results of a playbook among all else that is printed."""

from __future__ import annotations

import json

import pytest
from tests.bench.common import _report

DOCUMENT = {"plays": [{"tasks": []}], "stats": {"this": {"changed": 1}}}
TEXT = json.dumps(DOCUMENT, indent=4)
PROGRESS = "  static-4: started 0.3 s\n  static-1: drains\n"


@pytest.mark.parametrize(
    "output, report",
    [
        (f"{TEXT}\n", DOCUMENT),
        (f"{PROGRESS}{TEXT}\n", DOCUMENT),
        (f"{PROGRESS}{TEXT}\n\nSTAGES ****\nnode_pool  1.0 s\n", DOCUMENT),
        ("  control:    3.0 s  stop (static): got {\n  12.0 s  4800 sent, 0 failed\n" + TEXT, DOCUMENT),
        (PROGRESS, {}),
        ("", {}),
    ],
)
def test_the_document_is_found(output: str, report: dict[str, object]) -> None:
    assert _report(output) == report
