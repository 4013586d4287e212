"""Many nodes and open pages of the console for a while: what they take, and whether a page still answers at once.

The pages, in browsers of their own: the overview, of each viewer; the logs of two nodes, which are written to all the
time; and a tier whose every figure is new each second, in whose filter a person types.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from tests.bench import common
from tests.bench.any_image import p95
from tests.bench.common import WEB, say
from tests.bench.console_client import CONSOLE, Console
from tests.bench.console_cost import CONTAINERS, processes, pss_bytes
from tests.bench.console_pages import TIER, browser, log_in
from tests.bench.load import Target, under_load

MEMORY_GOAL, GROWTH_GOAL, INPUT_GOAL, TASK_GOAL, HEAP_GOAL = 150e6, 1.1, 0.2, 0.2, 10e6
STREAM_GOAL_SECONDS = 2.0
RATE = 50.0
_LOGS = 2
# What is new in a process is allocated; after that its size is its own.
_WARM_SECONDS = 60.0
# To the next picture that has the answer, as the browser draws it.
_TYPED = """(text) => new Promise((done) => {
  const input = document.querySelector("input[type=search]");
  const began = performance.now();
  input.value = text;
  input.dispatchEvent(new Event("input", {bubbles: true}));
  requestAnimationFrame(() => setTimeout(() => done((performance.now() - began) / 1000)));
})"""
_WATCH_TASKS = """() => {
  window.longestTask = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.longestTask = Math.max(window.longestTask, entry.duration / 1000);
  }).observe({entryTypes: ["longtask"]});
}"""


def memory() -> float:
    """Bytes of both containers, with shared pages in proportion."""
    return float(sum(pss_bytes(processes(container)) for container in CONTAINERS))


def heap(page: Page) -> float:
    """Bytes that the page's own objects take, without what is garbage."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    found = float(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return found


def opened(stack: ExitStack, address: str) -> Page:
    """A page in a browser of its own."""
    page = stack.enter_context(browser()).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{CONSOLE}/")
    log_in(page)
    page.goto(f"{CONSOLE}/#/{address}")
    return page


def measure(viewers: int, minutes: float) -> tuple[dict[str, Any], str, dict[str, bool]]:
    """All of it: data, a table, and the goals with whether they were met."""
    nodes = Console().nodes(TIER)
    count = len(Console().get("/api/state")["state"]["nodes"])
    targets = [Target(TIER, f"{WEB}/api/dates/", f"{WEB}/api/dates/", counts=False)]
    with ExitStack() as stack:
        stack.enter_context(under_load(targets, RATE))
        for number in range(viewers - _LOGS - 1):
            opened(stack, "" if number % 2 else "events")
        for node in nodes[:_LOGS]:
            opened(stack, f"node/{node['id']}")
        page = opened(stack, f"tier/{TIER}")
        page.locator("input[type=search]").wait_for()
        page.evaluate(_WATCH_TASKS)
        time.sleep(_WARM_SECONDS)
        sizes, first, typed = [memory()], heap(page), list[float]()
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            for text in (TIER[: 1 + len(typed) % len(TIER)], ""):
                typed.append(float(page.evaluate(_TYPED, text)))
                time.sleep(1)
            if len(typed) % 60 == 0:
                sizes.append(memory())
                say(f"{len(typed)} times typed, {sizes[-1] / 1e6:.0f} MB, heap {heap(page) / 1e6:.1f} MB")
        sizes.append(memory())
        grown, longest = heap(page) - first, float(page.evaluate("() => window.longestTask"))
    growth = sizes[-1] / sizes[0]
    rows = [
        ["memory of both, MB: first, most", round(sizes[0] / 1e6), round(max(sizes) / 1e6)],
        ["typed -> drawn, s: median, p95", round(common.median(typed), 3), round(p95(typed), 3)],
        ["longest task, s; heap more, MB", round(longest, 3), round(grown / 1e6, 1)],
    ]
    goals = {
        f"both take at most 150 MB with {viewers} viewers (got {max(sizes) / 1e6:.0f})": max(sizes) <= MEMORY_GOAL,
        f"they grow by 10 % at most (got {100 * growth - 100:.0f} %)": growth <= GROWTH_GOAL,
        f"input is answered within {INPUT_GOAL} s, p95 (got {p95(typed):.3f})": p95(typed) <= INPUT_GOAL,
        f"no task of the page takes more than {TASK_GOAL} s (got {longest:.3f})": longest <= TASK_GOAL,
        f"the page's heap grows by 10 MB at most (got {grown / 1e6:.1f})": grown <= HEAP_GOAL,
    }
    data = {"nodes": count, "memory": sizes, "typed": typed, "longest task": longest, "heap": grown}
    return data, common.table([f"{count} nodes, {minutes:g} min", "", ""], rows), goals


def descriptors() -> int:
    """The open files of the agent: among them one for each stream of the engine."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes(CONTAINERS[0]))


def await_descriptors(reached: Callable[[], bool]) -> float:
    """The seconds until it is so, or the longest that is waited."""
    began = time.monotonic()
    while not reached() and time.monotonic() < began + 5 * STREAM_GOAL_SECONDS:
        time.sleep(0.05)
    return time.monotonic() - began


def tabs(count: int) -> tuple[dict[str, Any], str, dict[str, bool]]:
    """A tab with a log is opened and closed *count* times: how long the engine's stream is open after it."""
    node, slow = Console().nodes(TIER)[0]["id"], []
    with browser() as found:
        context = found.new_context()
        main = context.new_page()
        main.goto(f"{CONSOLE}/")
        log_in(main)
        time.sleep(STREAM_GOAL_SECONDS)
        before = descriptors()
        opened_files = []
        for _ in range(count):
            page = context.new_page()
            page.goto(f"{CONSOLE}/#/node/{node}")
            page.locator(".log-lines").wait_for()
            await_descriptors(lambda: descriptors() > before)
            opened_files.append(descriptors() - before)
            page.close()
            slow.append(await_descriptors(lambda: descriptors() <= before))
        left = descriptors() - before
    worst = max(slow)
    goals = {
        f"the engine's stream of a closed tab ends within {STREAM_GOAL_SECONDS:g} s (got {worst:.2f})": worst
        <= STREAM_GOAL_SECONDS,
        f"none is left after {count} (got {left})": left <= 0,
        f"control: an open tab has one (got {min(opened_files)})": min(opened_files) > 0,
    }
    rows = [["tab closed -> stream ended", count, round(common.median(slow), 2), round(worst, 2)]]
    data = {"seconds": slow, "left": left}
    return data, common.table(["", "times", "median s", "most s"], rows), goals
