# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Wait until what a container runs answers, and not for one that ends again and again."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import EvenkeelError, Problem
from ..core.http_client import Answer
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until

#: How often it may end before nobody waits for it any longer: the first end may be chance.
MAX_ENDS = 2
_POLL_SECONDS = 0.5
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class NotReadyError(EvenkeelError):
    """It does not answer as it should; one line, with the end of its log."""


class Engine(Protocol):
    """What is asked of Docker."""

    def inspect(self, container: str) -> dict[str, Any]:
        """Docker's whole record of a container."""

    def logs(self, container: str) -> str:
        """The container's last log lines, joined to one."""


@dataclass(frozen=True)
class Service:
    """What must answer.

    Attributes:
        name: for the error line.
        container: its container.
        url: where it is asked.
        statuses: answers that are right.
        seconds: how long to wait.
    """

    name: str
    container: str
    url: str
    statuses: Collection[int]
    seconds: float


def wait_until_ready(
    service: Service, engine: Engine, ask: Callable[[str], Answer], clock: Clock = SYSTEM_CLOCK
) -> int:
    """Ask until it answers.

    Args:
        service: what must answer.
        engine: knows how often its container has ended.
        ask: sends one request.
        clock: tells and passes the time.

    Returns:
        The status that it answered with.

    Raises:
        NotReadyError: it has not answered so in time, or its container has ended for the second time.
        EngineError: Docker does not answer, or there is no container of that name.
    """
    began = clock.now()
    before = _ends_before(engine.inspect(service.container))
    last = Answer(0)
    ends = 0

    def waiting() -> str:
        nonlocal last, ends
        last = ask(service.url)
        if last.status in service.statuses:
            return ""
        ends = _ends(engine.inspect(service.container)) - before
        return "" if ends >= MAX_ENDS else "no answer yet"

    wait_until(waiting, service.seconds, _POLL_SECONDS, clock)
    if last.status in service.statuses:
        return last.status
    raise NotReadyError(_reason(service, engine, last, ends, clock.now() - began))


def _ends(record: Mapping[str, Any]) -> int:
    """How often the container has ended since a person or a role started it."""
    return int(record.get("RestartCount") or 0)


def _ends_before(record: Mapping[str, Any]) -> int:
    """The ends that say nothing: one that runs now has recovered from them."""
    return _ends(record) if record["State"]["Status"] == "running" else 0


def _reason(service: Service, engine: Engine, last: Answer, ends: int, seconds: float) -> str:
    fix = f"docker logs {service.container}"
    if ends >= MAX_ENDS:
        code = engine.inspect(service.container)["State"].get("ExitCode")
        got, want = f"{ends} ends of {service.container} (exit code {code})", "it to stay up"
    else:
        answer = f"status {last.status}" if last.status else last.reason or "no answer"
        got = f"{answer} from {service.url} after {seconds:.0f} s"
        want = f"status {' or '.join(map(str, service.statuses))}"
    log = _COLOURS.sub("", engine.logs(service.container))
    return f"{Problem(service.name, got, want, fix)}. Last lines: {log or 'none'}"
