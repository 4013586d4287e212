"""Images that know nothing of Evenkeel: no request is lost while their tier changes, nor by a plain ``docker stop``.

Each image of ``tests/zoo`` is a tier of four lines (``image, port, path, nodes``) and what else it needs. Under load,
of which one request in twenty takes a second, the tier grows from 3 to 6 nodes, shrinks to 2, and is 3 again; all nodes
are replaced twice; and, where our first process holds them, each is restarted by ``docker restart``, and guests are
stopped by ``docker stop``. Sticky clients tell meanwhile by their cookie which sessions are moved. Then all nodes are
replaced twice more under quick requests alone: a node waits for the requests that it has, and how long it takes besides
can only be told without slow ones. Beside them: the same of the tier ``dynamic``, whose image keeps our contract.

Command: ``PYTHONPATH=collections python -m tests.bench.any_image [--rounds 5] [--rate 100] [nginx node ...]``.
Afterwards the default cluster is there again.
Control, in the same run: the same changes of the image ``node`` as if it kept our contract (``leaving: own``); it must
lose requests, otherwise the command fails.
Goals: 0 failed; sessions of nodes that leave are moved once, others never; leave p95 of our changes, under quick
requests, <= 2.5 s, of ``docker stop`` <= 3.5 s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench import common, examples
from tests.bench.common import POOL_MODULE, ROOT, WEB, BenchError, Play, say
from tests.bench.examples import docker
from tests.bench.load import Outcome, Target, under_load
from tests.bench.sessions import Moved, Sessions

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.naming import cookie_value

ZOO = ROOT / "tests/zoo"
TIER = "zoo"
LEAVE_GOAL, STOP_GOAL = 2.5, 3.5
SLOW_EVERY = 20
READY_SECONDS = 60
# Each client has asked again by then.
_SESSION_SECONDS = 0.5
# On a machine that is too busy, probes time out, and sessions move although nothing is changed.
_STEADY_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Animal:
    """One image.

    Attributes:
        folder: of its Dockerfile in ``tests/zoo``.
        port: TCP port.
        slow: a path whose answer takes a second.
        options: what the tier has besides four lines.
        held: our first process holds it.
        page: the path of the other requests.
        rate: requests per second that it can answer here, at most.
        guest: options of a guest's ``docker run``, which gets nothing of its tier; None if that cannot be enough.
        example: the inventory of ``tests/bench/examples.py`` that has its database, and the other options of its tier.
    """

    folder: str
    port: int
    slow: str = "slow"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    held: bool = True
    page: str = ""
    rate: float = 1000
    guest: Sequence[str] | None = ()
    example: str = ""

    @property
    def image(self) -> str:
        """Its reference."""
        return f"zoo-{self.folder}:1"


RAILS_KEY = "SECRET_KEY_BASE"
ANIMALS = {
    "nginx": Animal("nginx", 80),
    "node": Animal("node", 3000),
    "late": Animal("node", 3000, options={"environment": {"LATE_SECONDS": "5"}}),
    "s6": Animal("s6", 8000, held=False),
    "gunicorn": Animal("gunicorn", 8000),
    "django": Animal("django", 8000, guest=None, example="django"),
    "puma": Animal("puma", 3000),
    "rails": Animal(
        "rails", 3000, options={"secret_environment": {RAILS_KEY: "public"}}, guest=("-e", f"{RAILS_KEY}=public")
    ),
    "php-fpm": Animal("php-fpm", 8080),
    "wordpress": Animal("wordpress", 80, page="wp-login.php", slow="slow.php", rate=5, guest=None, example="wordpress"),
    "go": Animal("go", 8080),
    "streams": Animal("streams", 3000, slow="?seconds=1"),
    "tomcat": Animal("tomcat", 8080, slow="?slow", options={"memory": "512m", "ready_seconds": 120}),
}
CONTROL = Animal("node", 3000, options={"leaving": "own", "confinement": "docker", "health_path": "/"}, held=False)


@dataclasses.dataclass
class Sum:
    """What became of one image's requests. Times are in seconds.

    Attributes:
        leave: from the turn of each node to its end.
        quick: the same, where no request takes long.
        stop: of each ``docker stop``.
        steps: what was done, and what became of the sessions.
        begins: when that began, in seconds since the load's begin.
    """

    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    leave: list[float] = dataclasses.field(default_factory=list)
    quick: list[float] = dataclasses.field(default_factory=list)
    stop: list[float] = dataclasses.field(default_factory=list)
    steps: list[tuple[str, Moved]] = dataclasses.field(default_factory=list)
    begins: list[tuple[float, str]] = dataclasses.field(default_factory=list)
    began: float = 0.0

    @property
    def moved(self) -> Moved:
        """What became of the sessions in all steps."""
        total = Moved()
        for _, moved in self.steps:
            total.add(moved)
        return total

    def begin(self, step: str) -> None:
        """Note that a step begins."""
        self.begins.append((time.monotonic() - self.began, step))

    def losses(self) -> list[str]:
        """The failed requests by the step in which they were sent: its begin, its name, what they got and how many."""
        found = Counter((self._step_at(outcome.at), f"{outcome.method} {outcome.error}") for outcome in self.failed)
        return [f"{step}: {error} x{count}" for (step, error), count in sorted(found.items())]

    def _step_at(self, at: float) -> str:
        return next((f"{began:.1f} s, {step}" for began, step in reversed(self.begins) if began <= at), "before")

    @property
    def failed(self) -> list[Outcome]:
        """Requests without a complete answer of 2xx."""
        return [outcome for outcome in self.outcomes if outcome.error]


def build(animal: Animal) -> None:
    """Build its image.

    Raises:
        BenchError: that fails.
    """
    docker("build", "--quiet", "--tag", animal.image, str(ZOO / animal.folder))


def tiers(animal: Animal, nodes: int = 3, more: Mapping[str, Any] | None = None) -> str:
    """The variable that declares its tier alone, and those of its example, as an argument of a playbook."""
    variables = dict(more or {})
    example = variables.get("cluster_tiers", {}).get(animal.example, {})
    tier = {"image": animal.image, "port": animal.port, "path": "/", "nodes": nodes, **animal.options}
    return json.dumps({**variables, "cluster_tiers": {TIER: {"sticky": True, "pull": "never", **example, **tier}}})


def p95(values: Sequence[float]) -> float:
    """The nearest-rank 95th percentile; NaN for none."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 95 // 100) - 1] if ordered else float("nan")


