"""Sets of servers under faults: no request is lost whatever happens while a tier's route leads to a written set.

Two tiers of the image ``node`` of ``tests/zoo``, which ends at once when it is told to: one leaves by the balancer
alone, the other below our first process. Under load, of which one request in twenty takes a second:

* ``kills``: a run gets SIGKILL, its module included, at a random moment of its sets. One run must converge, and the
  next one must change nothing.
* ``faults``: the balancer's API gets silent, or its docker provider hears nothing more, as soon as there is a set: the
  run must say so and undo what it did, and no node that ran before may have been stopped. The balancer is replaced
  while a killed run's set is in force, and beside a run; a guest is stopped by ``docker stop``: nothing may be lost.

Command: ``PYTHONPATH=collections python -m tests.bench.sets [kills] [faults] [--kills 50] [--rounds 2]
[--rate 60] [--seed N]``. Needs root; replaces the cluster's tiers, and restores the default ones.
Control, in the same run: a roll of the same image that is said to keep the contract, so without a set, must lose.
Goals: 0 failed; every killed run is mended by one run, then ``changed=0``; all faults end as above.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any

from tests.bench import any_image, common, runs
from tests.bench.common import STATE, BenchError, say
from tests.bench.examples import docker
from tests.bench.load import Outcome, under_load
from tests.bench.silence import api_silent, docker_aside, provider_frozen

from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import active_routes

NODES = 3
PATHS = {"zoo": "/", "held": "/held/", "lossy": "/lossy/"}
TIERS = ("zoo", "held")
ROLL = ("playbooks/roll.yml", "-e", "node_pool_surge_percent=50")
AGAIN = "playbooks/scale.yml"
ROUTES = STATE / "balancer/dynamic/tiers.yml"
_POLL_SECONDS = 0.02
_BEGIN_SECONDS = 60.0
_END_SECONDS = 300.0
# How long a start may take: the time after which a run gives up on a balancer that hears nothing.
_READY_SECONDS = 40


def declared(nodes: int = NODES, *, lossy: bool = False) -> str:
    """The variable that declares the tiers, as an argument of a playbook."""
    animal = any_image.ANIMALS["node"]
    common_options = {"image": animal.image, "port": animal.port, "nodes": nodes, "pull": "never", "sticky": True}
    ways: dict[str, dict[str, Any]] = {"zoo": {"leaving": "balancer"}, "held": {}}
    if lossy:
        ways["lossy"] = dict(any_image.CONTROL.options)
    tiers = {
        name: {**common_options, "path": PATHS[name], "strip_path": True, "ready_seconds": _READY_SECONDS, **options}
        for name, options in ways.items()
    }
    return json.dumps({"cluster_tiers": tiers})


RUNS: tuple[tuple[str, ...], ...] = (
    (*ROLL, "-e", declared()),
    (AGAIN, "-e", declared(5)),
    (AGAIN, "-e", declared(2)),
)


def sets() -> dict[str, set[str]]:
    """Tier to the names of the servers in its set; tiers without a set are missing."""
    routes = active_routes(ROUTES.read_text(encoding="utf-8"))
    return {
        name: {url.removeprefix("http://").partition(":")[0] for url in route.servers.urls}
        for name, route in routes.items()
        if route.servers is not None
    }


def nodes(*, alive: bool = True) -> dict[str, str]:
    """The names of all nodes -> what tells one start of each from another."""
    words = ["ps", "--quiet", "--no-trunc", "--filter", "label=evenkeel.role=node", *([] if alive else ["--all"])]
    ids = docker(*words).split()
    if not ids:
        return {}
    found = json.loads(docker("inspect", *ids))
    return {item["Name"].lstrip("/"): f"{item['Id'][:12]} {item['State']['StartedAt']}" for item in found}


def step(before: set[str]) -> str:
    """Which step of a set was under way, by what a killed run left."""
    found, running, every = sets(), set(nodes()), set(nodes(alive=False))
    if not found:
        return "outside of a set"
    listed = set().union(*found.values())
    of_sets = {name for name in running if name.rpartition("-")[0] in found}
    if every - running:
        return "a node has ended"
    if of_sets - listed - before:
        return "a node starts"
    return "a node leaves" if of_sets - listed else "between two steps"


def targets(*tiers: str) -> list[Any]:
    """What the load asks."""
    lists = [any_image.pages(tier, PATHS[tier], "slow") for tier in tiers]
    return [target for row in zip(*lists, strict=True) for target in row]


def await_sets(run: subprocess.Popen[str]) -> bool:
    """Wait until there is a set; whether it came before the end of the run."""
    deadline = time.monotonic() + _BEGIN_SECONDS
    while run.poll() is None and time.monotonic() < deadline:
        if sets():
            return True
        time.sleep(_POLL_SECONDS)
    return False


def seconds_in_sets(words: Sequence[str]) -> float:
    """How long a run needs its sets when it is left alone."""
    with tempfile.TemporaryFile("w+") as output, runs.started(words, output) as run:
        if not await_sets(run):
            raise BenchError(
                f"{words[0]}: got no set of servers, want one while the tiers change (fix: run it by hand)"
            )
        began = time.monotonic()
        while sets() and run.poll() is None:
            time.sleep(_POLL_SECONDS)
        return time.monotonic() - began


def said(output: IO[str]) -> str:
    """The lines of a failed run that tell why."""
    output.seek(0)
    lines = [line.strip() for line in output.read().splitlines() if "[WARNING]" not in line]
    return " | ".join(line for line in lines if "got " in line and "want" in line)[:600]


# --------------------------------------------------------------------------
# Kills
# --------------------------------------------------------------------------


@dataclasses.dataclass
class Tried:
    """One run with what was done to it."""

    what: str
    step: str = ""
    at: float = 0.0
    requests: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)
    said: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of the load."""
        self.requests = len(outcomes)
        lost = [outcome for outcome in outcomes if outcome.error]
        self.failed = [f"{one.tier} {one.method} at {one.at:.1f} s: {one.error}" for one in lost]

    @property
    def good(self) -> bool:
        """Nothing was lost, and it ended as it must."""
        return not self.failed and not self.problems


