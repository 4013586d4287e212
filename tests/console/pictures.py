"""The pictures of ``docs/console``, from the console of a running cluster under a light load.

Command: ``PYTHONPATH=collections python -m tests.console.pictures``. Needs root, Chromium and ``make up``; changes a
count and restores it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from playwright.sync_api import Page
from tests.bench.console import PATH, TIER
from tests.bench.console_client import CONSOLE, Console
from tests.bench.console_pages import browser, log_in
from tests.bench.load import Target, under_load

FOLDER = Path(__file__).parents[2] / "docs/console"
WEB = "http://localhost:8080"
TARGETS = (Target(TIER, f"{WEB}{PATH}", f"{WEB}{PATH}"), Target("static", f"{WEB}/", f"{WEB}/", counts=False))
# Until the charts have something to show.
_SETTLE_SECONDS = 45


def picture(page: Page, name: str, address: str, wait: float = 2.0) -> None:
    """One page as a file."""
    page.goto(f"{CONSOLE}/#/{address}")
    time.sleep(wait)
    page.screenshot(path=FOLDER / f"{name}.png")


def main() -> int:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    console = Console()
    with under_load(TARGETS, 60), browser() as found:
        page = found.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(20_000)
        page.goto(f"{CONSOLE}/")
        log_in(page)
        console.do("scale", tier=TIER, count=4)
        time.sleep(_SETTLE_SECONDS)
        picture(page, "overview", "")
        picture(page, "tier", f"tier/{TIER}", 4)
        page.get_by_role("button", name="Roll").first.click()
        page.locator("dialog.preview .plan-lines li").first.wait_for()
        page.screenshot(path=FOLDER / "preview.png")
        page.get_by_role("button", name="Cancel").click()
        picture(page, "node", f"node/{console.nodes(TIER)[0]['id']}", 3)
        console.do("verify", tier=TIER)
        newest = console.get("/api/actions")[0]["id"]
        picture(page, "verify", f"action/{newest}")
        console.do("settle", tier=TIER)
        dark = found.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
        dark.goto(f"{CONSOLE}/")
        log_in(dark)
        picture(dark, "phone", f"tier/{TIER}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
