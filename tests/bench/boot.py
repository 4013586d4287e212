"""Goal P8: how long until the site serves after the engine was restarted or killed, or its machine rebooted or cut off.

Makes a machine of its own: a container with systemd as process 1 and its own Docker, from the Molecule scenario
``default``. On it, with live-restore and without, per kind of restart:

* ``restart``: ``systemctl restart docker``, as in an upgrade;
* ``kill``: SIGKILL of dockerd, which systemd starts again;
* ``reboot``: the machine shuts down and boots;
* ``power cut``: all its processes get SIGKILL, and it boots.

Before each, ten clients have sticky sessions, and one node was stopped by hand. After each, both tiers must answer, the
other nodes must all serve, the sessions must be where they were, and the stopped node must still be stopped.

With ``--during``, each comes in the middle of a run, drawn at random: nodes are added, replaced or taken away, or the
balancer is replaced. No node is stopped by hand then, and sessions may move with their nodes; one run must succeed
afterwards.

Command: ``python -m tests.bench.boot [--rounds 20] [--nodes 6] [--kinds restart kill] [--live on off] [--during]``
Control, in the same run: with a watch that does nothing, half of the restarts without live-restore leave the site down.
Goal: p95 of at most 10 s after the engine answers, 20 of 20 per kind. Its own machine goes at the end.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import requests
from tests.bench import common
from tests.bench.common import ROOT, BenchError, say
from tests.bench.runs import started

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats import percentile

MACHINE = "evenkeel-molecule"
SCENARIO = "default"
PATHS = {"static": "/", "dynamic": "/api/dates/"}
DOMAIN = "labo-http.res.ch"
WATCH = "/var/lib/evenkeel/evenkeel/balancer/edge-watch.pl"
GOAL_SECONDS = 10.0
_CONTROL_SECONDS = 25.0
_PATIENCE_SECONDS, _BOOT_SECONDS, _RUN_SECONDS = 90.0, 120.0, 600.0
_IN_A_ROW = 3
_CLIENTS = 10
_EVERY = 0.1
# Runs in the middle of which a restart comes, and how long each takes.
_RUNS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("playbooks/roll.yml",), 9.0),
    (("playbooks/scale.yml", "-e", "static_nodes=1", "-e", "dynamic_nodes=6"), 6.0),
    (("site.yml", "--tags", "balancer", "-e", "load_balancer_pids=513"), 8.0),
    (("site.yml", "--tags", "balancer,nodes", "-e", '{"cluster_hosts": []}'), 8.0),
)
_INVENTORY = ("--inventory", str(ROOT / f"molecule/{SCENARIO}/inventory"))


@dataclasses.dataclass
class Round:
    """One restart.

    Attributes:
        kind: of restart.
        live: whether Docker has live-restore.
        serves: seconds from the engine's answer until both tiers answer; None when they did not.
        down: seconds from the restart until then.
        whole: seconds from the engine's answer until all nodes that were not stopped serve; None when they did not.
        moved: sessions that are elsewhere.
        problems: what else is not as it must be.
    """

    kind: str
    live: bool
    serves: float | None = None
    down: float | None = None
    whole: float | None = None
    moved: int = 0
    problems: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it is as the goal wants it."""
        served = self.serves is not None and self.serves <= GOAL_SECONDS
        return served and self.whole is not None and not self.moved and not self.problems


