"""One change as all viewers see it, and as the audit log keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from .verbs import Wish

RUNNING, DONE, FAILED, HALTED, UNFINISHED = "running", "done", "failed", "halted", "unfinished"
#: Kinds of entries in the audit log.
INTENT, RESULT, HALT = "intent", "result", "halt"


@dataclasses.dataclass
class Action:
    """One change, as all viewers see it.

    Attributes:
        id: names it.
        wish: what was asked for.
        actor: the person.
        at: when, in seconds since the epoch.
        lines: what was agreed to.
        state: one of this module's words.
        steps: what was reached, with seconds since the begin.
        result: the end in words; empty while it runs.
        warnings: what else to know.
        seconds: how long it took; None while it runs.
        halted_by: the person that halted it; empty for none.
        verdicts: of a verification, one for each check; they grow while requests are sent.
    """

    id: str
    wish: Wish
    actor: str
    at: float
    lines: tuple[str, ...]
    state: str = RUNNING
    steps: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    result: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    halted_by: str = ""
    verdicts: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """As plain data."""
        found = {
            "id": self.id,
            **dataclasses.asdict(self.wish),
            "actor": self.actor,
            "at": self.at,
            "lines": list(self.lines),
            "state": self.state,
            # Another thread may add to them meanwhile; an entry is not changed any more.
            "steps": list(self.steps),
            "result": self.result,
            "warnings": list(self.warnings),
            "seconds": self.seconds,
            "halted_by": self.halted_by,
        }
        if self.verdicts:
            found["verdicts"] = [dict(item) for item in self.verdicts]
        return found

    def entry(self, kind: str, at: float, actor: str = "") -> dict[str, Any]:
        """As the audit log has it.

        Args:
            kind: :data:`INTENT`, :data:`RESULT` or :data:`HALT`.
            at: when, in seconds since the epoch.
            actor: the person, if it is another one than the action's.
        """
        found: dict[str, Any] = {
            "kind": kind,
            "at": at,
            "action": self.id,
            "actor": actor or self.actor,
            **dataclasses.asdict(self.wish),
            "lines": list(self.lines),
        }
        if kind == RESULT:
            found |= {"state": self.state, "result": self.result, "seconds": self.seconds}
        return found


def restored(entries: Iterable[Mapping[str, Any]]) -> tuple[list[Action], list[Action]]:
    """The actions of a former agent, oldest first, and those among them that it did not end.

    Args:
        entries: of the audit log, newest first; those of another version are passed over.
    """
    found: dict[str, Action] = {}
    ended: set[str] = set()
    for entry in reversed(list(entries)):
        name = str(entry.get("action", ""))
        if entry.get("kind") == INTENT:
            found[name] = _begun(name, entry)
        elif name in found and entry.get("kind") == RESULT:
            ended.add(name)
            action = found[name]
            action.state, action.result = str(entry.get("state", "")), str(entry.get("result", ""))
            action.seconds = entry.get("seconds")
        elif name in found and entry.get("kind") == HALT:
            found[name].halted_by = str(entry.get("actor", ""))
    open_ones = [action for name, action in found.items() if name not in ended]
    for action in open_ones:
        action.state, action.result = UNFINISHED, "the agent ended meanwhile; the next run goes on with it"
    return list(found.values()), open_ones


def _begun(name: str, entry: Mapping[str, Any]) -> Action:
    texts = {key: str(entry.get(key) or "") for key in ("verb", "tier", "node")}
    count, lines = entry.get("count"), entry.get("lines") or ()
    return Action(
        name,
        Wish(texts["verb"], texts["tier"], texts["node"], count if isinstance(count, int) else None),
        str(entry.get("actor", "")),
        float(entry.get("at") or 0),
        tuple(map(str, lines)),
    )
