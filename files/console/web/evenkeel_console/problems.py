"""Errors as one line for people: ``what: got X, want Y (fix: ...)``, and the answers that carry them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

_QUOTED_LENGTH = 80


class RefusedError(Exception):
    """A request that is not carried out.

    Args:
        status: of the answer.
        lines: what is wrong, one line each.
        headers: of the answer.
        more: further fields of the answer.
    """

    def __init__(
        self,
        status: int,
        *lines: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        """Take the lines as they are."""
        super().__init__("\n".join(lines))
        self.status = status
        self.lines = lines
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def response(self) -> Response:
        """The answer."""
        return refusal(self.status, *self.lines, headers=self.headers, more=self.more)


def refusal(
    status: int, *lines: str, headers: Mapping[str, str] | None = None, more: Mapping[str, object] | None = None
) -> Response:
    """The answer that says what is wrong. It is ASCII: what was sent need not be text that has a UTF-8 form."""
    content = json.dumps({"problems": list(lines), **(more or {})}, ensure_ascii=True)
    return Response(content, status, dict(headers or {}), "application/json")


def line(what: str, got: str, want: str, fix: str) -> str:
    """One line; characters that could break it are shown as escapes."""
    return printable(f"{what}: got {got}, want {want} (fix: {fix})")


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and the like as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(value: object) -> str:
    """A value as people recognise it, bounded in length; of lists and objects only what they are."""
    if value is None:
        return "nothing"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return f"an object of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 300:
        return "a number of very many digits"
    text = value if isinstance(value, str) else json.dumps(value, default=lambda item: type(item).__name__)
    text = text if len(text) <= _QUOTED_LENGTH else text[: _QUOTED_LENGTH - 3] + "..."
    return printable(f"'{text}'" if isinstance(value, str) else text)
