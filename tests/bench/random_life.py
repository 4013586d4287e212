"""A random life of the cluster: operations of people, runs and crashes, against a model of what must be there.

Plays operations drawn from a seed under 100 requests/s: counts, rolls, policies, added and removed tiers, guests, nodes
that are stopped, killed, paused and removed, a balancer that is replaced or killed, a killed edge, a restarted engine.
After each, what runs and what answers must be as the model says (life/model.py), and no request may be lost but those
that the operation may cost.

Command: ``python -m tests.bench.random_life [--operations 200] [--seed N] [--without "restart engine"]``
A life that fails is shrunk: parts of it are played again until no operation can be left out (``--no-shrink`` does not,
``--shrink-minutes 20`` limits it). ``--replay FILE`` plays the operations of a result again.
Control: the unit tests play the same model against a world with a fault (tests/unit/bench/test_life.py).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from tests.bench import common, engine
from tests.bench.common import WEB, BenchError, say
from tests.bench.faults.host import Beside, Host
from tests.bench.faults.judge import lost
from tests.bench.life import model
from tests.bench.life.model import Failure, Operation, Seen, State
from tests.bench.life.shrink import shrink

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import GET
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_faults import DockerDrillEngine

EXTRA_IMAGE = "evenkeel-life/express"
PATHS = {model.STATIC: "/", model.DYNAMIC: "/api/dates/", model.EXTRA: "/extra/"}
_IMAGES = {model.STATIC: "res/apache_php", model.DYNAMIC: "res/express"}
_TIERS: dict[str, dict[str, Any]] = {
    model.STATIC: {"image": "res/apache_php", "context": "files/static", "port": 8080, "path": "/", "repeat": True},
    model.DYNAMIC: {
        "image": "res/express",
        "context": "files/dynamic",
        "port": 3000,
        "path": "/api/dates/",
        "strip_path": True,
        "repeat": True,
    },
    model.EXTRA: {
        "image": f"{EXTRA_IMAGE}:latest",
        "leaving": "own",
        "port": 3000,
        "path": "/extra/",
        "strip_path": True,
    },
}
_GUESTS = "evenkeel.faults=yes"
# The images too: their labels hold the policy that a life may have changed.
_BEGIN = ("site.yml", "--tags", "images,balancer,nodes")
_REMOVE = "docker rm --force $(members node) $(members edge) $(members balancer)"
# Ends when what was killed runs again: until then the cluster may still look as before.
_KILL_BALANCER = """
balancer=$(pid "$BALANCER")
kill -KILL "$balancer"
await 20 another_process "$BALANCER" "$balancer"
"""
_KILL_EDGE = """
edge=$(pid "$EDGE") balancer=$(pid "$BALANCER")
kill -KILL "$edge"
await 20 another_process "$EDGE" "$edge"
await 20 another_process "$BALANCER" "$balancer"
"""
_SETTLE_SECONDS = 20.0
# What an operation costs is known when nothing more has failed for this long.
_QUIET_SECONDS = 2.0
# A lost request is known at the latest after its time-out.
_ENDED_SECONDS = 6.0
_EVERY = 0.2


def declared(state: State) -> list[str]:
    """The arguments of a run that declares a state's tiers."""
    tiers = {
        name: {**_TIERS[name], "nodes": count, "sticky": name in state.sticky} for name, count in state.declared.items()
    }
    return ["-e", json.dumps({"cluster_tiers": tiers})]


