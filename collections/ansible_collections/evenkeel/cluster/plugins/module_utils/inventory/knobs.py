# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The names of the inventory's variables: mistyped and removed knobs are reported, others ignored. Pure.

An inventory may serve other projects too, so a name is an error only when it is nearly one of ours. A name that only
begins like a role's knobs is a warning, and any other is ignored. See "Mistyped knobs" in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..cluster.names import COUNT, node_variable
from ..core.errors import Problem, quote

#: The tiers of the sample inventory. Their counts may stay behind in group_vars when cluster_tiers is replaced.
SAMPLE_TIERS = ("static", "dynamic")
#: What the playbooks take besides the roles' knobs.
PLAYBOOK_KNOBS = frozenset(
    {"cluster_check_machine", "cluster_read_secrets", "console_reset", "prove_drills", "prove_thresholds"}
    | {"status_strict"}
    | {"teardown_engine", "teardown_images", "teardown_portainer_data", "teardown_volumes", "tier"}
)
#: What roles set for each other. Inventories do not set these, but they are not foreign either.
FACTS = frozenset(
    {"app_images_present", "app_images_refs", "cluster_docker", "cluster_machine", "cluster_spec"}
    | {"docker_engine_ready", "drill_results", "node_pool_result"}
)
#: Removed knobs, and what says the same now.
REMOVED = {
    "drill_api_url": "cluster_dashboard_port",
    "drill_api_user": "cluster_dashboard_user",
    "drill_web_url": "cluster_web_port",
    "evidence_api_url": "cluster_dashboard_port",
    "evidence_api_user": "cluster_dashboard_user",
    "evidence_portainer_url": "cluster_portainer_port",
    "evidence_web_url": "cluster_web_port",
    "load_balancer_closing_seconds": "load_balancer_drain_seconds",
    "load_balancer_dashboard_port": "cluster_dashboard_port",
    "load_balancer_dashboard_user": "cluster_dashboard_user",
    "load_balancer_retry_status": "load_balancer_repeat_limit",
    "load_balancer_retry_body_bytes": "load_balancer_repeat_body_bytes",
    "load_balancer_web_port": "cluster_web_port",
    "node_pool_api_url": "cluster_dashboard_port",
    "node_pool_api_user": "cluster_dashboard_user",
}
# Up to this many letters another letter makes another word (app, api); only one too many or too few is a slip.
_SHORT = 3
# From this length on two slips still leave no doubt about what was meant.
_LONG = 8
_TOO_MANY = 3


@dataclass(frozen=True)
class Variables:
    """The inventory's variables.

    Attributes:
        names: their names, without those of Ansible itself.
        knobs: the names of all knobs of all roles.
        roles: the names of the roles, which knobs begin with.
        places: for counts (``..._nodes``), the line of the inventory that sets it, where that was found.
    """

    names: Collection[str] = ()
    knobs: Collection[str] = ()
    roles: Collection[str] = ()
    places: Mapping[str, str] | None = None


def check_variables(
    variables: Variables, tiers: Iterable[str], former: Iterable[str] = ()
) -> tuple[list[Problem], list[str]]:
    """Look for variables that were meant to be knobs.

    Args:
        variables: what the inventory sets.
        tiers: the names of the declared tiers; none when they cannot be read, and then counts are not judged.
        former: the names of tiers that still have nodes.

    Returns:
        The problems, and lines that are worth a warning only.
    """
    problems: list[Problem] = []
    warnings: list[str] = []
    idle: list[str] = []
    names = sorted(tiers)
    counts = {node_variable(tier): tier for tier in names}
    once = {node_variable(tier): tier for tier in (*SAMPLE_TIERS, *former)} if names else {}
    known = {*variables.knobs, *PLAYBOOK_KNOBS, *FACTS, *counts}
    # A word as short and common as "tier" is no sign of a slip.
    meant = _ByLength({*variables.knobs, *(PLAYBOOK_KNOBS - {"tier"}), *counts}, variables.roles)
    for name in sorted(set(variables.names) - known):
        if name.startswith("_"):
            continue
        if name in REMOVED:
            successor = REMOVED[name]
            problems.append(Problem(name, "a knob that was removed", successor, f"set {successor} and remove {name}"))
        elif name in once:
            _former_count(name, once[name], names, variables.places or {}, problems, warnings)
        elif near := meant.near(name):
            problems.append(_mistyped(name, near, near in counts, names))
        elif any(name.startswith(f"{role}_") for role in variables.roles):
            idle.append(name)
    if idle:
        warnings.append(f"no knobs, and without effect on the cluster: {', '.join(idle)}")
    return problems, warnings


