"""What has changed between two looks, as events: states of nodes, the balancer, the lock. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATE = "state"
_GONE = "gone"


def transitions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Events of kind ``state``, with the words ``before`` and ``after`` and the reason.

    Args:
        before: the agent's state at the look before; empty for none, which has no events.
        now: its state.
    """
    if not before.get("at"):
        return []
    at = now["at"]
    found = []
    old, new = before.get("nodes", {}), now.get("nodes", {})
    for node in [*new, *(node for node in old if node not in new)]:
        was, now_is = old.get(node, {}).get("word", ""), new.get(node, {}).get("word", _GONE)
        if was != now_is:
            item = new.get(node) or old[node]
            reason = item["reason"] if node in new else ""
            found.append(_event(at, "node", was, now_is, reason) | _of(node, item))
    (balancer, _), (balancer_now, why) = _balancer(before), _balancer(now)
    if balancer != balancer_now:
        found.append(_event(at, "balancer", balancer, balancer_now, why))
    holder, holder_now = (str(state.get("lock") or "free") for state in (before, now))
    if holder != holder_now:
        found.append(_event(at, "lock", holder, holder_now, ""))
    return found


def _event(at: float, role: str, before: str, after: str, reason: str) -> dict[str, Any]:
    nothing = {"node": "", "name": "", "tier": ""}
    return {"at": at, "kind": STATE, "role": role, **nothing, "before": before, "after": after, "reason": reason}


def _of(node: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {"node": node, "name": item["name"], "tier": item["tier"]}


def _balancer(state: Mapping[str, Any]) -> tuple[str, str]:
    """Its state in a word, and the reason."""
    balancer = state.get("balancer") or {}
    if not balancer.get("reachable"):
        return "no answer", str(balancer.get("reason", ""))
    return f"answers, {balancer.get('version', '')} {balancer.get('slot', '')}".rstrip(), ""