def mend(tried: Tried) -> None:
    """One run must converge, and the next one must change nothing."""
    first = common.attempt(AGAIN, "-e", declared())
    second = common.attempt(AGAIN, "-e", declared())
    if first.problem:
        tried.problems.append(f"run after it: {first.problem}")
    if second.problem or second.changed:
        tried.problems.append(f"second run after it: {second.problem or f'changed={second.changed}'}")
    if sets():
        tried.problems.append(f"routes: got sets of {', '.join(sets())}, want none")


def one_kill(words: Sequence[str], after: float, rate: float) -> Tried:
    """Kill a run, *after* seconds from its first set, and mend what it left."""
    before = set(nodes())
    tried = Tried(" ".join(words[:1]), at=after)
    with under_load(targets(*TIERS), rate) as outcomes:
        with tempfile.TemporaryFile("w+") as output, runs.started(words, output) as run:
            if not await_sets(run):
                tried.problems.append("got no set, want one")
            try:
                run.wait(timeout=after)
            except subprocess.TimeoutExpired:
                runs.kill(run.pid)
        tried.step = step(before)
        mend(tried)
    tried.count(outcomes)
    return tried


def kills(count: int, rate: float, chance: random.Random) -> list[Tried]:
    """All kills."""
    lasting = {}
    for words in RUNS:
        lasting[words] = seconds_in_sets(words)
        common.play(AGAIN, "-e", declared())
    say(f"sets last {', '.join(f'{seconds:.1f} s' for seconds in lasting.values())}")
    found = []
    for number in range(count):
        words = RUNS[number % len(RUNS)]
        found.append(one_kill(words, chance.uniform(0, lasting[words]), rate))
        say(f"kill {number + 1}: {json.dumps(dataclasses.asdict(found[-1]))}")
    return found


