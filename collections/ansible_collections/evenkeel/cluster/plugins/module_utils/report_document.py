# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A report as data: what results.json holds, and what two of them differ in. Pure.

The form is published as docs/results.schema.json. A change that breaks a reader raises SCHEMA.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.claim import Claim, Measurements
from ansible_collections.evenkeel.cluster.plugins.module_utils.claims import claims_of, overall
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool_drift import drift_report
from ansible_collections.evenkeel.cluster.plugins.module_utils.redaction import (
    redacted,
    without_address_credentials,
)

SCHEMA = 1
QUICK, FULL = "quick", "full"
_REQUIRED = ("schema", "created", "kind", "cluster", "verdict", "message", "claims", "drift", "provenance", "inventory")
_SHOWN = 80
# The labels say nothing that the tier's options do not, and are many.
_SPEC_LEFT_OUT = ("labels",)


class DocumentError(Exception):
    """A results.json cannot be used; one line ``what: got ..., want ... (fix: ...)``."""


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What is not measured, but belongs to the measurement.

    Attributes:
        created: UTC time, ISO 8601.
        kind: ``quick`` or ``full``.
        provenance: versions, images, machine.
        variables: the inventory's variables.
        raw: files beside the report, and what is in each.
    """

    created: str
    kind: str
    provenance: Mapping[str, Any]
    variables: Mapping[str, Any]
    raw: Mapping[str, str] = dataclasses.field(default_factory=dict)


def document_of(measured: Measurements, circumstances: Circumstances) -> tuple[dict[str, Any], list[Claim]]:
    """The report as data, without secrets, and its claims."""
    claims = claims_of(clean(measured))
    verdict, message = overall(claims)
    document = {
        "schema": SCHEMA,
        "created": circumstances.created,
        "kind": circumstances.kind,
        "cluster": str(measured.spec["name"]),
        "verdict": verdict,
        "message": message,
        "claims": [_claim(claim) for claim in claims],
        "drift": without_address_credentials(drift_report(measured.pool)),
        "provenance": redacted(circumstances.provenance),
        "inventory": {
            "cluster": redacted(_specification(measured.spec)),
            "variables": redacted(circumstances.variables),
        },
        "raw": dict(circumstances.raw),
    }
    return document, claims


def clean(measured: Measurements) -> Measurements:
    """The measurements without credentials in addresses, and without what Ansible adds."""
    parts = {
        name: without_address_credentials(_bare(getattr(measured, name)))
        for name in ("pool", "balance", "sticky", "management", "drills")
    }
    return dataclasses.replace(measured, **parts)


def _bare(value: Any) -> Any:
    """Without a task's arguments, which may name secrets, and Ansible's own marks."""
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


def _claim(claim: Claim) -> dict[str, Any]:
    found = dataclasses.asdict(claim)
    found["red"] = claim.red
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def as_json(document: Mapping[str, Any]) -> str:
    """The text of results.json."""
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def parse_document(text: str, name: str) -> dict[str, Any]:
    """Read a results.json.

    Raises:
        DocumentError: it is none, or of another version.
    """
    fix = "pass a results.json that playbooks/verify.yml or prove.yml wrote"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DocumentError(f"{name}: got text that is not JSON ({error}), want a report (fix: {fix})") from error
    if not isinstance(found, dict) or "schema" not in found:
        raise DocumentError(f"{name}: got JSON without a schema number, want a report (fix: {fix})")
    if found["schema"] != SCHEMA:
        raise DocumentError(
            f"{name}: got schema {found['schema']!r}, want {SCHEMA} (fix: measure again with this version of Evenkeel)"
        )
    missing = [key for key in _REQUIRED if key not in found]
    if missing:
        raise DocumentError(f"{name}: got a report without {missing[0]}, want a whole one (fix: {fix})")
    if not isinstance(found["claims"], list) or not all(
        isinstance(claim, dict) and {"id", "title", "verdict", "figures", "problems"} <= claim.keys()
        for claim in found["claims"]
    ):
        raise DocumentError(f"{name}: got claims without id, title or verdict, want a whole report (fix: {fix})")
    return found


# --------------------------------------------------------------------------
# Two reports
# --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Difference:
    """What changed; None where it was or is absent."""

    what: str
    old: Any
    new: Any


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Difference]]:
    """What changed from the old report to the new one, in claims, figures, provenance and inventory."""
    olds, news = ({claim["id"]: claim for claim in report["claims"]} for report in (old, new))
    ids = list(dict.fromkeys([*olds, *news]))
    verdicts = (
        Difference(
            (news.get(key) or olds[key])["title"], olds.get(key, {}).get("verdict"), news.get(key, {}).get("verdict")
        )
        for key in ids
    )
    return {
        "claims": [found for found in verdicts if found.old != found.new],
        "figures": [
            Difference(f"{key}: {found.what}" if found.what else key, found.old, found.new)
            for key in ids
            for found in differences(olds.get(key, {}).get("figures", {}), news.get(key, {}).get("figures", {}))
        ],
        "provenance": differences(old["provenance"], new["provenance"]),
        "inventory": differences(old["inventory"], new["inventory"]),
    }


def differences(old: Any, new: Any, name: str = "") -> list[Difference]:
    """Leaves that differ, by their path."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            found
            for key in dict.fromkeys([*old, *new])
            for found in differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
        ]
    if _named(old) and _named(new):
        return differences({item["name"]: item for item in old}, {item["name"]: item for item in new}, name)
    return [] if old == new else [Difference(name, old, new)]


def _named(value: Any) -> bool:
    """A list of things with names, of which the order says nothing."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) and "name" in item for item in value)
    )


def comparison_lines(found: Mapping[str, Sequence[Difference]], most: int = 12) -> list[str]:
    """The differences for a terminal, cut after some per part."""
    lines = []
    for part, changed in found.items():
        lines.append(f"{part}: {len(changed)} changed" if changed else f"{part}: unchanged")
        lines += [f"  {each.what}: {shown(each.old)} -> {shown(each.new)}" for each in changed[:most]]
        if len(changed) > most:
            lines.append(f"  and {len(changed) - most} more")
    return lines


def shown(value: Any) -> str:
    """A value in few characters."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def summary_lines(claims: Iterable[Claim]) -> list[str]:
    """One line per claim for a terminal, and the problems of those that are not proved."""
    words = {"pass": "proved", "fail": "NOT PROVED", "not measured": "not measured"}
    lines = []
    for claim in claims:
        lines.append(f"{words[claim.verdict]}: {claim.title}")
        lines += [f"  {problem}" for problem in claim.problems]
        if claim.verdict == "not measured" and claim.notes and not claim.problems:
            lines.append(f"  {claim.notes[0]}")
    return lines