def _mistyped(name: str, near: str, is_count: bool, tiers: Sequence[str]) -> Problem:
    if is_count and name.endswith(COUNT):
        want = "a tier of cluster_tiers: " + ", ".join(tiers)
        return Problem(name, quote(name.removesuffix(COUNT)), want, f"did you mean {near}?")
    fix = f"did you mean {near}? A variable of your own needs another name"
    return Problem(name, "a variable that is no knob", f"the name of a knob, such as {near}", fix)


def _former_count(
    name: str,
    tier: str,
    tiers: Sequence[str],
    places: Mapping[str, str],
    problems: list[Problem],
    warnings: list[str],
) -> None:
    """A tier that was declared once: what a file still says is old, what the command line says is meant."""
    want = "a tier of cluster_tiers: " + ", ".join(tiers)
    place = places.get(name)
    if place is None:
        problems.append(Problem(name, quote(tier), want, f"remove {name}"))
    else:
        warnings.append(str(Problem(name, quote(tier), want, f"remove {name} from {place}")))


class _ByLength:
    """Knobs by the length of their names: only names of about the same length can be near."""

    def __init__(self, names: Iterable[str], roles: Iterable[str]) -> None:
        self._roles = sorted((f"{role}_" for role in roles), key=len, reverse=True)
        self._names: dict[int, list[str]] = {}
        for name in sorted(names):
            self._names.setdefault(len(name), []).append(name)

    def near(self, name: str) -> str:
        """The knob that was probably meant; empty when there is none."""
        flat = name.lower().replace("-", "_")
        role = self._role(flat)
        best, least = "", _TOO_MANY
        for length in range(len(flat) - 2, len(flat) + 3):
            for knob in self._names.get(length, ()):
                found = _distance(flat, knob, role if role and knob.startswith(role) else "")
                if found < least:
                    best, least = knob, found
        return best

    def _role(self, name: str) -> str:
        return next((role for role in self._roles if name.startswith(role)), "")


def _distance(name: str, knob: str, role: str) -> int:
    """How many slips turn the knob into the name; 3 when that is too many to believe in."""
    count = COUNT if not role and name.endswith(COUNT) and knob.endswith(COUNT) else ""
    left, right = name[len(role) : len(name) - len(count)], knob[len(role) : len(knob) - len(count)]
    if left == right:
        return 0
    if sorted(left.split("_")) == sorted(right.split("_")):
        return 1
    shorter = min(len(left), len(right))
    if shorter < _SHORT or (shorter == len(left) == len(right) == _SHORT and sorted(left) != sorted(right)):
        return _TOO_MANY
    # A prefix that is misspelled itself allows one slip in all.
    return _slips(left, right, 2 if shorter >= _LONG and (role or count) else 1)


def _slips(left: str, right: str, allowed: int) -> int:
    """The number of letters to insert, remove, replace or swap with a neighbour; 3 stands for more than allowed.

    Nearly all pairs differ in their first letters, so their common ends are cut off first.
    """
    least = min(len(left), len(right))
    start = 0
    while start < least and left[start] == right[start]:
        start += 1
    end = 0
    while end < least - start and left[-1 - end] == right[-1 - end]:
        end += 1
    left, right = left[start : len(left) - end], right[start : len(right) - end]
    longer = max(len(left), len(right))
    if longer == 1 or (longer == 2 and left[::-1] == right):
        return 1
    slips = _edits(left, right) if allowed > 1 else _TOO_MANY
    return slips if slips <= allowed else _TOO_MANY


def _edits(left: str, right: str) -> int:
    """The distance of Damerau and Levenshtein (optimal string alignment)."""
    above: list[int] = []
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        before, above = above, row
        row = [i]
        for j, other in enumerate(right, 1):
            best = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one != other))
            if i > 1 and j > 1 and one == right[j - 2] and left[i - 2] == other:
                best = min(best, before[j - 2] + 1)
            row.append(best)
    return row[-1]