# --------------------------------------------------------------------------
# Faults
# --------------------------------------------------------------------------


def undone(what: str, deed: Callable[[], AbstractContextManager[None]], rate: float, says: str, after: float) -> Tried:
    """A roll while the balancer does not tell, or does not hear; from its first set on, it is undone and says why.

    Args:
        what: the deed in words.
        deed: lasts to the end of the run.
        rate: requests per second.
        says: a word of the reason.
        after: seconds from the first set to the deed; later, some nodes have been replaced already.
    """
    tried = Tried(f"{what}{' later' if after else ''}", at=after)
    before = nodes()
    with under_load(targets(*TIERS), rate) as outcomes:
        with tempfile.TemporaryFile("w+") as output:
            with runs.started(RUNS[0], output) as run:
                if not await_sets(run):
                    tried.problems.append("got no set, want one")
                time.sleep(after)
                under_way = bool(sets())
                with deed():
                    run.wait(timeout=_END_SECONDS)
            tried.said = said(output)
        stopped = sorted(name for name, start in before.items() if nodes().get(name) != start)
        if under_way and (run.returncode == 0 or says not in tried.said):
            tried.problems.append(f"run: got exit status {run.returncode}, want it to fail and to say '{says}'")
        if stopped and not after:
            tried.problems.append(f"nodes: got {', '.join(stopped)} stopped, want none")
        # Where the balancer does not find nodes that run, the set stays.
        if sets() and not after:
            tried.problems.append(f"routes: got sets of {', '.join(sets())} after the run, want none")
        mend(tried)
    tried.count(outcomes)
    return tried


def replaced(rate: float, *, beside: bool) -> Tried:
    """The balancer is replaced while there is a set: of a killed run, or of a run that goes on."""
    tried = Tried("balancer replaced " + ("beside a run" if beside else "in a killed run's set"))
    other = ("site.yml", "--tags", "balancer", "-e", declared())
    with under_load(targets(*TIERS), rate) as outcomes:
        with tempfile.TemporaryFile("w+") as output, runs.started(RUNS[0], output) as run:
            if not await_sets(run):
                tried.problems.append("got no set, want one")
            if not beside:
                time.sleep(1)
                runs.kill(run.pid)
                run.wait()
                tried.step = f"sets of {', '.join(sets())}"
            changed = common.attempt(*other, "-e", "load_balancer_pids=513")
            run.wait(timeout=_END_SECONDS)
        if changed.problem or not changed.changed:
            tried.problems.append(f"balancer: got '{changed.problem or 'no change'}', want it replaced")
        if beside and run.returncode:
            tried.problems.append(f"run: got exit status {run.returncode}, want 0")
        mend(tried)
        common.play(*other)
    tried.count(outcomes)
    return tried


def guest_stopped(rate: float, chance: random.Random) -> Tried:
    """A guest of the held tier is stopped by hand while it is in the set."""
    tried = Tried("docker stop of a guest")
    guest = docker("run", "--detach", "evenkeel/held")
    time.sleep(4)
    with under_load(targets(*TIERS), rate) as outcomes:
        with tempfile.TemporaryFile("w+") as output, runs.started(RUNS[0], output) as run:
            if not await_sets(run):
                tried.problems.append("got no set, want one")
            tried.at = chance.uniform(0, 1)
            time.sleep(tried.at)
            docker("stop", guest)
            run.wait(timeout=_END_SECONDS)
            tried.said = said(output)
        if run.returncode:
            tried.problems.append(f"run: got exit status {run.returncode}, want 0")
        docker("rm", "--force", guest)
        mend(tried)
    tried.count(outcomes)
    return tried


