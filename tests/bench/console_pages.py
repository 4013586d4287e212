"""How soon the console's pages show what happened, and what they weigh: Debian's Chromium, as a person uses it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from playwright.sync_api import Browser, Page, sync_playwright
from tests.bench import common
from tests.bench.any_image import p95
from tests.bench.console_client import CONSOLE, PASSWORD_FILE, USER, Console

TIER = "dynamic"
CHROMIUM = "/usr/bin/chromium"
CLICK_GOAL, LOGIN_GOAL, OVERVIEW_GOAL, BYTES_GOAL = 0.3, 1.0, 2.0, 150_000
EVENT_GOAL, EVENT_GOAL_OF_MANY, MANY = 1.0, 1.5, 50
_PATIENCE_MS = 20_000
_CUT_MS = 3_000
_SERVES = "in rotation"
_SAYS = (
    "([id, word, there]) => (document.querySelector(`[data-node='${id}']`)?.innerText ?? '').includes(word) === there"
)
# The page itself notes when it is so: a command of Docker may return long after its event.
_NOTE = f"""(wanted) => {{
  const is = {_SAYS};
  window.shown = new Promise((done) => {{
    const look = () => is(wanted) ? done(Date.now() / 1000) : requestAnimationFrame(look);
    look();
  }});
  const late = new Error("the page does not show it");
  window.late = new Promise((_, fail) => setTimeout(() => fail(late), {_PATIENCE_MS}));
}}"""


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without a window, in which a root user may run pages of this machine."""
    with sync_playwright() as player:
        found = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield found
        finally:
            found.close()


def log_in(page: Page) -> None:
    """Fill in the dialog, and wait until the overview has its tiers."""
    page.locator("input[name=name]").fill(USER)
    page.locator("input[name=password]").fill(PASSWORD_FILE.read_text(encoding="utf-8").strip())
    page.get_by_role("button", name="Log in").click()
    page.locator(f"[data-row][href$='/{TIER}']").first.wait_for()


@contextmanager
def open_page(address: str = "") -> Iterator[Page]:
    """A page of the console, logged in; the overview if no address is given."""
    with browser() as found:
        page = found.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(f"{CONSOLE}/")
        log_in(page)
        if address:
            page.goto(f"{CONSOLE}/#/{address}")
        yield page


def says(page: Page, node: str, word: str, there: bool, patience: float = _PATIENCE_MS) -> bool:
    """Wait until the row of a node says a word, or does not say it any more; whether it did in time."""
    try:
        page.wait_for_function(_SAYS, arg=[node, word, there], timeout=patience, polling="raf")
    except Exception as error:
        if "Timeout" not in type(error).__name__:
            raise
        return False
    return True


def docker(*words: str) -> None:
    """Run the command."""
    subprocess.run(["docker", *words], check=True, capture_output=True)


def event_time(node: str) -> float:
    """When Docker says that it ended, or began, last: seconds since the epoch."""
    words = ["docker", "inspect", "--format", "{{json .State}}", node]
    state = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    text = state["StartedAt"] if state["Running"] else state["FinishedAt"]
    whole, _, part = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(f"0.{part[:6] or 0}")