class Cluster:
    """This machine's cluster as the world of a life."""

    def __init__(self, host: Host, load: Beside, rate: float) -> None:
        """Begin with the cluster as the model does."""
        self._host, self._load, self._rate = host, load, rate
        self._client = docker.from_env()
        self._looked_at = load.now()
        self._state = model.START

    def perform(self, operation: Operation, after: State) -> str:
        """Do it; why it failed, empty when it did not."""
        self._state = after
        try:
            return self._perform(operation, after)
        except (docker.errors.DockerException, requests.RequestException, BenchError) as error:
            return f"{operation}: got {error}, want success"

    def _perform(self, operation: Operation, after: State) -> str:
        kind, tier = operation.kind, operation.tier
        if kind == model.ROLL:
            return self._host.run("playbooks/roll.yml", "-e", f"tier={tier}", *declared(after)).problem
        if kind == model.STICKY:
            # The policy is part of an image's labels.
            return self._host.run("site.yml", "--tags", "images,nodes", *declared(after)).problem
        if kind in model.RUNS:
            return self._host.run("playbooks/scale.yml", *declared(after)).problem
        if kind == model.REPLACE_BALANCER:
            pids = 400 + int(time.time()) % 1000
            only = ("--tags", "balancer", "-e", f"load_balancer_pids={pids}")
            return self._host.run("site.yml", *only, *declared(after)).problem
        if kind == model.GUEST_JOINS:
            self._client.containers.run(_IMAGES[tier], detach=True, labels=dict([_GUESTS.split("=")]))
        elif kind == model.GUEST_LEAVES:
            for guest in self._guests(tier)[:1]:
                guest.stop()
                guest.remove(force=True)
        elif kind in {model.KILL_BALANCER, model.KILL_EDGE, model.RESTART_ENGINE}:
            return self._shell(kind)
        else:
            nodes = engine.nodes(tier)
            self._to_node(kind, nodes[operation.number % len(nodes)].name)
        return ""

    def _to_node(self, kind: str, name: str) -> None:
        node = self._client.containers.get(name)
        if kind == model.STOP:
            node.stop()
        elif kind == model.PAUSE:
            node.pause()
        elif kind == model.REMOVE:
            node.remove(force=True)
        elif problem := self._shell(f'kill -KILL "$(pid {name})"'):
            raise BenchError(problem)

    def _shell(self, text: str) -> str:
        known = {
            model.KILL_BALANCER: _KILL_BALANCER,
            model.KILL_EDGE: _KILL_EDGE,
            model.RESTART_ENGINE: "engine_restart TERM",
        }
        with tempfile.TemporaryDirectory(prefix="life-") as folder:
            return self._host.shell(known.get(text, text), self._host.variables_of(Path(folder)))

    def _guests(self, tier: str) -> list[Any]:
        labels = [_GUESTS, f"evenkeel.tier={tier}"]
        return list(self._client.containers.list(filters={"label": labels}))

    def look(self, settled: Callable[[Seen], bool]) -> Seen:
        """What is there as soon as it is settled, or at the end of the time limit; with the requests lost meanwhile."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            seen = self._glance()
            if settled(seen) or time.monotonic() > deadline:
                return self._with_losses(seen)
            time.sleep(_EVERY)

    def _glance(self) -> Seen:
        try:
            running = {tier: len([node for node in engine.nodes(tier) if not _is_paused(node.id)]) for tier in PATHS}
            guests = {tier: len(self._guests(tier)) for tier in PATHS}
        except (docker.errors.DockerException, requests.RequestException):
            return Seen({}, {}, {}, {})
        serving, statuses = {}, {}
        for tier in self._state.declared:
            names, found = _asked(PATHS[tier], 3 * max(running[tier] + guests[tier], 2))
            serving[tier], statuses[tier] = len(names), found
        return Seen(running, guests, serving, statuses)

    def _with_losses(self, seen: Seen) -> Seen:
        """Counts what was due since the last look, when all of it has ended and nothing more fails."""
        end = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < end and self._fails_still():
            time.sleep(_EVERY)
        now = self._load.now()
        deadline = time.monotonic() + _ENDED_SECONDS
        while True:
            records = [record for record in self._load.records if self._looked_at <= record.at < now]
            if len(records) >= int((now - self._looked_at) * self._rate) - 1 or time.monotonic() > deadline:
                break
            time.sleep(_EVERY)
        self._looked_at = now
        failed = lost(records)
        gets = sum(record.method == GET for record in failed)
        twice = sum(record.replayed for record in records)
        return dataclasses.replace(seen, lost_gets=gets, lost_posts=len(failed) - gets, twice=twice)

    def _fails_still(self) -> bool:
        since = max(self._load.now() - _QUIET_SECONDS, self._looked_at)
        return bool(lost([record for record in self._load.records if record.at >= since]))


def _is_paused(container: str) -> bool:
    return bool(engine.api().inspect_container(container)["State"]["Paused"])


def _asked(path: str, count: int) -> tuple[set[str], frozenset[int]]:
    """Which nodes answer this number of requests of clients without cookies, and with which statuses."""
    names, statuses = set(), set()
    for _ in range(count):
        try:
            answer = requests.get(WEB + path, timeout=2)
        except requests.RequestException:
            statuses.add(0)
            continue
        statuses.add(answer.status_code)
        if answer.ok:
            names.add(answer.headers.get("X-Served-By", ""))
    return names, frozenset(statuses)


def begin(host: Host) -> None:
    """The cluster as the model begins: three nodes per tier, no guests; and the image of the tier that is added.

    Raises:
        BenchError: one run does not make it.
    """
    with tempfile.TemporaryDirectory(prefix="life-") as folder:
        problem = host.shell("engine_start; foreign_gone; all_thawed", host.variables_of(Path(folder)))
        if not problem and host.run(*_BEGIN, *declared(model.START)).problem:
            # What one run does not mend is not what the next life is about.
            host.shell(_REMOVE, host.variables_of(Path(folder)))
            problem = host.run(*_BEGIN, *declared(model.START)).problem
    # Without the labels of the tier that the image was built for, which would make its nodes that tier's as well.
    _drills().bare_image(_IMAGES[model.DYNAMIC], EXTRA_IMAGE)
    if problem:
        raise BenchError(f"begin: got '{problem}', want the default cluster (fix: make up)")


def end() -> None:
    """Leave the cluster as the model begins, without what only a life needs."""
    begin(Host())
    _drills().remove_image(f"{EXTRA_IMAGE}:latest")


def _drills() -> DockerDrillEngine:
    drills = DockerDrillEngine(engine.CLUSTER, engine.CLUSTER, {})
    drills.connect()
    return drills


def play(operations: Sequence[Operation], rate: float, seed: int) -> Failure | None:
    """One life from the beginning."""
    host = Host()
    begin(host)
    start = dataclasses.replace(model.START, live_restore=bool(engine.api().info()["LiveRestoreEnabled"]))
    with Beside(rate, seed) as load:
        return model.live(operations, Cluster(host, load, rate), lambda text: say(f"  {text}"), start)


def shortest(operations: Sequence[Operation], failure: Failure, options: argparse.Namespace) -> list[Operation]:
    """The failing life, shrunk as far as time allows."""
    end = time.monotonic() + 60 * options.shrink_minutes

    def fails(part: Sequence[Operation]) -> bool:
        if time.monotonic() > end:
            return False
        say(f"again with {len(part)} operations")
        return play(part, options.rate, options.seed) is not None

    return shrink(operations[: failure.number + 1], fails)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description="random operations against a model of what must be there")
    made.add_argument("--operations", type=int, default=200)
    made.add_argument("--seed", type=int, help="of the operations; drawn when not given")
    made.add_argument("--rate", type=float, default=100.0, help="requests per second beside")
    made.add_argument("--without", action="append", default=[], choices=list(model.WEIGHTS), help="leave out this kind")
    made.add_argument("--no-shrink", action="store_true")
    made.add_argument("--shrink-minutes", type=float, default=20.0)
    made.add_argument("--replay", type=Path, help="the operations of this result")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Play and report."""
    options = parser().parse_args(argv)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    if options.replay:
        saved = json.loads(options.replay.read_text(encoding="utf-8"))
        operations = [Operation(**item) for item in saved["shrunk"] or saved["operations"]]
    else:
        operations = model.draw(options.operations, options.seed, options.without)
    say(f"seed {options.seed}: {len(operations)} operations")
    failure = play(operations, options.rate, options.seed)
    short = shortest(operations, failure, options) if failure and not options.no_shrink else []
    end()
    document = {
        "seed": options.seed,
        "operations": [dataclasses.asdict(operation) for operation in operations],
        "failure": str(failure or ""),
        "shrunk": [dataclasses.asdict(operation) for operation in short],
    }
    verdict = common.verdict(f"random life, seed {options.seed}: {failure or 'as the model says'}", failure is None)
    table = common.table(["operation", "tier", "number"], [[one.kind, one.tier, one.number] for one in short])
    common.report("random_life", document, [table] if short else [], [verdict])
    return 1 if failure else 0


if __name__ == "__main__":
    common.run_main(main)
