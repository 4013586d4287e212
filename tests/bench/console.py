"""The console: what its buttons lose, what it costs, and how soon its pages show what happened.

Parts:

* ``actions``: each button, *count* times, under load on both tiers: drain and undrain, stop and start, restart, remove
  (and the node that replaces it), scale up and down, roll; and kill.
* ``cost``: memory (PSS) and processor of both containers, and what dockerd uses more, while no page is open, and with
  one open page; beside them, ``docker stats`` of all nodes.
* ``pages``: from an event (``docker kill`` and ``docker start`` by hand) to the cell of the page; from a click to the
  first progress; the login page; the overview; their bytes.
* ``life``: what all that takes after a while with several open pages, and whether a page still answers at once.
* ``guesses``: 2,000 wrong passwords from 50 networks.
* ``tabs``: whether the engine's stream of a log ends with the tab that shows it.

Command: ``PYTHONPATH=collections python -m tests.bench.console [actions] [cost] [pages] [life] [tabs] [guesses]
[--count 20] [--rate 400] [--nodes 200]``. Needs root and Chromium; changes the tiers' counts and restores them.
Controls, in the same run: ``docker rm -f`` of a node under the same load must lose requests; a page whose stream is cut
must not show the event.
Goals: 0 failed, but for requests in flight on a killed node; 150 MB for both; 3 % of a core while no page is open, 15 %
with one; p95 of an event 1 s, 1.5 s beyond 50 nodes; progress 300 ms; login page 1 s, overview 2 s; 150 kB gzip; 10 %
more memory after its time at most; input answered within 200 ms; a log's stream ended 2 s after its tab.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench import common, console_cost, console_guesses, console_life, console_pages
from tests.bench.common import WEB, say
from tests.bench.console_client import Console
from tests.bench.load import Outcome, Target, under_load

TIER, PATH = "dynamic", "/api/dates/"
NODES = 3
TARGETS = (Target(TIER, f"{WEB}{PATH}", f"{WEB}{PATH}"), Target("static", f"{WEB}/", f"{WEB}/", counts=False))
PARTS = ("actions", "cost", "pages", "life", "tabs", "guesses")


@dataclasses.dataclass
class Button:
    """What one button came to.

    Attributes:
        name: its verbs.
        times: how often it was used.
        requests: sent meanwhile.
        failed: of these.
        repeated: POSTs that were executed twice.
        seconds: of each use.
    """

    name: str
    times: int = 0
    requests: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)
    repeated: int = 0
    seconds: list[float] = dataclasses.field(default_factory=list)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of the load."""
        self.requests += len(outcomes)
        self.failed += [f"{one.tier} {one.method} at {one.at:.1f} s: {one.error}" for one in outcomes if one.error]
        self.repeated += sum(one.repeated for one in outcomes)


def drain_and_back(console: Console, node: str) -> None:
    """Out of rotation, and in again."""
    console.do("drain", node=node)
    time.sleep(1)
    console.do("undrain", node=node)


def stop_and_start(console: Console, node: str) -> None:
    """Ended, and started again."""
    console.do("stop", node=node)
    console.do("start", node=node)


def remove_and_replace(console: Console, node: str) -> None:
    """Removed; the plan to the declared count starts another one."""
    console.do("remove", node=node)
    console.do("scale", tier=TIER, count=NODES)


def grow_and_shrink(console: Console, _node: str) -> None:
    """One node more, and back."""
    console.do("scale", tier=TIER, count=NODES + 1)
    console.do("settle", tier=TIER)


BUTTONS: dict[str, Callable[[Console, str], Any]] = {
    "drain, undrain": drain_and_back,
    "stop, start": stop_and_start,
    "restart": lambda console, node: console.do("restart", node=node),
    "remove, scale": remove_and_replace,
    "scale up, settle": grow_and_shrink,
    "roll": lambda console, _: console.do("roll", tier=TIER),
    "kill": lambda console, node: console.do("kill", node=node),
}


def pressed(console: Console, name: str, count: int, rate: float) -> Button:
    """One button, *count* times, under load."""
    found = Button(name)
    with under_load(TARGETS, rate) as outcomes:
        for number in range(count):
            console.await_serving(TIER, NODES)
            node = console.nodes(TIER)[number % NODES]["id"]
            began = time.monotonic()
            BUTTONS[name](console, node)
            found.seconds.append(time.monotonic() - began)
            found.times += 1
    found.count(outcomes)
    say(f"{name}: {found.times} times, {len(found.failed)} of {found.requests} failed {found.failed[:3]}")
    return found


