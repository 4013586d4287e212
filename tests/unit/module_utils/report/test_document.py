"""A report as data, its published form, and what two of them differ in."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.unit.made_measurements import drill, measurements, part, provenance, tier

from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claim import Measurements
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.comparison import (
    Difference,
    abbreviate,
    compare,
    comparison_lines,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.document import (
    DocumentError,
    ReportContext,
    as_json,
    document_of,
    parse_document,
)

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "docs/results.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CANARY = "CANARY-7f3a"


def document(measured: Measurements | None = None, **differs: Any) -> Any:
    origin = {
        **provenance(),
        "controller": {"ansible_core": "2.19.14"},
        "evenkeel": {"version": "0.1.0", "revision": "", "dirty": None},
    }
    context = {
        "created": "2026-06-01T10:15:00Z",
        "kind": "full",
        "provenance": origin,
        "variables": {"static_nodes": 3},
        "raw": {"raw/verification.json.gz": "all"},
        **differs,
    }
    made, _ = document_of(measured or measurements(drill()), ReportContext(**context))
    return json.loads(as_json(made))


def test_the_published_form_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "measured",
    [
        measurements(drill()),
        measurements(),
        measurements(tiers=(tier("only", True, nodes=1),)),
        Measurements(spec=measurements().spec, pool={"msg": "Docker: got no answer"}, drills_due=True),
    ],
    ids=["full", "quick", "one node", "down"],
)
def test_reports_have_the_published_form(measured: Measurements) -> None:
    VALIDATOR.validate(document(measured))


def test_the_sample_report_has_the_published_form() -> None:
    VALIDATOR.validate(json.loads((ROOT / "docs/sample-report/results.json").read_text()))


def spoil(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        target: Any = report
        *parents, last = path.split(".")
        for key in parents:
            target = target[int(key) if isinstance(target, list) else key]
        if value is None:
            del target[last]
        else:
            target[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoil("schema", 2),
        spoil("schema", None),
        spoil("claims", []),
        spoil("created", "yesterday"),
        spoil("kind", "slow"),
        spoil("verdict", "maybe"),
        spoil("more", 1),
        spoil("claims.0.verdict", "proved"),
        spoil("claims.0.id", "luck"),
        spoil("claims.0.verdict", "fail"),
        spoil("claims.0.red", True),
        spoil("claims.0.problems", ["something"]),
        spoil("claims.0.controls.0.failed", "yes"),
        spoil("claims.0.charts.0.text", ""),
        spoil("claims.0.figures", {"n": "three"}),
        spoil("drift.tiers.0.docker", -1),
        spoil("provenance.evenkeel.revision", "main"),
    ],
)
def test_anything_else_has_not_the_published_form(change: Callable[[dict[str, Any]], None]) -> None:
    report = document()
    change(report)
    assert not VALIDATOR.is_valid(report)


def test_no_secret_is_in_a_report() -> None:
    secret = tier(
        "static", True, environment={"API_TOKEN": CANARY, "URL": f"postgres://u:{CANARY}@db/x", "PLAIN": CANARY}
    )
    measured = measurements(drill(), tiers=(secret, tier("dynamic", False)))
    part(measured, "pool")["invocation"] = {"module_args": {"x": CANARY}}
    part(measured, "balance", "static")["invocation"] = {"module_args": CANARY}
    part(measured, "balance", "static")["_ansible_x"] = CANARY
    report = document(
        measured,
        variables={"cluster_domain": "seen", "cluster_password": CANARY, "cluster_hosts": [f"http://{CANARY}@x"]},
    )
    text = as_json(report)
    assert CANARY not in text
    assert "seen" in text
    assert "labels" not in report["inventory"]["cluster"]["tiers"][0]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("no json", "got text that is not JSON (Expecting value: line 1 column 1 (char 0)), want a report"),
        ("[]", "got JSON without a schema number, want a report"),
        ("{}", "got JSON without a schema number, want a report"),
        ('{"schema": 0}', "got schema 0, want 1 (fix: measure again with this version of Evenkeel)"),
        ('{"schema": "2"}', "got schema '2', want 1 (fix: measure again with this version of Evenkeel)"),
        ('{"schema": 1}', "got a report without created, want a whole one"),
    ],
)
def test_a_broken_or_older_report_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(text, "old.json")
    assert str(caught.value).startswith(f"old.json: {problem}")
    assert "\n" not in str(caught.value)


def test_claims_must_be_claims() -> None:
    with pytest.raises(DocumentError, match="got claims without id, title or verdict"):
        parse_document(json.dumps({**document(), "claims": [{"id": "nodes"}]}), "x")


def test_two_reports_differ_in_what_changed() -> None:
    old = document()
    new = copy.deepcopy(old)
    new["claims"][0]["verdict"] = "fail"
    new["claims"][1]["figures"]["static: requests lost"] = 2
    new["provenance"]["docker"]["version"] = "28.0"
    new["inventory"]["cluster"]["tiers"].reverse()
    new["inventory"]["cluster"]["tiers"][0]["nodes"] = 5
    new["inventory"]["variables"]["new_nodes"] = 1
    found = compare(parse_document(as_json(old), "old"), parse_document(as_json(new), "new"))
    assert found == {
        "claims": [Difference(old["claims"][0]["title"], "pass", "fail")],
        "figures": [Difference("distribution: static: requests lost", 0, 2)],
        "provenance": [Difference("docker.version", "27.5.1", "28.0")],
        "inventory": [Difference("cluster.tiers.dynamic.nodes", 3, 5), Difference("variables.new_nodes", None, 1)],
    }
    assert comparison_lines(found)[:2] == ["claims: 1 changed", f"  {old['claims'][0]['title']}: pass -> fail"]
    assert comparison_lines(compare(old, old)) == [
        f"{part}: unchanged" for part in ("claims", "figures", "provenance", "inventory")
    ]


def test_a_long_list_of_differences_is_cut() -> None:
    lines = comparison_lines({"figures": [Difference(str(number), 0, 1) for number in range(20)]})
    assert len(lines) == 14
    assert lines[-1] == "  and 8 more"


@pytest.mark.parametrize(
    "value, text", [(None, "-"), (0.123456, "0.1235"), ("x" * 90, "x" * 77 + "..."), ([1, "ä"], '[1, "ä"]'), (3, "3")]
)
def test_values_are_short(value: Any, text: str) -> None:
    assert abbreviate(value) == text
