# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Judge measurements and write a report of them; compare two reports. What the modules of the report do."""

from __future__ import annotations

import dataclasses
import datetime
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.folder import write_folder
from . import charts
from .claim import Claim, Measurements
from .comparison import compare, comparison_lines
from .document import FULL, ReportContext, as_json, clean, document_of, read_document
from .page import comparison_pages, report_pages
from .provenance import provenance_of
from .summary import claim_lines, failure_text, summary_lines

_VERIFICATION = "raw/verification.json.gz"
_CONTENT = {".jsonl.gz": "one line per request of a drill", ".json": "the figures of a drill"}


def _stamp(now: datetime.datetime) -> str:
    """The time in a folder's name; without colons, which some file systems do not take."""
    return now.strftime("%Y%m%dT%H%M%SZ")


def raw_files(paths: Sequence[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Files to copy beside the report, and the content of each in words."""
    copies, contents = {}, {}
    for path in map(Path, paths):
        name = f"raw/{path.name}"
        copies[name] = path
        contents[name] = next(
            (what for ending, what in _CONTENT.items() if name.endswith(ending)), "as it was measured"
        )
    return copies, contents


def drawn(claims: Sequence[Claim]) -> list[list[str]]:
    """The charts of each claim, as SVG elements."""
    pictures: list[list[str]] = []
    number = 0
    for claim in claims:
        pictures.append([])
        for chart in claim.charts:
            number += 1
            pictures[-1].append(charts.draw(chart, number))
    return pictures


def write_report(
    params: Mapping[str, Any], now: datetime.datetime, ansible_version: str, *, write: bool
) -> dict[str, Any]:
    """Judge the claims, and write the report.

    Args:
        params: the options of the module ``report``.
        now: the time of the report, UTC.
        ansible_version: of the ansible-core that runs.
        write: false only judges.

    Returns:
        The result of the module.

    Raises:
        FolderError: the folder cannot be written.
        PageError: a page cannot be made.
    """
    measured = measurements_of(params)
    copies, contents = raw_files(params["raw"])
    context = ReportContext(
        created=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        kind=params["kind"],
        provenance=provenance_of(params["provenance"], Path(params["root"]), ansible_version),
        variables=params["variables"],
        raw={_VERIFICATION: "the results of all measurements", **contents},
    )
    document, claims = document_of(measured, context)
    name = f"{_stamp(now)}-{params['cluster']['name']}"
    path, files = Path(params["folder"]) / name, []
    if write:
        pages = report_pages(params["templates"], document, drawn(claims))
        pages_and_data = {
            **{file: text.encode() for file, text in pages.items()},
            "results.json": as_json(document).encode(),
            _VERIFICATION: gzip.compress(_verification(measured).encode(), mtime=0),
        }
        write_folder(path.parent, name, pages_and_data, copies)
        files = sorted([*pages_and_data, *copies])
    page = str(path / "report.html") if write else ""
    return {
        "changed": write,
        "verdict": document["verdict"],
        "message": document["message"],
        "claims": [
            {key: claim[key] for key in ("id", "title", "verdict", "red", "problems")} for claim in document["claims"]
        ],
        "lines": claim_lines(claims),
        "summary": summary_lines(measured, claims, page),
        "failure": failure_text(claims, page),
        "drift": document["drift"],
        "path": str(path) if write else "",
        "files": files,
    }


def measurements_of(params: Mapping[str, Any]) -> Measurements:
    """The measurements among the module's options."""
    return Measurements(
        spec=params["cluster"],
        pool=params["pool"],
        balance=params["balance"],
        sticky=params["sticky"],
        management=params["management"],
        drills=params["drills"],
        drills_due=params["kind"] == FULL,
        user=params["user"],
        portainer_password=params["portainer_password_file"] or "",
    )


def _verification(measured: Measurements) -> str:
    whole = clean(measured)
    parts = {name: getattr(whole, name) for name in ("pool", "balance", "sticky", "management", "drills")}
    return json.dumps(parts, ensure_ascii=False) + "\n"


def write_comparison(params: Mapping[str, Any], now: datetime.datetime, *, write: bool) -> dict[str, Any]:
    """Compare two reports, and write a page.

    Args:
        params: the options of the module ``report_compare``.
        now: the time of the comparison, UTC.
        write: false only compares.

    Returns:
        The result of the module.

    Raises:
        DocumentError: one of them is no report.
        FolderError: the folder cannot be written.
        PageError: the page cannot be made.
    """
    old, new = read_document(Path(params["old"]), "old"), read_document(Path(params["new"]), "new")
    found = compare(old, new)
    path = ""
    if write and params["folder"]:
        pages = comparison_pages(params["templates"], old, new, found)
        name = f"{_stamp(now)}-comparison"
        files = {file: text.encode() for file, text in pages.items()}
        path = str(write_folder(Path(params["folder"]), name, files, {}))
    return {
        "changed": bool(path),
        "differences": {part: [dataclasses.asdict(one) for one in changed] for part, changed in found.items()},
        "lines": [f"{old['cluster']} {old['created']} -> {new['cluster']} {new['created']}", *comparison_lines(found)],
        "path": path,
    }
