"""The measurements of ``verify.yml`` as an action: balance and sessions of each tier, told while requests are sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem, printable
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.results import (
    BalanceResult,
    NodeView,
    PoolView,
    StickyResult,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.values import defaults_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.verdict import FAILED, PASSED
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import balance_check, session_check
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.options import COMMON_NUMBERS
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.replies import Reply
from ansible_collections.evenkeel.cluster.plugins.module_utils.overview.settled import settled
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import PoolRequest, status
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rotation import HaltedError

from .pool import Pool
from .settings import Settings

# As in verify.yml: the balancer needs a moment after every change.
_SETTLE_SECONDS = 5
_TELL_SECONDS = 0.2
_NAME_LENGTH = 128


class _Looks:
    """The pool, looked at until its three sides agree."""

    def __init__(self, request: PoolRequest, ports: Ports) -> None:
        self._request = request
        self._ports = ports

    def view(self) -> PoolView:
        return status(self._request, self._ports)

    def unsettled(self, _view: PoolView) -> bool:
        return False


class Verification:
    """Measures one tier or all of them. Nothing is changed.

    Args:
        settings: the agent's.
        reached: what is declared, and what it is reached through.
        halted_by: the person that halts it; empty for none. It is asked before each check.
    """

    def __init__(self, settings: Settings, reached: tuple[Pool, Ports], halted_by: Callable[[], str]) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._pool, self._ports = reached
        self._halted_by = halted_by

    def run(self, tier: str, verdicts: list[dict[str, Any]], changed: Callable[[], None]) -> Sequence[str]:
        """Measure, and add a verdict for each check, which grows while requests are sent.

        Args:
            tier: its name; empty for all.
            verdicts: gets them.
            changed: called when they have changed.

        Returns:
            Notes of the checks.

        Raises:
            EvenkeelError: it cannot be measured, or was halted.
        """
        if not self._settings.web_url:
            got = "no address of the balancer in the agent's settings"
            raise EvenkeelError(Problem("verify", got, "web_url", "ansible-playbook site.yml --tags console"))
        view = self._agreement(verdicts, changed)
        notes: list[str] = []
        for name in [tier] if tier else sorted(self._pool.request.tiers):
            notes += self._tier(self._pool.request.tiers[name], view, verdicts, changed)
        return notes

    def _agreement(self, verdicts: list[dict[str, Any]], changed: Callable[[], None]) -> PoolView:
        looks = _Looks(self._pool.request, self._ports)
        view, reason = settled(looks, _SETTLE_SECONDS, must_agree=True)
        line = "; ".join(reason.splitlines()) or "declaration, Docker and balancer agree"
        verdicts.append({"check": "agreement", "ok": not reason, "line": line, "counts": {}})
        changed()
        if not view["balancer"]["reachable"]:
            raise EvenkeelError(view["balancer"]["reason"])
        return view

    def _tier(
        self, tier: Tier, view: PoolView, verdicts: list[dict[str, Any]], changed: Callable[[], None]
    ) -> list[str]:
        running = [node for node in view["nodes"] if node["tier"] == tier.name and node["state"] == "running"]
        # If none is in rotation, all must answer.
        asked = [node for node in running if node["in_rotation"]] or running
        balance = {**self._asked(tier, running, asked), **defaults_of(balance_check.BALANCE_NUMBERS)}
        balance["control_url"] = asked[0]["direct_url"] if len(asked) > 1 else ""
        sessions = {
            **self._asked(tier, running, asked),
            **defaults_of(session_check.STICKY_NUMBERS),
            "sticky": tier.sticky,
            "cookie": tier.cookie.name,
            "http_only": tier.cookie.http_only,
            "same_site": tier.cookie.same_site,
            "secure": tier.cookie.secure,
            "max_age": tier.cookie.max_age,
        }
        notes: list[str] = []
        for what, measure, params in (
            ("balance", balance_check.check, balance),
            ("sessions", session_check.check, sessions),
        ):
            if person := self._halted_by():
                raise HaltedError(f"verify: got a halt by {person}, want all checks (fix: verify again)")
            growing = _Growing(f"{what} of {tier.name}", verdicts, changed)
            notes += growing.filled(measure, params)
        return notes

    def _asked(self, tier: Tier, running: Sequence[NodeView], asked: Sequence[NodeView]) -> dict[str, Any]:
        return {
            **defaults_of(COMMON_NUMBERS),
            "url": f"{self._settings.web_url.rstrip('/')}{tier.path}",
            "host": self._settings.web_host,
            "tier": tier.name,
            "nodes": [node["served_by"] for node in asked],
            "strategy": tier.strategy,
            "keep_alive": True,
            "api_url": self._settings.api_url,
            "api_user": self._settings.api_user,
            "api_password_file": str(self._settings.api_password_file),
            "service": tier.service,
            "members": list(running),
            "access_log": str(self._settings.access_log),
        }


class _Growing:
    """One verdict: it counts answers per node while requests are sent, and then has the result."""

    def __init__(self, check: str, verdicts: list[dict[str, Any]], changed: Callable[[], None]) -> None:
        self._counts: dict[str, int] = {}
        self._verdict: dict[str, Any] = {"check": check, "ok": None, "line": "", "counts": {}}
        self._changed = changed
        self._told = 0.0
        verdicts.append(self._verdict)
        changed()

    def _add(self, reply: Reply) -> None:
        if reply.index == 0:  # a measurement that the balancer disturbed is repeated
            self._counts.clear()
        if reply.served_by:
            name = printable(reply.served_by)[:_NAME_LENGTH]
            self._counts[name] = self._counts.get(name, 0) + 1
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            self._verdict["counts"] = dict(self._counts)
            self._changed()

    def filled(self, measure: Callable[..., BalanceResult | StickyResult], params: dict[str, Any]) -> list[str]:
        try:
            result = measure(params, on_reply=self._add)
        except EvenkeelError as error:
            self._verdict |= {"ok": False, "line": str(error)}
            self._changed()
            return []
        # Neither is what could not be measured, such as a tier of an image that says nothing of itself.
        ok = {PASSED: True, FAILED: False}.get(result["verdict"])
        self._verdict |= {"ok": ok, "line": result["message"], "counts": dict(result["counts"])}
        self._changed()
        return [f"{self._verdict['check']}: {note}" for note in result["notes"]]