def faults(rounds: int, rate: float, chance: random.Random) -> list[Tried]:
    """All faults, in rounds."""
    deeds: tuple[Callable[[], Tried], ...] = (
        lambda: undone("balancer's API silent", api_silent, rate, "balancer", 0),
        lambda: undone("balancer's API silent", api_silent, rate, "balancer", chance.uniform(1, 8)),
        lambda: undone("docker provider frozen", provider_frozen, rate, "rotation", 0),
        lambda: undone("docker provider frozen", provider_frozen, rate, "rotation", chance.uniform(1, 8)),
        lambda: replaced(rate, beside=False),
        lambda: replaced(rate, beside=True),
        lambda: guest_stopped(rate, chance),
    )
    found = []
    for deed in deeds * rounds:
        found.append(deed())
        say(f"fault: {json.dumps(dataclasses.asdict(found[-1]))}")
    return found


def control(rate: float) -> Tried:
    """A roll of the same image without a set."""
    tried = Tried("control: leaving: own")
    with_it = declared(lossy=True)
    common.play(AGAIN, "-e", with_it)
    with under_load(targets("lossy"), rate) as outcomes:
        for _ in range(2):
            common.play(ROLL[0], "-e", with_it, "-e", "tier=lossy")
    tried.count(outcomes)
    return tried


def rows(found: Sequence[Tried]) -> list[list[object]]:
    """One line per kind: what was done, how often, what was lost."""
    kinds = Counter(f"{one.what}{', killed: ' + one.step if one.at and one.step else ''}" for one in found)
    return [
        [
            kind,
            count,
            sum(one.requests for one in of_kind),
            sum(len(one.failed) for one in of_kind),
            sum(one.good for one in of_kind),
        ]
        for kind, count in sorted(kinds.items())
        for of_kind in [[one for one in found if kind in (one.what, f"{one.what}, killed: {one.step}")]]
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and save; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help="kills, faults; both when not given")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2, help="how often each fault is made (2)")
    parser.add_argument("--rate", type=float, default=60.0, help="requests per second (60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    parts = set(options.parts) or {"kills", "faults"}
    if wrong := sorted(parts - {"kills", "faults"}):
        parser.error(f"part: got {wrong[0]}, want kills or faults")
    say(f"seed {options.seed}")
    chance = random.Random(options.seed)
    any_image.build(any_image.ANIMALS["node"])
    killed: list[Tried] = []
    faulty: list[Tried] = []
    try:
        common.play("site.yml", "--tags", "images,balancer,nodes", "-e", declared())
        if "kills" in parts:
            killed = kills(options.kills, options.rate, chance)
        if "faults" in parts:
            with docker_aside():
                faulty = faults(options.rounds, options.rate, chance)
        lossy = control(options.rate)
    finally:
        common.play("site.yml", "--tags", "images,balancer,nodes")
    inside = sum(one.step != "outside of a set" for one in killed)
    every = [*killed, *faulty]
    failed = sum(len(one.failed) for one in every)
    mended, right = (sum(not one.problems for one in found) for found in (killed, faulty))
    goals = {
        f"0 failed of {sum(one.requests for one in every)} requests (got {failed})": not failed,
        f"{len(killed)} killed runs are mended by one run, then changed=0 (got {mended})": mended == len(killed),
        f"two kills in three came within a set (got {inside} of {len(killed)})": 3 * inside >= 2 * len(killed),
        f"{len(faulty)} faults end as they must (got {right})": right == len(faulty),
        f"the control loses (got {len(lossy.failed)} of {lossy.requests})": bool(lossy.failed),
    }
    header = ["", "times", "requests", "failed", "good"]
    data = {"options": vars(options), "tried": [dataclasses.asdict(one) for one in [*killed, *faulty, lossy]]}
    table = common.table(header, rows([*killed, *faulty, lossy]))
    common.report("sets", data, [table], [common.verdict(*goal) for goal in goals.items()])
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    common.run_main(main)
