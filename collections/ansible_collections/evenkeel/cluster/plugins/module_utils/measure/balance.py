# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Judge how requests were distributed: exact round robin, shares, affinity. Pure.

What the balancer's strategies promise to one client which sends one request
after the other (read in Traefik 3.7, pkg/server/service/loadbalancer, and measured):

* wrr: earliest deadline first; every cycle of n choices is a permutation of the
  n nodes, as long as neither the configuration nor a node's health changes.
* p2c: with nothing else in flight, a fair random choice.
* hrw: rendezvous hashing of the client's address; one address stays on one node.
* leasttime: the fastest node; equal shares are not promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.errors import Finding, join_some
from ..core.stats import chi_square_uniform, round_robin_cycles, round_robin_exact
from .replies import Judgement, Reply, fair_share, judge_answers


@dataclass(frozen=True)
class BalanceRule:
    """How requests must be distributed.

    Attributes:
        nodes: names that the tier's nodes answer with.
        strategy: the balancer's strategy.
        alpha: probability of a false alarm of the chi-square test.
        ordered: one request at a time, so the replies are in the order of choice.
        disturbed: why round robin cannot be exact in this measurement; empty when it must be.
    """

    nodes: tuple[str, ...]
    strategy: str = "wrr"
    alpha: float = 1e-6
    ordered: bool = True
    disturbed: str = ""


def judge_balance(replies: Sequence[Reply], planned: int, rule: BalanceRule) -> Judgement:
    """Judge a measurement of a tier with at least one node."""
    problems = judge_answers(replies, planned, rule.nodes)
    sequence = [reply.served_by for reply in replies if reply.answered and reply.served_by]
    shares = judge_shares(sequence, rule)
    return Judgement(shares.method, (*problems, *shares.problems), shares.notes, shares.chi_square)


def judge_shares(sequence: Sequence[str], rule: BalanceRule) -> Judgement:
    """Judge which nodes were chosen, in the order of choice."""
    counts = Counter(sequence)
    shares = {node: counts[node] for node in rule.nodes}
    total = sum(shares.values())
    missing = [node for node, count in shares.items() if count == 0]
    if len(rule.nodes) == 1:
        return Judgement("availability", tuple(_missing(missing, total, 1)), ("distribution not applicable: one node",))
    if rule.strategy == "leasttime":
        note = "leasttime prefers the fastest node: equal shares are not promised"
        idle = (f"no request on {join_some(missing)}",) if missing else ()
        return Judgement("availability", notes=(note, *idle))
    if rule.strategy == "hrw":
        return _judge_affinity(shares)
    if missing or total == 0:
        method = "exact" if rule.strategy == "wrr" and not rule.disturbed else "chi-square"
        result = chi_square_uniform(shares) if total else None
        return Judgement(method, tuple(_missing(missing, total, len(rule.nodes))), chi_square=result)
    if rule.strategy == "wrr" and not rule.disturbed:
        return _judge_round_robin(sequence, shares, rule)
    return _judge_chi_square(shares, rule)


def _missing(missing: Sequence[str], total: int, nodes: int) -> list[Finding]:
    if not missing:
        return []
    want = fair_share(total, nodes) if total else "some on each"
    return [Finding(f"0 of {total} requests on {join_some(missing)}", want, f"docker logs {missing[0]}")]


def _judge_affinity(shares: Mapping[str, int]) -> Judgement:
    used = [node for node, count in shares.items() if count]
    note = "hrw keeps one client address on one node: distribution needs clients with several addresses"
    if len(used) == 1:
        return Judgement("affinity", notes=(note,))
    return Judgement(
        "affinity",
        (
            Finding(
                f"requests of one client on {join_some(used) or 'no node'}",
                "all on one node",
                "check the nodes' health",
            ),
        ),
        (note,),
    )


def _most_off(shares: Mapping[str, int]) -> str:
    mean = sum(shares.values()) / len(shares)
    return max(shares, key=lambda node: abs(shares[node] - mean))


def _judge_round_robin(sequence: Sequence[str], shares: Mapping[str, int], rule: BalanceRule) -> Judgement:
    total = sum(shares.values())
    result = chi_square_uniform(shares)
    off = _most_off(shares)
    problem = None
    # The window may begin inside a cycle (its offset is not ours to choose), so counts alone may differ by 2.
    if not round_robin_exact(shares, rule.nodes, aligned=False).exact:
        problem = Finding(
            f"{shares[off]} of {total} requests on {off}", fair_share(total, len(shares)), f"docker inspect {off}"
        )
    elif rule.ordered:
        cycles = round_robin_cycles(sequence, rule.nodes)
        if cycles.broken_at is not None:
            problem = Finding(
                f"{sequence[cycles.broken_at]} twice in one cycle at request {cycles.broken_at + 1}",
                f"every node once in each cycle of {len(shares)}",
                f"check weight and health of {sequence[cycles.broken_at]}",
            )
    notes = () if rule.ordered else ("parallel requests: counts may differ by 2, order is not judged",)
    return Judgement("exact", (problem,) if problem else (), notes, result)


def _judge_chi_square(shares: Mapping[str, int], rule: BalanceRule) -> Judgement:
    result = chi_square_uniform(shares)
    total = sum(shares.values())
    notes = (f"judged by chi-square instead of exactly: {rule.disturbed}",) if rule.disturbed else ()
    if result.p_value >= rule.alpha:
        return Judgement("chi-square", (), notes, result)
    off = _most_off(shares)
    problem = Finding(
        f"{shares[off]} of {total} requests on {off} (chi-square {result.statistic:.1f}, p {result.p_value:.2g})",
        f"about {fair_share(total, len(shares))} (p >= {rule.alpha:g})",
        f"docker inspect {off}",
    )
    return Judgement("chi-square", (problem,), notes, result)
