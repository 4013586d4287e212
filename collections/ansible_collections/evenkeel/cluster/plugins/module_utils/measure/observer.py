# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Measure while watching the balancer: did its configuration or health change, and did others send too?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.errors import Finding, message
from ..core.poll import SYSTEM_CLOCK, Clock, wait_until
from ..core.results import CheckResult, Generation, Quantiles
from ..core.stats import percentile
from ..core.verdict import NOT_MEASURED, verdict_from
from ..traefik.api import Snapshot, TraefikApi
from .replies import Reply, unmeasurable

# A node's counter in the balancer moves just after the client has its answer.
_COUNTER_SECONDS = 1.0
_POLL_SECONDS = 0.05
_QUIET_FOR_SECONDS = 0.3
_QUIET_SECONDS = 5.0


@dataclass(frozen=True)
class Observed:
    """One measurement and what the balancer did meanwhile.

    Attributes:
        replies: those of the last attempt, which is judged.
        lost_before: requests lost in earlier attempts; a repetition does not forgive them.
        sent: requests of all attempts.
        disturbed: why the last attempt was not alone in one generation; empty when it was, or was not watched.
        problems: what the balancer's counters contradict.
        facts: for the module's result.
    """

    replies: list[Reply]
    lost_before: list[Reply]
    sent: int
    disturbed: str
    problems: tuple[Finding, ...]
    facts: Generation

    @property
    def lost(self) -> int:
        """Requests of all attempts which were not answered with 200."""
        return len(self.lost_before) + sum(not reply.answered for reply in self.replies)

    def unmeasurable(self, *, logged: bool) -> str:
        """Why it cannot be told which nodes answered, although all is well; empty when it can, or all is not.

        Args:
            logged: the access log was read.
        """
        reached = not self.facts["observed"] or self.facts.get("counted", 0) >= len(self.replies)
        return unmeasurable(self.replies, logged=logged) if reached and not self.problems else ""

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the circumstances."""
        notes = []
        if not self.facts["observed"]:
            notes.append("configuration changes and requests of others not observed: no api_url")
        if self.facts["attempts"] > 1:
            notes.append(f"measured {self.facts['attempts']} times: the configuration or a node's health changed")
        down = sorted(url for url, state in self.facts.get("servers", {}).items() if state != "UP")
        if down:
            notes.append(f"the balancer says DOWN for {', '.join(down)}")
        return notes


def unobserved(replies: list[Reply]) -> Observed:
    """A single measurement, without a look at the balancer."""
    return Observed(replies, [], len(replies), "", (), {"observed": False, "attempts": 1})


class Observer:
    """Repeats a measurement while the balancer's configuration or health changes under it.

    Args:
        api: the balancer's API; None = measure once, unwatched.
        service: the tier's service.
        attempts: how often to measure at most.
        clock: tells and passes the time.
    """

    def __init__(self, api: TraefikApi | None, service: str, attempts: int, clock: Clock = SYSTEM_CLOCK) -> None:
        """Remember what to watch; nothing is sent yet."""
        self.api = api
        self.service = service
        self.attempts = attempts
        self._clock = clock

    def measure(self, send: Callable[[], list[Reply]]) -> Observed:
        """Measure until one attempt lay in one generation, at most `attempts` times.

        Raises:
            TraefikApiError: the API gave no usable answer.
        """
        api = self.api
        if api is None:
            return unobserved(send())
        with api:
            return self._measure(api, send)

    def _measure(self, api: TraefikApi, send: Callable[[], list[Reply]]) -> Observed:
        lost: list[Reply] = []
        sent = attempt = 0
        while True:
            attempt += 1
            before = api.snapshot(self.service)
            replies = send()
            after = self._settled(api, before, sum(reply.status is not None for reply in replies))
            sent += len(replies)
            if not _moved(before, after) or attempt >= self.attempts:
                so_far = Observed(replies, lost, sent, "", (), {"observed": True, "attempts": attempt})
                return self._conclude(before, after, so_far)
            lost += [reply for reply in replies if not reply.answered]
            self._wait_until_quiet(api)

    def _settled(self, api: TraefikApi, before: Snapshot, answered: int) -> Snapshot:
        """Read until the balancer has counted what the client has got."""
        after = before

        def uncounted() -> str:
            nonlocal after
            after = api.snapshot(self.service)
            counted = after.requests - before.requests
            return "" if counted >= answered else f"{counted} of {answered} requests counted"

        wait_until(uncounted, _COUNTER_SECONDS, _POLL_SECONDS, self._clock)
        return after

    def _wait_until_quiet(self, api: TraefikApi) -> None:
        """Wait until the generation stands still for a moment, but not for ever."""
        generation, since = api.config_reloads(), self._clock.now()

        def unquiet() -> str:
            nonlocal generation, since
            reloads = api.config_reloads()
            if reloads != generation:
                generation, since = reloads, self._clock.now()
            return "" if self._clock.now() - since >= _QUIET_FOR_SECONDS else "the configuration just changed"

        wait_until(unquiet, _QUIET_SECONDS, _POLL_SECONDS, self._clock)

    def _conclude(self, before: Snapshot, after: Snapshot, so_far: Observed) -> Observed:
        replies, attempt = so_far.replies, so_far.facts["attempts"]
        answered = sum(reply.answered for reply in replies)
        counted = after.requests - before.requests
        disturbed = ""
        if _moved(before, after):
            disturbed = f"configuration or health changed in each of {attempt} measurements"
        elif counted > answered:
            disturbed = f"{counted - answered} requests of others, or retries, during the measurement"
        problems: tuple[Finding, ...] = ()
        if counted < answered and after.reloads == before.reloads:
            problems = (
                Finding(
                    f"{counted} requests counted for service {self.service}",
                    f"at least {answered}",
                    "check that the route leads to this service and that service metrics are on",
                ),
            )
        return Observed(
            replies=replies,
            lost_before=so_far.lost_before,
            sent=so_far.sent,
            disturbed=disturbed,
            problems=problems,
            facts={
                "observed": True,
                "attempts": attempt,
                "before": before.reloads,
                "after": after.reloads,
                "counted": counted,
                "foreign_requests": max(0, counted - answered),
                "servers": after.servers,
            },
        )


def _moved(before: Snapshot, after: Snapshot) -> bool:
    return before.reloads != after.reloads or before.servers != after.servers


def lost_before_problems(observed: Observed) -> list[Finding]:
    """Requests lost in attempts whose distribution is not judged any more."""
    if not observed.lost_before:
        return []
    first = observed.lost_before[0]
    return [
        Finding(
            f"{len(observed.lost_before)} requests lost while the configuration changed"
            f" (first: {first.error or f'status {first.status}'} at request {first.index + 1})",
            "none lost",
            "see the balancer's access log",
        )
    ]


def latency_summary(replies: Sequence[Reply]) -> Quantiles:
    """Nearest-rank percentiles of the answered requests in milliseconds; {} when there is none."""
    values = [reply.latency * 1000 for reply in replies if reply.answered]
    if not values:
        return {}
    return {
        "p50": round(percentile(values, 50), 3),
        "p95": round(percentile(values, 95), 3),
        "max": round(max(values), 3),
    }


def conclude_unmeasured(subject: str, reason: str) -> CheckResult:
    """Neither proved nor refuted."""
    return {"verdict": NOT_MEASURED, "message": f"{subject}: {NOT_MEASURED}: {reason}", "problems": []}


def conclude(subject: str, problems: Sequence[Finding], success: str) -> CheckResult:
    """Verdict, one line, and all problems."""
    return {
        "verdict": verdict_from(problems),
        "message": message(subject, problems) if problems else f"{subject}: {success}",
        "problems": [str(problem) for problem in problems],
    }