def pages(tier: str, path: str, slow: str, page: str = "") -> list[Target]:
    """What a tier is asked: one request in twenty for the slow page."""
    usual, late = (Target(tier, f"{WEB}{path}{each}", f"{WEB}{path}{each}", counts=False) for each in (page, slow))
    return [late, *[usual] * (SLOW_EVERY - 1)]


@contextmanager
def loaded(animal: Animal, rate: float, result: Sum) -> Iterator[None]:
    """Send requests meanwhile, and until a second after."""
    result.began = time.monotonic()
    with under_load(pages(TIER, "/", animal.slow, animal.page), min(rate, animal.rate)) as outcomes:
        yield
    result.outcomes += outcomes


def leaves(play: Play) -> dict[str, float]:
    """Node to the seconds from its turn to its end, of those that left in a play."""
    nodes = play.results[POOL_MODULE]["timings"]["nodes"]
    return {
        name: node["gone"] - node["drain_began"]
        for name, node in nodes.items()
        if "gone" in node and "drain_began" in node
    }


@dataclasses.dataclass
class Trial:
    """One image while its tier changes.

    Attributes:
        animal: the image.
        declared: its tier, as an argument of a playbook.
        result: what has been found.
        sessions: sticky clients.
        more: variables of its example.
    """

    animal: Animal
    declared: str
    result: Sum
    sessions: Sessions
    more: Mapping[str, Any]

    def changed(self, what: str, play: Play) -> None:
        """Keep how long each node took from its turn to its end, and which sessions were moved."""
        left = leaves(play)
        self.result.leave += left.values()
        self.moved(what, list(left))

    def moved(self, what: str, left: Sequence[str]) -> None:
        """Keep which sessions were moved since the last step, in which these nodes left, each given by its host."""
        time.sleep(_SESSION_SECONDS)
        servers = Counter(cookie_value(f"{name}:{self.animal.port}") for name in left)
        self.result.steps.append((what, self.sessions.since(servers)))


