# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A report as data, the content of results.json. Pure.

Its schema is docs/results.schema.json. A change that breaks a reader raises SCHEMA.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

from ..core.errors import EvenkeelError, Problem
from ..core.redaction import redacted, without_address_credentials
from ..core.results import DriftReport
from ..pool.drift import drift_report
from .chart_data import Chart
from .claim import Claim, Control, Measurements, Table
from .claims import claims_of, overall
from .procedures import Step

SCHEMA = 1
QUICK, FULL = "quick", "full"
# Many, and all of them follow from the tier's options.
_SPEC_LEFT_OUT = ("labels",)


class ClaimDocument(TypedDict):
    """A claim in results.json; see :class:`report.claim.Claim`."""

    id: str
    title: str
    procedure: list[Any]
    thresholds: list[str]
    measured: list[str]
    verdict: str
    due: bool
    red: bool
    problems: list[str]
    notes: list[str]
    controls: list[Any]
    charts: list[Any]
    tables: list[Any]
    figures: dict[str, float | None]


class InventoryDocument(TypedDict):
    """The declaration in results.json."""

    cluster: dict[str, Any]
    variables: dict[str, Any]


class ReportDocument(TypedDict):
    """The content of results.json."""

    schema: int
    created: str
    kind: str
    cluster: str
    verdict: str
    message: str
    claims: list[ClaimDocument]
    drift: DriftReport
    provenance: dict[str, Any]
    inventory: InventoryDocument
    raw: dict[str, str]


class DocumentError(EvenkeelError):
    """A results.json cannot be used."""


@dataclasses.dataclass(frozen=True)
class ReportContext:
    """What belongs to a report besides the measurements.

    Attributes:
        created: UTC time, ISO 8601.
        kind: ``quick`` or ``full``.
        provenance: versions, images, machine.
        variables: the inventory's variables.
        raw: files beside the report, and the content of each in words.
    """

    created: str
    kind: str
    provenance: Mapping[str, Any]
    variables: Mapping[str, Any]
    raw: Mapping[str, str] = dataclasses.field(default_factory=dict)


def document_of(measured: Measurements, context: ReportContext) -> tuple[ReportDocument, list[Claim]]:
    """The report as data, without secrets, and its claims."""
    claims = claims_of(clean(measured))
    verdict, message = overall(claims)
    document: ReportDocument = {
        "schema": SCHEMA,
        "created": context.created,
        "kind": context.kind,
        "cluster": str(measured.spec["name"]),
        "verdict": verdict,
        "message": message,
        "claims": [_claim(claim) for claim in claims],
        "drift": without_address_credentials(drift_report(measured.pool)),
        "provenance": redacted(context.provenance),
        "inventory": {
            "cluster": redacted(_specification(measured.spec)),
            "variables": redacted(context.variables),
        },
        "raw": dict(context.raw),
    }
    return document, claims


def clean(measured: Measurements) -> Measurements:
    """The measurements without credentials in addresses, and without the keys that Ansible adds."""
    parts = {
        name: without_address_credentials(_bare(getattr(measured, name)))
        for name in ("pool", "balance", "sticky", "management", "drills")
    }
    return dataclasses.replace(measured, **parts)


def _bare(value: Any) -> Any:
    """Without the arguments of a task, which may contain secrets, and Ansible's own keys."""
    if isinstance(value, Mapping):
        return {
            key: _bare(item) if isinstance(item, Mapping) and "verdict" in item else item
            for key, item in value.items()
            if key != "invocation" and not str(key).startswith(("_ansible", "__", "ansible_loop"))
        }
    if isinstance(value, (list, tuple)):
        return [_bare(item) for item in value]
    return value


def _specification(spec: Mapping[str, Any]) -> dict[str, Any]:
    tiers = [{key: value for key, value in tier.items() if key not in _SPEC_LEFT_OUT} for tier in spec["tiers"]]
    return {**spec, "tiers": tiers}


def _claim(claim: Claim) -> ClaimDocument:
    return {
        "id": claim.id,
        "title": claim.title,
        "procedure": _plain(claim.procedure),
        "thresholds": list(claim.thresholds),
        "measured": list(claim.measured),
        "verdict": claim.verdict,
        "due": claim.due,
        "problems": list(claim.problems),
        "notes": list(claim.notes),
        "controls": _plain(claim.controls),
        "charts": _plain(claim.charts),
        "tables": _plain(claim.tables),
        "figures": dict(claim.figures),
        "red": claim.red,
    }


def _plain(parts: Iterable[Step | Control | Chart | Table]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(part) for part in parts]


def as_json(document: ReportDocument) -> str:
    """The text of results.json."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def parse_document(text: str, name: str) -> ReportDocument:
    """Read a results.json.

    Raises:
        DocumentError: it is no report, or one of another version.
    """
    fix = "pass a results.json that playbooks/verify.yml or prove.yml wrote"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DocumentError(Problem(name, f"text that is not JSON ({error})", "a report", fix)) from error
    if not isinstance(found, dict) or "schema" not in found:
        raise DocumentError(Problem(name, "JSON without a schema number", "a report", fix))
    if found["schema"] != SCHEMA:
        raise DocumentError(
            Problem(name, f"schema {found['schema']!r}", f"{SCHEMA}", "measure again with this version of Evenkeel")
        )
    missing = [key for key in ReportDocument.__annotations__ if key not in found]
    if missing:
        raise DocumentError(Problem(name, f"a report without {missing[0]}", "a whole one", fix))
    if not isinstance(found["claims"], list) or not all(
        isinstance(claim, dict) and {"id", "title", "verdict", "figures", "problems"} <= claim.keys()
        for claim in found["claims"]
    ):
        raise DocumentError(Problem(name, "claims without id, title or verdict", "a whole report", fix))
    return cast("ReportDocument", found)


def read_document(path: Path, what: str) -> ReportDocument:
    """The report in a folder, or the results.json itself.

    Raises:
        DocumentError: it cannot be read, or is no report.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        return parse_document(file.read_text(encoding="utf-8"), f"{what} ({file})")
    except OSError as error:
        raise DocumentError(
            Problem(what, f"{error.strerror} for {file}", "a report", "pass the folder of one, see evidence/")
        ) from error
    except UnicodeDecodeError as error:
        raise DocumentError(Problem(what, f"bytes that are no text in {file}", "a report", "pass another")) from error
