# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A drill's result and its files, from what was measured."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.drill_results import ControlFigures, DrillResult
from ..core.errors import Finding
from ..core.verdict import PASSED, PLANNED, STOPPED
from .judge import Evidence, add_up
from .options import Settings
from .records import Record, saved
from .result import figures_result
from .verdict import control_line, control_verdict, judge_control, success, summary_line, verdict_of


def planned(settings: Settings) -> dict[str, Any]:
    """What check mode tells."""
    plan = settings.plan()
    return {
        "changed": bool(settings.events),
        "verdict": PLANNED,
        "message": (
            f"{settings.subject}: would send {plan['requests']} requests at {settings.rate:g}/s and perform"
            f" {len(settings.events)} events in {plan['seconds']:g} s"
            + (", then the control" if settings.control else "")
        ),
        "problems": [],
        "plan": plan,
        "files": [],
    }


def conclude(settings: Settings, evidence: Evidence, control: Evidence | None) -> DrillResult:
    """The module's result."""
    figures = add_up(evidence)
    verdict, problems = verdict_of(evidence, figures, settings.limits)
    text = success(evidence, figures)
    controlled: ControlFigures | None = None
    if control is not None:
        control_figures = add_up(control)
        failed, control_problems = judge_control(control, control_figures, settings.limits)
        line = control_line(control, control_figures, failed)
        controlled = {"failed": failed, "message": line, **figures_result(control, control_figures)}
        text += f"; {line}"
        problems = [*problems, *control_problems]
        if control_problems and verdict == PASSED:
            verdict = control_verdict(control, control_figures, settings.limits)
    elif settings.control and verdict == PASSED:
        verdict = STOPPED
        problems = [Finding("a signal before the control", "the whole drill", "run it again")]
    else:
        text += "; no control"
    result: DrillResult = {
        "changed": bool(evidence.reports),
        "plan": settings.plan(),
        "drill": figures_result(evidence, figures),
        "verdict": verdict,
        "message": summary_line(settings.subject, verdict, problems, text),
        "problems": [str(problem) for problem in problems],
    }
    if controlled is not None:
        result["control"] = controlled
    return result


def write(settings: Settings, name: str, result: Mapping[str, Any], loads: Mapping[str, Evidence | None]) -> list[str]:
    """Write the report, and one line per request, into the folder; the names of the files."""
    if not settings.folder:
        return []
    stem = f"{settings.scenario}-{name}"
    files = []
    for suffix, evidence in loads.items():
        if evidence is not None:
            path = Path(settings.folder) / f"{stem}{suffix}.jsonl.gz"
            write_records(path, evidence.records)
            files.append(str(path))
    report = Path(settings.folder) / f"{stem}.json"
    report.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return [str(report), *files]


def write_records(path: Path, records: Sequence[Record]) -> None:
    """One JSON object per request and line."""
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(saved(record)) + "\n")