def control(console: Console, count: int, rate: float) -> Button:
    """Nodes are removed by Docker's own command."""
    found = Button("control: docker rm -f")
    with under_load(TARGETS, rate) as outcomes:
        for _ in range(count):
            console.await_serving(TIER, NODES)
            subprocess.run(["docker", "rm", "--force", console.nodes(TIER)[0]["id"]], check=True, capture_output=True)
            found.times += 1
            console.do("scale", tier=TIER, count=NODES)
    found.count(outcomes)
    return found


def actions(count: int, rate: float) -> tuple[list[Button], dict[str, bool]]:
    """All buttons, and the control."""
    console = Console()
    found = [pressed(console, name, count, rate) for name in BUTTONS]
    without = control(console, max(count // 4, 2), rate)
    killed = next(button for button in found if button.name == "kill")
    others = [button for button in found if button is not killed]
    lost = sum(len(button.failed) for button in others)
    goals = {
        f"0 of {sum(button.requests for button in others)} requests fail (got {lost})": not lost,
        f"no POST is executed twice (got {sum(b.repeated for b in found)})": not any(b.repeated for b in found),
        f"a kill loses POSTs in flight at most (got {len(killed.failed)} of {killed.requests})": all(
            " POST " in line for line in killed.failed
        ),
        f"the control loses (got {len(without.failed)} of {without.requests})": bool(without.failed),
    }
    return [*found, without], goals


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and save; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all when not given")
    parser.add_argument("--count", type=int, default=20, help="how often each button is used (20)")
    parser.add_argument("--rate", type=float, default=400.0, help="requests per second (400)")
    parser.add_argument("--events", type=int, default=40, help="events whose way to the page is timed (40)")
    parser.add_argument("--nodes", type=int, help="of both tiers together, meanwhile; as they are when not given")
    parser.add_argument("--tabs", type=int, default=100, help="tabs with a log that are opened and closed (100)")
    parser.add_argument("--guesses", type=int, default=2000, help="wrong passwords (2000)")
    parser.add_argument("--viewers", type=int, default=5, help="open pages of the part life (5)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long they are open (10)")
    options = parser.parse_args(arguments)
    parts = options.parts or list(PARTS)
    if wrong := sorted(set(parts) - set(PARTS)):
        parser.error(f"part: got {wrong[0]}, want one of {', '.join(PARTS)}")
    if options.nodes is not None and "actions" in parts:
        parser.error(f"--nodes: got {options.nodes} beside the part actions, want it without")
    if options.nodes is not None:
        common.scale(options.nodes // 2, options.nodes - options.nodes // 2)
    try:
        goals = measured(parts, options)
    finally:
        if options.nodes is not None:
            common.play("site.yml")
    return 0 if all(goals.values()) else 1


def measured(parts: Sequence[str], options: argparse.Namespace) -> dict[str, bool]:
    """The parts, printed and saved; each goal, and whether it was met."""
    goals: dict[str, bool] = {}
    tables: list[str] = []
    data: dict[str, Any] = {"options": vars(options)}
    others: dict[str, Callable[[], tuple[Any, str, dict[str, bool]]]] = {
        "cost": console_cost.measure,
        "pages": lambda: console_pages.measure(options.events),
        "life": lambda: console_life.measure(options.viewers, options.minutes),
        "guesses": lambda: console_guesses.measure(options.guesses),
        "tabs": lambda: console_life.tabs(options.tabs),
    }
    for name in [each for each in others if each in parts]:
        data[name], table, met = others[name]()
        tables.append(table)
        goals |= met
    if "actions" in parts:
        found, met = actions(options.count, options.rate)
        data["actions"] = [dataclasses.asdict(button) for button in found]
        rows = [[b.name, b.times, b.requests, len(b.failed), round(common.median(b.seconds or [0]), 2)] for b in found]
        tables.append(common.table(["button", "times", "requests", "failed", "median s"], rows))
        goals |= met
    common.report("console", data, tables, [common.verdict(*goal) for goal in goals.items()])
    return goals


if __name__ == "__main__":
    common.run_main(main)
