"""Pages: nothing that comes from a cluster is taken for markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.unit.made_measurements import drill, measurements, tier
from tests.unit.module_utils.report.test_document import document

from ansible_collections.evenkeel.cluster.plugins.module_utils.report.chart_data import BarsData, Chart
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.chart_style import short
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.charts import draw
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claims import claims_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.comparison import compare
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.page import (
    PageError,
    comparison_pages,
    fence,
    markdown,
    render,
    report_pages,
)

TEMPLATES = str(Path(__file__).parents[4] / "roles/evidence/templates")
NASTY = "a\"b'<script>alert(1)</script>&|`*_[x](y)é日本$x$"


class Page(HTMLParser):
    """Collects what a browser would take for elements, and refuses tags that do not match."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pages(measured: Any) -> dict[str, str]:
    number = 0
    drawn: list[list[str]] = []
    for claim in claims_of(measured):
        drawn.append([])
        for chart in claim.charts:
            number += 1
            drawn[-1].append(draw(chart, number))
    return report_pages(TEMPLATES, document(measured), drawn)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(pages(measurements(drill()))["report.html"])


def test_the_page_is_one_file(page: Page) -> None:
    assert not page.of("script")
    assert not page.of("link")
    assert not page.of("img")
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in {"href", "src"}
    ]
    assert addresses
    assert all((value or "").startswith("#") for value in addresses)


def test_links_and_references_lead_somewhere(page: Page) -> None:
    identities = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(identities) == len(set(identities))
    targets = {(attributes["href"] or "")[1:] for attributes in page.of("a")}
    for _, attributes in page.elements:
        targets |= set((attributes.get("aria-labelledby") or "").split())
        targets |= {(attributes.get("xlink:href") or "#")[1:]} - {""}
    assert targets <= set(identities)


def test_every_chart_has_a_text_alternative(page: Page) -> None:
    charts = page.of("svg")
    assert len(charts) == 10
    for attributes in charts:
        assert attributes["role"] == "img"
        assert len((attributes["aria-labelledby"] or "").split()) == 2
    assert len(page.of("desc")) == 10


def test_nasty_names_are_shown_not_obeyed() -> None:
    measured = measurements(drill(), tiers=(tier(NASTY, True), tier("<b>plain", False)))
    made = pages(measured)
    page = Page(made["report.html"])
    assert not page.of("script")
    assert "<script" not in made["report.html"]
    assert "<b>plain" not in made["report.html"]
    assert "&lt;script&gt;" in made["report.html"]
    assert "日本" in made["report.html"]
    prose, code = [], False
    for line in made["report.md"].splitlines():
        if line.strip().startswith("```"):
            code = not code
        elif not code:
            prose.append(line)
    assert not code
    assert "<script" not in "\n".join(prose)
    assert "&lt;script&gt;" in "\n".join(prose)
    # No row of a table has more columns than its head.
    for line in prose:
        if line.startswith("| ") and "script" in line:
            assert line.replace("\\|", "").count("|") in {4, 5, 6, 8}, line


@pytest.mark.parametrize(
    "text, shown_",
    [("a|b", "a\\|b"), ("<i>", "&lt;i&gt;"), ("`x`", "\\`x\\`"), ("two\nlines", "two lines"), ("a & b", "a &amp; b")],
)
def test_markdown_is_escaped(text: str, shown_: str) -> None:
    assert markdown(text) == shown_


@pytest.mark.parametrize("text, marks", [("plain", 3), ("a ``` b", 4), ("`````", 6)])
def test_a_fence_cannot_be_ended_by_what_is_in_it(text: str, marks: int) -> None:
    assert fence(text) == "`" * marks


def test_a_comparison_is_a_page() -> None:
    old = document()
    new: Any = {**old, "cluster": NASTY, "claims": [{**old["claims"][0], "verdict": "fail"}, *old["claims"][1:]]}
    made = comparison_pages(TEMPLATES, old, new, compare(old, new))
    page = Page(made["comparison.html"])
    assert not page.of("script")
    assert len(page.of("table")) == 1
    assert "| pass | fail |" in made["comparison.md"]
    assert "Unchanged." in made["comparison.md"]


def test_a_missing_template_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PageError) as caught:
        render(str(tmp_path), "report.html.j2")
    assert str(caught.value) == (
        f"template {tmp_path}/report.html.j2: got TemplateNotFound ('report.html.j2' not found in search path:"
        f" '{tmp_path}'), want a page (fix: restore the role's templates)"
    )


def test_charts_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="chart: got kind 'pie', want one of bars, sequence"):
        draw(Chart("pie", "x", "y", BarsData(groups=[], series={}, unit="")), 1)


def test_charts_are_the_same_each_time() -> None:
    (chart, *_) = claims_of(measurements())[0].charts
    assert draw(chart, 1) == draw(chart, 1)


@pytest.mark.parametrize("name, wanted", [("static-1", "static-1"), ("x" * 30, "x" * 21 + "…")])
def test_long_names_are_cut(name: str, wanted: str) -> None:
    assert short(name) == wanted
