# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A drill's verdict, and its control's, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import Finding, message
from ..core.stats import zero_failures_upper
from ..core.verdict import FAILED, NOT_MEASURED, PASSED, STOPPED
from ..core.words import NOT_OFFERED
from .figures import quantiles
from .judge import Evidence, Figures, Thresholds, judge, judge_broken, judge_events, unmeasured

# Bound of what was executed twice, where no node says what it executed.
_AGAIN = "the balancer makes one only while nothing of a POST was sent"


def verdict_of(evidence: Evidence, figures: Figures, limits: Thresholds) -> tuple[str, list[Finding]]:
    """The verdict and what is to be told first."""
    if evidence.stopped:
        return STOPPED, [
            Finding(
                f"{evidence.stopped} after {evidence.seconds:.1f} s, {len(evidence.reports)} of {evidence.planned}"
                f" events and {len(evidence.records)} requests, {len(figures.failed)} failed so far",
                "the whole drill",
                "run it again",
            ),
            *judge_broken(evidence),
        ]
    not_measured = unmeasured(evidence, figures, limits)
    if not_measured:
        return NOT_MEASURED, not_measured
    problems = judge(evidence, figures, limits)
    return (FAILED if problems else PASSED), problems


def judge_control(evidence: Evidence, figures: Figures, limits: Thresholds) -> tuple[bool, list[Finding]]:
    """Whether the baseline lost requests under the same load, as they must; what is wrong with the control."""
    if evidence.stopped:
        return False, [Finding(f"{evidence.stopped} during the control", "the whole drill", "run it again")]
    problems = [*judge_events(evidence), *unmeasured(evidence, figures, limits)]
    first = min((report.began for report in evidence.reports), default=0.0)
    early = [record for record in figures.failed if record.done < first]
    if early:
        problems.append(
            Finding(
                f"{len(early)} requests of the control failed before its first event ({early[0].error})",
                "none before",
                "see the logs of the baseline's nodes",
            )
        )
    lost = len(figures.failed) + len(figures.unavoidable)
    if not lost:
        problems.append(
            Finding(
                f"a control that lost none of {len(evidence.records)} requests",
                "lost requests from the unprotected baseline",
                "more events: a measurement that cannot fail proves nothing",
            )
        )
    return lost > 0 and not problems, problems


def control_verdict(evidence: Evidence, figures: Figures, limits: Thresholds) -> str:
    """The verdict of a drill that passed, but whose control did not do what it must."""
    if evidence.stopped:
        return STOPPED
    return NOT_MEASURED if unmeasured(evidence, figures, limits) else FAILED


def success(evidence: Evidence, figures: Figures) -> str:
    """The verdict of a passed drill in words."""
    total = len(evidence.records)
    events = f"{len(evidence.reports)} events"
    text = f"{len(figures.failed)} of {total} requests failed in {events} at {figures.rate.achieved:.0f}/s"
    if not figures.failed:
        text += f" (failure rate below {zero_failures_upper(total):.2g}, 95 % confidence)"
    if figures.unavoidable:
        text += f"; {len(figures.unavoidable)} in flight on nodes that went without warning"
    posts = figures.posts
    judged = posts.answered - posts.not_offered
    if judged:
        unknown = f", {posts.unknown} on nodes whose record could not be read" if posts.unknown else ""
        text += f"; {posts.confirmed} of {judged} POSTs found executed once{unknown}"
    if posts.not_offered:
        again = "not known" if posts.again is None else f"{posts.again} at most ({_AGAIN})"
        text += f"; executions of {posts.not_offered} POSTs {NOT_OFFERED} by their image, second attempts: {again}"
    if figures.moved.sessions:
        text += (
            f"; sessions moved: {len(figures.moved.expected)} with their node, {len(figures.moved.unexpected)} others"
        )
    for words, times in (("join", figures.join), ("leave", figures.leave), ("out of rotation", figures.out)):
        spread = quantiles(times.values())
        if spread["count"]:
            text += f"; {words} p95 {spread['p95']:.2f} s"
    return text


def control_line(evidence: Evidence, figures: Figures, failed: bool) -> str:
    """What became of the control, in words."""
    lost = len(figures.failed) + len(figures.unavoidable)
    ending = "as it must" if failed else "the control proves nothing"
    return f"control: {lost} of {len(evidence.records)} requests lost in {len(evidence.reports)} events, {ending}"


def summary_line(subject: str, verdict: str, problems: Sequence[Finding], text: str) -> str:
    """The whole drill in one line."""
    if verdict == PASSED:
        return f"{subject}: {text}"
    if verdict == FAILED:
        return message(subject, problems)
    more = f"; and {len(problems) - 1} more, see problems" if len(problems) > 1 else ""
    return f"{subject}: {verdict}: {problems[0].got} (fix: {problems[0].fix}){more}"