def events(page: Page, count: int) -> list[float]:
    """Seconds from an event at the engine to the cell, for kills and starts in turn."""
    console, found = Console(), list[float]()
    page.goto(f"{CONSOLE}/#/tier/{TIER}")
    for number in range(count // 2):
        nodes = console.nodes(TIER)
        node = nodes[number % len(nodes)]["id"]
        says(page, node, _SERVES, True)
        for command, word in (("kill", _SERVES), ("start", "stopped")):
            # Each leaves the state in which it was.
            says(page, node, word, True)
            page.evaluate(_NOTE, [node, word, False])
            docker(command, node)
            found.append(float(page.evaluate("() => Promise.race([window.shown, window.late])")) - event_time(node))
    return found


def cut(count: int) -> int:
    """How many of *count* events a page shows in time whose stream is cut."""
    console, shown = Console(), 0
    with browser() as found:
        page = found.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(f"{CONSOLE}/")
        log_in(page)
        page.goto(f"{CONSOLE}/#/tier/{TIER}")
        node = console.nodes(TIER)[0]["id"]
        says(page, node, _SERVES, True)
        page.context.set_offline(True)
        for _ in range(count):
            docker("kill", node)
            shown += says(page, node, _SERVES, False, _CUT_MS)
            docker("start", node)
    return shown


def clicks(page: Page, count: int) -> list[float]:
    """Seconds from the click that agrees to a plan to the first progress."""
    found = []
    for _ in range(count):
        page.goto(f"{CONSOLE}/#/")
        page.get_by_role("button", name="Roll").first.click()
        button = page.get_by_role("button", name="Do it")
        button.wait_for()
        page.wait_for_function(
            "() => ![...document.querySelectorAll('dialog button[type=submit]')].some(b => b.disabled)"
        )
        began = time.monotonic()
        button.click()
        page.get_by_text("running").first.wait_for()
        found.append(time.monotonic() - began)
        console = Console()
        while any(action["state"] == "running" for action in console.get("/api/actions")):
            time.sleep(0.2)
    return found


def painted(count: int) -> tuple[list[float], list[float]]:
    """Seconds until the login page is there, and from its click until the overview can be used."""
    login, overview = [], []
    with browser() as found:
        for _ in range(count):
            context = found.new_context()
            page = context.new_page()
            page.set_default_timeout(_PATIENCE_MS)
            began = time.monotonic()
            page.goto(f"{CONSOLE}/", wait_until="commit")
            page.locator("input[name=name]").wait_for()
            login.append(time.monotonic() - began)
            page.locator("input[name=name]").fill(USER)
            began = time.monotonic()
            log_in(page)
            overview.append(time.monotonic() - began)
            context.close()
    return login, overview


def bytes_sent() -> int:
    """Of the page and all that it loads, as they come."""
    session = requests.Session()
    session.trust_env = False
    page = session.get(f"{CONSOLE}/", timeout=10).text
    paths = {part.partition('"')[0] for part in page.split('"/assets/')[1:]}
    total = len(page.encode())
    for path in paths:
        answer = session.get(f"{CONSOLE}/assets/{path}", stream=True, timeout=10)
        total += len(answer.raw.read(decode_content=False))
    return total


def measure(count: int) -> tuple[dict[str, Any], str, dict[str, bool]]:
    """All of it: data, a table, and the goals with whether they were met."""
    nodes = len(Console().get("/api/state")["state"]["nodes"])
    event_goal = EVENT_GOAL if nodes <= MANY else EVENT_GOAL_OF_MANY
    login, overview = painted(5)
    with open_page() as page:
        seen = events(page, count)
        clicked = clicks(page, 5)
    shown, weight = cut(3), bytes_sent()
    rows = [
        ["event -> cell", len(seen), round(common.median(seen), 2), round(p95(seen), 2)],
        ["click -> progress", len(clicked), round(common.median(clicked), 2), round(p95(clicked), 2)],
        ["login page", len(login), round(common.median(login), 2), round(p95(login), 2)],
        ["overview after login", len(overview), round(common.median(overview), 2), round(p95(overview), 2)],
    ]
    goals = {
        f"an event is shown within {event_goal:g} s, p95 (got {p95(seen):.2f} s)": p95(seen) <= event_goal,
        f"progress within {CLICK_GOAL:g} s, median (got {common.median(clicked):.2f} s)": common.median(clicked)
        <= CLICK_GOAL,
        f"login page within {LOGIN_GOAL:g} s (got {common.median(login):.2f} s)": common.median(login) <= LOGIN_GOAL,
        f"overview within {OVERVIEW_GOAL:g} s (got {common.median(overview):.2f} s)": common.median(overview)
        <= OVERVIEW_GOAL,
        f"at most {BYTES_GOAL} bytes (got {weight})": weight <= BYTES_GOAL,
        f"control: a page whose stream is cut shows no event (got {shown} of 3)": shown == 0,
    }
    data = {"events": seen, "clicks": clicked, "login": login, "overview": overview, "bytes": weight, "cut": shown}
    return data, common.table([f"{nodes} nodes", "times", "median s", "p95 s"], rows), goals