class Machine:
    """The container that acts as a machine."""

    def shell(self, text: str, *, check: bool = True) -> str:
        """Run shell on it.

        Raises:
            BenchError: it fails.
        """
        done = subprocess.run(
            ["docker", "exec", MACHINE, "sh", "-c", text], capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise BenchError(f"'{text}' on {MACHINE}: got {(done.stderr or done.stdout).strip()[-300:]}, want success")
        return done.stdout.strip()

    def engine_answers(self) -> bool:
        """Whether its Docker does."""
        return bool(self.shell("docker version --format '{{.Server.Version}}' 2>/dev/null || true", check=False))

    def engine_process(self) -> str:
        """The PID of its dockerd; 0 when there is none."""
        return self.shell("systemctl show --property MainPID --value docker", check=False)

    def web(self) -> str:
        """The web port as others reach it; the address may be another one after a boot."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = subprocess.run(
            ["docker", "inspect", "--format", template, MACHINE], check=True, capture_output=True, text=True
        )
        return f"http://{address.stdout.strip()}:8080"

    def nodes(self, *, running: bool = True) -> list[str]:
        """Its managed nodes."""
        which = "running" if running else "exited"
        names = self.shell(
            f"docker ps --all --filter label=evenkeel.managed=true --filter status={which} --format '{{{{.Names}}}}'"
        )
        return sorted(names.split())

    def live_restore(self, live: bool) -> None:
        """Switch it, and start its Docker again."""
        edit = (
            "import json; file = '/etc/docker/daemon.json'; options = json.load(open(file)); "
            f"options['live-restore'] = {live}; json.dump(options, open(file, 'w'), indent=4)"
        )
        self.shell(f'python3 -c "{edit}"; systemctl restart docker')


def restart(machine: Machine, kind: str) -> None:
    """Restart it in one of the ways, and wait until the engine answers.

    Raises:
        BenchError: the engine does not come back.
    """
    before = machine.engine_process()
    if kind == "restart":
        machine.shell("systemctl reset-failed docker; systemctl restart docker")
    elif kind == "kill":
        machine.shell(f"systemctl reset-failed docker; kill -KILL {before}")
    elif kind == "reboot":
        subprocess.run(["docker", "restart", "--time", "90", MACHINE], check=True, capture_output=True)
    else:
        subprocess.run(["docker", "kill", MACHINE], check=True, capture_output=True)
        subprocess.run(["docker", "start", MACHINE], check=True, capture_output=True)

    def back() -> bool:
        # A process of the machine that has booted may have the number of one before.
        anew = kind in {"reboot", "power cut"} or machine.engine_process() not in {"0", before}
        return anew and machine.engine_answers()

    if awaited(back, _BOOT_SECONDS) is None:
        raise BenchError(f"{kind}: got no answer of Docker within {_BOOT_SECONDS:g} s, want one")


def awaited(true: Callable[[], bool], seconds: float) -> float | None:
    """Seconds until it is true; None when it was not in that time."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(_EVERY)
    return time.monotonic() - began


def ask(web: str, path: str, session: requests.Session | None = None) -> str | None:
    """The node that answers; None when none does."""
    try:
        answer = (session or requests).get(web + path, headers={"Host": DOMAIN}, timeout=1.5)
    except requests.RequestException:
        return None
    return answer.headers.get("X-Served-By") if answer.ok else None


def serves(web: str) -> bool:
    """Whether both tiers answer, several times in a row."""
    return all(ask(web, path) for _ in range(_IN_A_ROW) for path in PATHS.values())


def all_serve(web: str, nodes: Sequence[str]) -> bool:
    """Whether each of the nodes answers."""
    asked = 2 * len(nodes)
    return {ask(web, path) for path in PATHS.values() for _ in range(asked)} >= set(nodes)


def one_round(machine: Machine, kind: str, live: bool, patience: float = _PATIENCE_SECONDS) -> Round:
    """One restart of a cluster that serves."""
    found = Round(kind, live)
    nodes, stopped, web = machine.nodes(), machine.nodes(running=False), machine.web()
    clients = [requests.Session() for _ in range(_CLIENTS)]
    homes = [ask(web, "/", client) for client in clients]
    began = time.monotonic()
    restart(machine, kind)
    web = machine.web()
    answered = time.monotonic()
    found.serves = awaited(lambda: serves(web), patience)
    if found.serves is None:
        return found
    found.down = time.monotonic() - began
    if awaited(lambda: all_serve(web, nodes), patience) is not None:
        found.whole = time.monotonic() - answered
    found.moved = sum(moved(client, home, web) for client, home in zip(clients, homes, strict=True))
    if machine.nodes(running=False) != stopped:
        found.problems = (f"got {machine.nodes(running=False)} stopped, want {stopped}",)
    return found


def one_round_in_a_run(machine: Machine, kind: str, live: bool, nodes: int, chance: random.Random) -> Round:
    """One restart in the middle of a run; a second run must mend what that leaves."""
    found = Round(kind, live)
    words, longest = chance.choice(_RUNS)
    after = chance.uniform(1.5, longest)
    say(f"{kind} after {after:.1f} s of {' '.join(words)}")
    with tempfile.TemporaryFile("w+") as output, started((*words, *_INVENTORY), output) as run:
        time.sleep(after)
        began = time.monotonic()
        restart(machine, kind)
        web, answered = machine.web(), time.monotonic()
        found.serves = awaited(lambda: serves(web), _PATIENCE_SECONDS)
        found.down = time.monotonic() - began if found.serves is not None else None
        run.wait(timeout=_RUN_SECONDS)
        output.seek(0)
        _, sign, traceback = output.read().partition("Traceback (most recent call last)")
        if sign:
            found.problems = (f"got a traceback of {words[0]}, want one line: {traceback[-2000:]}",)
    again = common.attempt("site.yml", *_INVENTORY, "--tags", "images,balancer,nodes", *counts(nodes))
    if again.problem:
        found.problems = (*found.problems, f"got '{again.problem[:300]}' of the run after it, want success")
    elif awaited(lambda: all_serve(web, machine.nodes()), _PATIENCE_SECONDS) is not None:
        found.whole = time.monotonic() - answered
    if len(machine.nodes()) != nodes:
        found.problems = (*found.problems, f"got {len(machine.nodes())} nodes, want {nodes}")
    return found


def moved(client: requests.Session, home: str | None, web: str) -> bool:
    """Whether the client's session is elsewhere; its cookie is sent to whichever address the machine has now."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies)
    answer = requests.get(web + "/", headers={"Host": DOMAIN, "Cookie": cookies}, timeout=5)
    return answer.headers.get("X-Served-By") != home


def control(machine: Machine, kind: str, nodes: int) -> bool:
    """Whether the site stays down without the watch; it is brought back.

    Raises:
        BenchError: it does not come back.
    """
    machine.shell(f"cp {WATCH} /root/watch; echo 'sleep 1 while 1;' >{WATCH}; sleep 3")
    down = one_round(machine, kind, live=False, patience=_CONTROL_SECONDS).serves is None
    machine.shell(
        f"cp /root/watch {WATCH}; docker restart --time 1 $(docker ps --all --quiet --filter label=evenkeel.role=edge)"
    )
    time.sleep(3)
    # Docker takes the nodes for stopped by a person where it was killed.
    resized(nodes)
    if awaited(lambda: serves(machine.web()), _PATIENCE_SECONDS) is None:
        raise BenchError("control: got no site with the watch in its place again, want one")
    return down


def molecule(*words: str) -> None:
    """Run a step of the scenario.

    Raises:
        BenchError: it fails.
    """
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [str(folder / "molecule"), *words, "--scenario-name", SCENARIO]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: got {done.stdout.strip()[-500:]}, want success")


def resized(nodes: int) -> None:
    """Give the cluster on the machine this number of nodes in all.

    Raises:
        BenchError: it does not come to it.
    """
    common.play("playbooks/scale.yml", *_INVENTORY, *counts(nodes))


def counts(nodes: int) -> list[str]:
    """The arguments of a run for this number of nodes in all."""
    return ["-e", f"static_nodes={nodes - nodes // 2}", "-e", f"dynamic_nodes={nodes // 2}"]


def measure(options: argparse.Namespace) -> tuple[list[Round], list[tuple[str, bool]]]:
    """All rounds, and the controls."""
    machine, chance, found, controls = Machine(), random.Random(options.seed), [], []
    requests_through_no_proxy()
    for live in (word == "on" for word in options.live):
        machine.live_restore(live)
        if awaited(lambda: serves(machine.web()), _PATIENCE_SECONDS) is None:
            raise BenchError(f"live-restore {live}: got no site, want one")
        resized(options.nodes)
        if not options.during:
            # As a person does it, and not a moment before the restart.
            machine.shell(f"docker stop {machine.nodes()[0]}")
            time.sleep(4)
        for kind, number in itertools.product(options.kinds, range(options.rounds)):
            found.append(
                one_round_in_a_run(machine, kind, live, options.nodes, chance)
                if options.during
                else one_round(machine, kind, live)
            )
            say(f"{number + 1}: {json.dumps(dataclasses.asdict(found[-1]))}")
            if found[-1].serves is None:
                resized(options.nodes)
        if not live and not options.during:
            for kind in options.kinds:
                controls.append((kind, control(machine, kind, options.nodes)))
                say(f"control, {kind}: {'down' if controls[-1][1] else 'serves'}")
    return found, controls


def requests_through_no_proxy() -> None:
    """The machine is on this one."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


def rows(found: Sequence[Round]) -> list[list[object]]:
    """Per kind of restart: figures."""
    table: list[list[object]] = []
    for live, kind in dict.fromkeys((each.live, each.kind) for each in found):
        rounds = [each for each in found if (each.live, each.kind) == (live, kind)]
        table.append(
            [
                f"{kind}, live-restore {'on' if live else 'off'}",
                f"{sum(each.good for each in rounds)} of {len(rounds)}",
                p95([each.serves for each in rounds]),
                p95([each.whole for each in rounds]),
                p95([each.down for each in rounds]),
                sum(each.moved for each in rounds),
            ]
        )
    return table


def p95(values: Sequence[float | None]) -> float | None:
    """The 95th percentile by nearest rank; None when one value is missing."""
    known = [value for value in values if value is not None]
    return percentile(known, 95) if known and len(known) == len(values) else None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    kinds = ["restart", "kill", "reboot", "power cut"]
    parser = argparse.ArgumentParser(description="restarts of the engine and of its machine")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--kinds", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--live", nargs="+", choices=["on", "off"], default=["on", "off"])
    parser.add_argument("--during", action="store_true", help="in the middle of runs")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of these runs")
    parser.add_argument("--keep", action="store_true", help="leave the machine")
    options = parser.parse_args(argv)
    if options.during:
        say(f"seed {options.seed}")
    molecule("converge")
    try:
        found, controls = measure(options)
    finally:
        if not options.keep:
            molecule("destroy")
    good = sum(each.good for each in found)
    verdicts = [
        common.verdict(f"P8: {good} of {len(found)} serve within {GOAL_SECONDS:g} s, whole", good == len(found))
    ]
    if controls:
        down = sum(stays for _, stays in controls)
        verdicts.append(
            common.verdict(
                f"control: without the watch, {down} of {len(controls)} stay down", 2 * down >= len(controls)
            )
        )
    header = ["restart", "good", "serves, p95 s", "all nodes, p95 s", "down in all, p95 s", "moved"]
    data = {"options": vars(options), "rounds": [dataclasses.asdict(each) for each in found], "controls": controls}
    common.report("boot", data, [common.table(header, rows(found))], verdicts)
    return 0 if all(each.startswith("met") for each in verdicts) else 1


if __name__ == "__main__":
    common.run_main(main)