def nodes() -> list[str]:
    """The names of the tier's nodes."""
    return docker("ps", "--format", "{{.Names}}", "--filter", f"label=evenkeel.tier={TIER}").split()


def await_ready(node: str) -> None:
    """Wait until a held node is ready, and a second more, in which the balancer notices.

    Raises:
        BenchError: it does not get ready.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not json.loads(docker("exec", node, "/.evenkeel/hold", "status"))["ready"]:
        if time.monotonic() > deadline:
            raise BenchError(f"{node}: got no readiness within {READY_SECONDS} s, want it (fix: docker logs {node})")
        time.sleep(0.2)
    time.sleep(1)


def play_round(trial: Trial) -> None:
    """All changes once."""
    time.sleep(_STEADY_SECONDS)
    trial.moved("nothing", [])
    for count in (6, 2, 3):
        trial.result.begin(f"scale to {count}")
        trial.changed(
            f"{count} nodes", common.play("playbooks/scale.yml", "-e", tiers(trial.animal, count, trial.more))
        )
    for _ in range(2):
        trial.result.begin("roll")
        trial.changed("replaced", common.play("playbooks/roll.yml", "-e", trial.declared, "-e", f"tier={TIER}"))
    if not trial.animal.held:
        return
    for name in nodes():
        trial.result.begin(f"restart of {name}")
        docker("restart", "--time", "60", name)
        await_ready(name)
        trial.moved("docker restart", [name])
    if trial.animal.guest is None:
        return
    # One after the other: with each change of its list, the balancer takes all servers for up until it has asked them
    # again. An app that answers 503 itself while it starts would get requests from the start of the next guest.
    guests = []
    for _ in range(2):
        trial.result.begin("guest starts")
        guests.append(docker("run", "--detach", *trial.animal.guest, f"evenkeel/{TIER}"))
        await_ready(guests[-1])
    addresses = [docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", guest) for guest in guests]
    trial.result.begin("guests are stopped")
    for guest in guests:
        began = time.monotonic()
        docker("stop", guest)
        trial.result.stop.append(time.monotonic() - began)
        docker("rm", "--force", "--volumes", guest)
    trial.moved("docker stop of guests", addresses)


@contextmanager
def variables(animal: Animal) -> Iterator[dict[str, Any]]:
    """The variables of its example, whose database runs meanwhile; none without an example."""
    if not animal.example:
        yield {}
        return
    example = examples.KNOWN[animal.example]
    with examples.database(example) as copy:
        try:
            yield {**examples.tier(example, copy), f"{example.name}_url": WEB}
        finally:
            # Nodes are in the database's network.
            common.play("site.yml")


def measure(name: str, animal: Animal, rounds: int, rate: float) -> Sum:
    """Set the tier up, and change it under load."""
    build(animal)
    with variables(animal) as more:
        return change(name, animal, more, rounds, rate)


def change(name: str, animal: Animal, more: Mapping[str, Any], rounds: int, rate: float) -> Sum:
    """Bring the tier up, fill its database, and change it under load."""
    declared = tiers(animal, 3, more)
    common.play("site.yml", "-e", declared)
    if animal.example:
        examples.KNOWN[animal.example].visitor().begin(WEB)
    again = common.play("site.yml", "-e", declared)
    if again.changed:
        raise BenchError(f"{name}: got {again.changed} changes by a second run, want none (fix: run it with --diff)")
    result = Sum()
    with loaded(animal, rate, result), Sessions(f"{WEB}/", f"evenkeel_{TIER}") as sessions:
        trial = Trial(animal, declared, result, sessions, more)
        for number in range(rounds):
            play_round(trial)
            say(f"{name}: round {number + 1} of {rounds}, {len(result.leave)} nodes left, {result.moved}")
    say("\n  ".join([f"{name}: {len(result.failed)} of {len(result.outcomes)} failed", *result.losses()]))
    replace_quickly(result, quick_page(animal), min(rate, animal.rate), declared, TIER)
    return result


def quick_page(animal: Animal) -> Target:
    """The page that takes no time."""
    return pages(TIER, "/", animal.slow, animal.page)[-1]


def replace_quickly(result: Sum, page: Target, rate: float, declared: str, tier: str) -> None:
    """Replace all nodes of a tier twice while it is asked for one page."""
    with under_load([page], rate) as outcomes:
        for _ in range(2):
            play = common.play("playbooks/roll.yml", "-e", declared, "-e", f"tier={tier}")
            result.quick += leaves(play).values()
    say(f"{tier}, quick requests: {sum(bool(outcome.error) for outcome in outcomes)} of {len(outcomes)} failed")
    result.outcomes += outcomes


def ours(rate: float) -> Sum:
    """The tier ``dynamic`` of the default cluster, whose image keeps our contract."""
    common.play("site.yml")
    result, page = Sum(), f"{WEB}/api/dates/"
    replace_quickly(result, Target("dynamic", page, page, counts=False), rate, "{}", "dynamic")
    return result


def row(name: str, found: Sum) -> list[object]:
    """One line of the table."""
    moved = [found.moved.rightly, found.moved.again, found.moved.others]
    times = [p95(found.leave), p95(found.quick), p95(found.stop)]
    return [name, len(found.outcomes), len(found.failed), len(found.leave) + len(found.quick), *times, *moved]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and save; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"of {', '.join(ANIMALS)}; all by default")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.images) - ANIMALS.keys())
    if unknown:
        parser.error(f"image: got {unknown[0]}, want one of {', '.join(ANIMALS)}")
    chosen = options.images or list(ANIMALS)
    try:
        found = {name: measure(name, ANIMALS[name], options.rounds, options.rate) for name in chosen}
        control = measure("control", CONTROL, 1, options.rate)
        contract = ours(options.rate)
    finally:
        common.play("site.yml")
    beside = [row("control: node, leaving: own", control), row("beside: dynamic, our contract", contract)]
    rows = [*(row(name, result) for name, result in found.items()), *beside]
    times = ["leave p95", "leave p95, quick requests", "docker stop p95"]
    header = ["image", "requests", "failed", "left", *times, "moved once", "again", "others'"]
    leave = p95([seconds for result in found.values() for seconds in result.quick])
    stop = p95([seconds for result in found.values() for seconds in result.stop])
    failed = sum(len(result.failed) for result in found.values())
    moved = [result.moved for result in found.values()]
    wrongly = sum(each.again + each.others for each in moved)
    goals = {
        f"0 failed (got {failed})": failed == 0,
        f"leave p95 under quick requests <= {LEAVE_GOAL} s (got {leave:.2f})": leave <= LEAVE_GOAL,
        f"docker stop p95 <= {STOP_GOAL} s (got {stop:.2f})": not stop > STOP_GOAL,
        f"sessions moved twice or without need: {wrongly}, goal 0": wrongly == 0,
        "the sessions of nodes that left were moved": all(each.rightly for each in moved),
        f"the control loses (got {len(control.failed)})": bool(control.failed),
    }
    errors = {name: result.losses() for name, result in found.items()}
    steps = {
        name: [(what, dataclasses.asdict(moved)) for what, moved in result.steps] for name, result in found.items()
    }
    data = {"rounds": options.rounds, "rate": options.rate, "rows": rows, "errors": errors, "sessions": steps}
    common.report("any-image", data, [common.table(header, rows)], [common.verdict(*goal) for goal in goals.items()])
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    common.run_main(main)
