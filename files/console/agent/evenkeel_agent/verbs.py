"""What can be asked for, and what it would do. Pure.

A plan is what a person agrees to: its lines are shown, and only what they say is done. When the cluster has changed
meanwhile, the plan is another one, and its digest tells.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem, quote

SCALE, ROLL, SETTLE = "scale", "roll", "settle"
DRAIN, UNDRAIN, START, STOP, RESTART, REMOVE, KILL = "drain", "undrain", "start", "stop", "restart", "remove", "kill"
VERIFY = "verify"
#: Replaces one node that ended or hangs. The agent alone asks for it, see :mod:`keeper`.
KEEP = "keep"
OF_TIERS = (SCALE, ROLL, SETTLE)
OF_NODES = (DRAIN, UNDRAIN, START, STOP, RESTART, REMOVE, KILL)
VERBS = (*OF_TIERS, *OF_NODES, VERIFY)
#: After these, the node does not serve for a while or for good.
LEAVING = (DRAIN, STOP, RESTART, REMOVE, KILL)
MAX_NODES = 1000


class RefusedError(EvenkeelError):
    """What was asked for cannot be done; nothing was."""


class UnknownError(RefusedError):
    """There is no tier, node, plan or action of that name."""


class ChangedError(RefusedError):
    """The cluster has changed since the plan was made.

    Attributes:
        plan: the plan as it is now; None if it is not known.
    """

    plan: Plan | None = None


class BusyError(RefusedError):
    """Another action runs.

    Attributes:
        holder: the person and the action, in words.
    """

    def __init__(self, holder: str) -> None:
        """Name it."""
        super().__init__(Problem("action", f"'{holder}' running", "one at a time", "wait for its end, or halt it"))
        self.holder = holder


@dataclass(frozen=True)
class Wish:
    """What a person asks for.

    Attributes:
        verb: one of :data:`VERBS`.
        tier: whose; for a node's verbs, the tier of the node; empty for all, for :data:`VERIFY`.
        node: the engine's identifier; empty for a tier's verbs.
        count: of nodes, for :data:`SCALE`.
    """

    verb: str
    tier: str
    node: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Attributes:
        id: names it, once.
        wish: what was asked for.
        lines: what would be done, one line each; none if nothing is to be done.
        warnings: what else to know.
        type_name: the tier's name if it must be typed, because no node of it would serve.
        digest: the same for the same plan.
    """

    id: str
    wish: Wish
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    type_name: str = ""

    @property
    def digest(self) -> str:
        """Identifies what would be done."""
        content = json.dumps([asdict(self.wish), self.lines, self.type_name], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def read_wish(body: object) -> Wish:
    """What a request asks for; whether tier and node are there is not looked at.

    Raises:
        RefusedError: one line for each value that cannot be used.
    """
    if not isinstance(body, dict):
        raise RefusedError(Problem("plan", quote(body), "an object with a verb", 'send {"verb": "scale", ...}'))
    problems = [
        Problem(str(name), "a field that does not exist", "verb, tier, node or count", "leave it out")
        for name in sorted(body.keys() - {"verb", "tier", "node", "count"}, key=str)
    ]
    verb = body.get("verb")
    if verb not in VERBS:
        problems.append(Problem("verb", quote(verb), f"one of {', '.join(VERBS)}", "choose one"))
        raise RefusedError(*problems)
    wanted = {"node"} if verb in OF_NODES else {"tier"} | ({"count"} if verb == SCALE else set())
    problems += [
        Problem(name, quote(body[name]), f"none for {verb}", "leave it out")
        for name in ("tier", "node", "count")
        if name in body and name not in wanted
    ]
    problems += [
        Problem(name, quote(body.get(name)), "a name" if name == "tier" else "an identifier", f"send a {name}")
        for name in sorted(wanted & {"tier", "node"})
        if not isinstance(body.get(name), str) or not (body[name] or verb == VERIFY)
    ]
    count = body.get("count") if verb == SCALE else None
    if verb == SCALE and not is_count(count):
        problems.append(Problem("count", quote(count), f"a whole number from 0 to {MAX_NODES}", "send a number"))
    if problems:
        raise RefusedError(*problems)
    return Wish(verb, str(body.get("tier", "")), str(body.get("node", "")), count)


def is_count(value: object) -> bool:
    """Whether it is a number of nodes: a JSON number without a fraction, in range."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NODES


def moved_on(plan: Plan, now: Plan) -> None:
    """Refuse a plan that is not the same any more.

    Raises:
        ChangedError: it has changed.
    """
    if plan.digest != now.digest:
        got = f"another plan now ({'; '.join(now.lines) or 'nothing to do'})"
        raise ChangedError(Problem("plan", got, "the one that was shown", "look at the new one and agree again"))
