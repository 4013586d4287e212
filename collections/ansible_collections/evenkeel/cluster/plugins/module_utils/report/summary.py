# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The end of a run for a terminal: where the cluster is, what was measured, what is proved. Pure."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Sequence

from ..core.results import PoolView
from ..core.verdict import CLAIM_WORDS, FAILED, NOT_MEASURED
from ..pool.table import pool_table
from .addresses import ClusterAddresses
from .claim import Claim, Measurements
from .claims import overall


def claim_lines(claims: Iterable[Claim]) -> list[str]:
    """A line per claim, and the problems of those that are not proved."""
    lines = []
    for claim in claims:
        word = CLAIM_WORDS[claim.verdict]
        lines.append(f"{word.upper() if claim.verdict == FAILED else word}: {claim.title}")
        lines += [f"  {problem}" for problem in claim.problems]
        if claim.verdict == NOT_MEASURED and claim.notes and not claim.problems:
            lines.append(f"  {claim.notes[0]}")
    return lines


def summary_lines(measured: Measurements, claims: Sequence[Claim], page: str) -> list[str]:
    """The summary of a run.

    Args:
        measured: the results of the measuring modules.
        claims: the report's claims.
        page: the report's page; empty without one.
    """
    verdict, message = overall(claims)
    return [
        f"Cluster {measured.spec['name']} {'is NOT as declared' if verdict == FAILED else 'is up'}.",
        *_indented(_address_lines(str(measured.spec["domain"]), measured.addresses)),
        *_indented(pool_table(_short(measured.pool)) if "tiers" in measured.pool else []),
        "Measured:",
        *_indented(_messages(measured)),
        f"Claims: {message}",
        *_indented(claim_lines(claims)),
        *([f"Report: {page}"] if page else []),
    ]


def failure_text(claims: Sequence[Claim], page: str) -> str:
    """Why the run fails: the claims that are not proved, the page, and their problems; empty if it does not fail."""
    verdict, message = overall(claims)
    if verdict != FAILED:
        return ""
    problems = dict.fromkeys(problem for claim in claims for problem in claim.problems)
    return "\n".join([message + (f" (see {page})" if page else ""), *problems])


def _address_lines(domain: str, addresses: ClusterAddresses) -> list[str]:
    # The domain must resolve to this machine (DNS or /etc/hosts); localhost always does.
    named = dataclasses.replace(addresses.web, host=domain)
    lines = [
        f"Web        {named.at('/')}  {addresses.web.at('/')}",
        f"Dashboard  {addresses.dashboard.at('/dashboard/')}  (user {addresses.user}, password in"
        f" {addresses.dashboard_password})",
    ]
    if addresses.console is not None:
        lines.append(f"Console    {addresses.console.at('/')}  ({addresses.console_login})")
    if addresses.portainer is not None:
        lines.append(
            f"Portainer  {addresses.portainer.at('/')}  (user admin, password in {addresses.portainer_password})"
        )
    return lines


def _short(pool: PoolView) -> PoolView:
    """Without the parts that are as declared: the report has them all."""
    short = copy.copy(pool)
    short["parts"] = [part for part in pool.get("parts", []) if part["lines"] or part["to_do"]]
    return short


def _messages(measured: Measurements) -> list[str]:
    results = [*measured.balance.values(), *measured.sticky.values(), measured.management, *measured.drills]
    return [result["message"] for result in results if "message" in result]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
