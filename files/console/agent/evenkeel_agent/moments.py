"""Times as Docker and the balancer write them. Pure."""

from __future__ import annotations

import datetime
import re

# Before this, Docker means "never".
_NEVER = "0001-"
_FORM = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def moment(value: object) -> float | None:
    """A time of RFC 3339 as seconds since the epoch; None for never, and for anything else."""
    if not isinstance(value, str) or value.startswith(_NEVER):
        return None
    match = _FORM.fullmatch(value)
    if match is None:
        return None
    try:
        whole = datetime.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
    return whole + float(match[2] or 0)
