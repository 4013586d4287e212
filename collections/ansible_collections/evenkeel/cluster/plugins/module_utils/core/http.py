# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""One GET of a node, for its status."""

from __future__ import annotations

import contextlib
from http import HTTPStatus

with contextlib.suppress(ImportError):  # the module reports a missing docker SDK, which brings it
    import requests


_PROBE_TIMEOUT_SECONDS = 1.0


def health(url: str) -> int:
    """The status that the address answers with, 0 when it does not answer soon."""
    try:
        answer = requests.get(
            url, timeout=_PROBE_TIMEOUT_SECONDS, headers={"Connection": "close"}, proxies={"http": ""}
        )
        return int(answer.status_code)
    except requests.RequestException:
        return 0


def answers(url: str) -> bool:
    """Whether a GET of the address is answered with 200, soon."""
    return health(url) == HTTPStatus.OK
