# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Write a report as HTML and Markdown. Text that comes from a cluster is escaped, never interpreted as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import EvenkeelError, Problem
from ..core.verdict import CLAIM_MARKS, CLAIM_WORDS, FAILED, PASSED
from .comparison import Difference, abbreviate
from .document import ReportDocument

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
    from jinja2.exceptions import TemplateError

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # the module reports it in one line
    IMPORT_ERROR = error

_MARKDOWN = re.compile(r"([\\`*_\[\]|~$#])")
_TICKS = re.compile(r"`+")


class PageError(EvenkeelError):
    """A page cannot be written; one line."""


def markdown(value: object) -> str:
    """Text that Markdown shows as it is."""
    text = " ".join(str(value).split())
    return _MARKDOWN.sub(r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fence(text: str) -> Verbatim:
    """The marks around a code block; longer than any in the text."""
    return Verbatim("`" * max(3, 1 + max((len(run) for run in _TICKS.findall(text)), default=0)))


class Verbatim(str):
    """Text in a code block, which Markdown does not interpret."""

    __slots__ = ()


class Element(str):
    """An SVG element that we drew: its texts are escaped already, so templates insert it unchanged."""

    __slots__ = ()

    def __html__(self) -> str:
        """What a template inserts instead of escaping it."""
        return str(self)


def _for_markdown(value: object) -> object:
    """The output of an expression in a Markdown template: escaped, unless it is marked as verbatim."""
    return value if isinstance(value, Verbatim) else markdown(value)


def _environment(folder: str, name: str) -> Environment:
    if IMPORT_ERROR is not None:
        raise PageError(Problem("jinja2", "no Python library of this name", "it beside Ansible", "pip install jinja2"))
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html.j2"]),
        finalize=_for_markdown if name.endswith(".md.j2") else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"verbatim": Verbatim, "fence": fence, "shown": abbreviate, "pretty": _pretty}
    environment.globals |= {"WORDS": CLAIM_WORDS, "MARKS": CLAIM_MARKS, "PASSED": PASSED, "FAILED": FAILED}
    return environment


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def render(folder: str, name: str, **values: Any) -> str:
    """A page from its template.

    Args:
        folder: where the templates are.
        name: of the template; its ending decides how values are escaped, for HTML or for Markdown.
        values: the template's variables.

    Raises:
        PageError: the template is missing or broken.
    """
    try:
        return _environment(folder, name).get_template(name).render(**values)
    except TemplateError as error:
        raise PageError(
            Problem(
                f"template {Path(folder) / name}",
                f"{type(error).__name__} ({error})",
                "a page",
                "restore the role's templates",
            )
        ) from error


def report_pages(folder: str, document: ReportDocument, charts: Sequence[Sequence[str]]) -> dict[str, str]:
    """The pages of a report: name to text.

    Args:
        folder: where the templates are.
        document: the report as data.
        charts: the charts of each claim, as SVG elements.
    """
    drawn = [[Element(svg) for svg in some] for some in charts]
    return {
        "report.html": render(folder, "report.html.j2", report=document, charts=drawn),
        "report.md": render(folder, "report.md.j2", report=document),
    }


def comparison_pages(
    folder: str, old: ReportDocument, new: ReportDocument, found: Mapping[str, Sequence[Difference]]
) -> dict[str, str]:
    """The pages with the differences between two reports: name to text."""
    values = {"old": old, "new": new, "found": found}
    return {
        "comparison.html": render(folder, "comparison.html.j2", **values),
        "comparison.md": render(folder, "comparison.md.j2", **values),
    }
