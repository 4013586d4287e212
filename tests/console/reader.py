"""A person at the console: clicks that are counted, and what the page shows."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

# The longest action of these tests: a roll, or a verification.
ACTION_SECONDS = 180
_ASK = """async ([method, path, body, more]) => {
  const key = localStorage.getItem("evenkeel.key") ?? "";
  const headers = {"X-Evenkeel-Key": key, ...more, ...(body === null ? {} : {"Content-Type": "application/json"})};
  const answer = await fetch(path, {method, headers, body: body === null ? undefined : JSON.stringify(body)});
  const text = await answer.text();
  return [answer.status, text ? JSON.parse(text) : null];
}"""
# What keeps a person from using a page, and what is merely good practice: nothing of it is accepted.
_RUN_AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(" + (
    "one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 120)).join(' | ')}`)"
)


class Reader:
    """One browser at the console.

    Args:
        page: of the browser.
        url: of the console.
        name: of the user.
        password: of the user.
        axe: the file of axe-core.
    """

    def __init__(self, page: Page, url: str, name: str, password: str, axe: Path) -> None:
        """Nothing is opened yet."""
        self.page, self.url, self.name, self._password, self._axe = page, url, name, password, axe
        self.clicks = 0
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "TrustedHTML" in message.text:
            self.faults.append(message.text)

    # -- doing -----------------------------------------------------------------------

    def log_in(self, password: str = "") -> None:
        """By the dialog; it is gone afterwards if the password is right."""
        dialog = self.page.locator("dialog.login")
        dialog.get_by_label("Name").fill(self.name)
        dialog.get_by_label("Password", exact=True).fill(password or self._password)
        dialog.get_by_role("button", name="Log in").click()
        if not password:
            expect(dialog).to_have_count(0)

    def go(self, path: str = "") -> None:
        """To another page of the console, without a click that counts."""
        self.page.evaluate("path => { location.hash = `#/${path}`; }", path)

    def click(self, target: Locator) -> None:
        """A click that counts."""
        self.clicks += 1
        target.click()

    def do_it(self) -> str:
        """Agree to the plan that is shown; the action's identifier."""
        button = self.page.locator("dialog.preview").get_by_role("button", name="Do it")
        with self.page.expect_response(
            lambda answer: answer.url.endswith("/api/actions") and answer.request.method == "POST"
        ) as got:
            self.click(button)
        return str(got.value.json()["action"])

    def settle(self) -> None:
        """Take back each count that was set here, and return nodes that drain."""
        self.idle()
        state = self.state()
        wishes = [{"verb": "settle", "tier": name} for name, tier in state["tiers"].items() if tier["override"]]
        wishes += [
            {"verb": "undrain", "node": node["id"]} for node in state["nodes"].values() if node["word"] == "draining"
        ]
        for wish in wishes:
            self.done(wish)

    def done(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Carry something out by the API, and wait for its end."""
        plan = self.ask("POST", "/api/plans", wish)
        body = {"plan": plan["plan"], "typed": plan["type_name"]}
        begun = self.ask("POST", "/api/actions", body, {"Idempotency-Key": uuid.uuid4().hex})
        return self.ended(begun["action"])

    # -- looking ---------------------------------------------------------------------

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        """One request with the session of the page."""
        status, answer = self.page.evaluate(_ASK, [method, path, body, headers or {}])
        assert status < 400, (path, answer)
        return answer

    def state(self) -> dict[str, Any]:
        """The cluster as the API has it."""
        return dict(self.ask("GET", "/api/state")["state"])

    def tier(self) -> str:
        """A tier with the most nodes in rotation, two at least."""
        tiers = self.state()["tiers"]
        name = max(tiers, key=lambda one: tiers[one]["in_rotation"] or 0)
        assert tiers[name]["in_rotation"] >= 2, tiers
        return str(name)

    def node(self, tier: str) -> dict[str, Any]:
        """A node of it in rotation."""
        nodes = self.state()["nodes"].values()
        return next(
            node for node in nodes if node["tier"] == tier and node["word"] == "in rotation" and node["managed"]
        )

    def ended(self, action: str) -> dict[str, Any]:
        """The action when it is over."""
        end = time.monotonic() + ACTION_SECONDS
        while time.monotonic() < end:
            found = self.ask("GET", f"/api/actions/{action}")
            if found["state"] != "running":
                return dict(found)
            self.page.wait_for_timeout(200)
        raise AssertionError(f"action {action} is not over after {ACTION_SECONDS} s")

    def idle(self) -> None:
        """Wait until no action runs."""
        for action in self.ask("GET", "/api/actions"):
            if action["state"] == "running":
                self.ended(action["id"])

    def live(self, patience_ms: float | None = None) -> None:
        """Wait until the page is; by default as long as for anything else."""
        expect(self.page.locator(".live")).to_contain_text("s ago", timeout=patience_ms)
        expect(self.page.locator("main h1")).not_to_have_text("Evenkeel")

    def row(self, name: str) -> Locator:
        """The row of a node or a tier."""
        box = self.page.locator("[data-row-box]")
        return box.filter(has=self.page.locator("[data-row]", has_text=name)).first

    def findings(self) -> list[str]:
        """What axe finds on the page as it is now."""
        if not self.page.evaluate("() => 'axe' in window"):
            assert self._axe.is_file(), f"{self._axe}: got no axe, want it (fix: npm ci --ignore-scripts)"
            self.page.evaluate(self._axe.read_text())
        return list(self.page.evaluate(_RUN_AXE))

    def sideways(self) -> int:
        """How many pixels the page can be scrolled to the side."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
