"""Goals R9 and R10: runs that are killed at any moment, and runs at once.

R9: a run of a playbook, drawn at random, gets SIGKILL with all its processes at a random moment, under load. One run
must bring the cluster to what is declared, and the next one must change nothing.
R10: ten runs of different playbooks begin at once. Each must end well, or be refused with a line that names the run
which holds the lock; afterwards one run must bring the cluster to what is declared.

Command: ``python -m tests.bench.runs [killed] [at-once] [--share 1.0] [--seed N] [--quick]``
``--share 0.1`` kills 20 runs instead of 200.
Control, in the same run: at least half of the kills must have left something to do, or they came too late or too early.
Goals: R9 200 of 200 converge in one run, then ``changed=0``, no request lost; R10 all serialised or refused.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tests.bench import common
from tests.bench.common import ROOT, BenchError, say
from tests.bench.faults.host import Beside, Host
from tests.bench.faults.judge import lost

KILLS = 200
RUNS = 10
# A run as it begins, and how long it takes at most: the moment of the kill is drawn from this.
_KILLED: tuple[tuple[tuple[str, ...], float], ...] = (
    (("playbooks/scale.yml", "-e", "static_nodes=5", "-e", "dynamic_nodes=1"), 6.0),
    (("playbooks/scale.yml", "-e", "static_nodes=1", "-e", "dynamic_nodes=5"), 6.0),
    (("playbooks/roll.yml",), 10.0),
    (("site.yml", "--tags", "balancer", "-e", "load_balancer_pids=513"), 8.0),
    (("site.yml", "-e", '{"cluster_hosts": []}'), 9.0),
)
AT_ONCE: tuple[tuple[str, ...], ...] = (
    ("playbooks/scale.yml", "-e", "static_nodes=4"),
    ("playbooks/scale.yml", "-e", "dynamic_nodes=2"),
    ("playbooks/roll.yml", "-e", "tier=static"),
    ("playbooks/roll.yml", "-e", "tier=dynamic"),
    ("site.yml", "--tags", "balancer", "-e", "load_balancer_pids=513"),
    ("site.yml", "--tags", "images,nodes"),
    ("playbooks/scale.yml", "-e", "static_nodes=2", "-e", "node_pool_lock_timeout=0"),
    ("playbooks/status.yml",),
    ("site.yml", "--tags", "images"),
    ("playbooks/scale.yml", "-e", "node_pool_lock_timeout=0"),
)
#: One of each kind, for the short form: one waits for the others, one is refused.
AT_ONCE_SHORT = (AT_ONCE[0], AT_ONCE[3], AT_ONCE[4], AT_ONCE[9])
_QUICK = ("--tags", "images,balancer,nodes")
_HOLDER = re.compile(r"got a lock held by .+ \(process \d+")
_BROKEN = ("Traceback (most recent call last)", "MODULE FAILURE")
_SETTLED_SECONDS = 8.0
_END_SECONDS = 600


def started(words: Sequence[str], output: IO[str]) -> subprocess.Popen[str]:
    """A run in a session of its own; its output goes to a file, because a full pipe would hold it up."""
    return subprocess.Popen(
        [common.ansible_playbook(), *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": "ansible.cfg"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def killed(words: Sequence[str], after: float) -> bool:
    """Kill a run with all its processes; whether it was still under way."""
    with tempfile.TemporaryFile("w+") as output, started(words, output) as run:
        try:
            run.wait(timeout=after)
            return False
        except subprocess.TimeoutExpired:
            kill(run.pid)
            return True


def kill(process: int) -> None:
    """SIGKILL for a process and all that it has started, also in sessions of their own, as Ansible's workers are."""
    held: set[int] = set()
    # One that is stopped starts no further ones.
    while found := descendants(process) - held:
        for each in found:
            _signalled(each, signal.SIGSTOP)
        held |= found
    for each in held:
        _signalled(each, signal.SIGKILL)


def descendants(process: int) -> set[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        # It may have ended meanwhile. The name before the bracket may contain anything.
        with contextlib.suppress(OSError):
            parent = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found, new = set(), [process]
    while new:
        each = new.pop()
        found.add(each)
        new += children.get(each, [])
    return found


def _signalled(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def one_kill(host: Host, chance: random.Random, quick: bool) -> dict[str, Any]:
    """Kill one run, mend once, and run again."""
    words, longest = chance.choice(_KILLED)
    after = chance.uniform(0.3, longest)
    again = ("site.yml", *(_QUICK if quick else ()))
    with Beside(100.0, chance.randrange(10**6)) as load:
        under_way = killed(words, after)
        left = len(host.differences())
        first = host.run(*again)
        settled = host.await_declared(_SETTLED_SECONDS) is not None
        second = host.run(*again)
    failed = lost(load.records)
    problems = [
        *([first.problem] if first.problem else []),
        *([] if settled else [f"got {host.differences()}, want it as declared"]),
        *([second.problem or f"changed={second.changed}"] if second.problem or second.changed else []),
        *([f"{len(failed)} requests lost, first: {failed[0].error} at {failed[0].at:.1f} s"] if failed else []),
    ]
    return {
        "run": " ".join(words),
        "after": round(after, 2),
        "under_way": under_way,
        "left": left,
        "changed": first.changed,
        "problems": problems,
    }


def kills(options: argparse.Namespace, host: Host) -> list[dict[str, Any]]:
    """All kills."""
    chance = random.Random(options.seed)
    found = []
    for number in range(max(1, round(KILLS * options.share))):
        found.append(one_kill(host, chance, options.quick))
        say(f"kill {number + 1}: {json.dumps(found[-1])}")
    return found


def at_once(host: Host, chosen: Sequence[tuple[str, ...]] = AT_ONCE, quick: bool = False) -> list[dict[str, Any]]:
    """Runs at once, then one that mends; how each ended."""
    began, found = time.monotonic(), []
    with contextlib.ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in chosen]
        runs = [(words, started(words, file), file) for words, file in zip(chosen, outputs, strict=True)]
        for words, run, file in runs:
            try:
                run.wait(timeout=_END_SECONDS)
            except subprocess.TimeoutExpired:
                kill(run.pid)
                run.wait()
            file.seek(0)
            found.append({"run": " ".join(words), **ended(run.returncode, file.read())})
            found[-1]["seconds"] = round(time.monotonic() - began, 1)
            say(f"at once: {json.dumps(found[-1])}")
    mended = host.run("site.yml", *(_QUICK if quick else ()))
    settled = host.await_declared(_SETTLED_SECONDS) is not None
    found.append({"run": "site.yml", "good": not mended.problem and settled, "said": mended.problem})
    return found


def ended(status: int, output: str) -> dict[str, Any]:
    """How a run ended: well, refused with a line that names the holder of the lock, or badly.

    Args:
        status: its exit status; below zero when it was killed, as one that waited for ever is.
        output: all that it printed.
    """
    broken = any(words in output for words in _BROKEN)
    refused = status > 0 and not broken and bool(_HOLDER.search(output))
    good = (status == 0 and not broken) or refused
    return {"status": status, "refused": refused, "good": good, "said": "" if good else output[-1500:]}


def main(argv: Sequence[str] | None = None) -> int:
    """Play and report."""
    parser = argparse.ArgumentParser(description="runs that are killed, and runs at once")
    parser.add_argument("parts", nargs="*", metavar="part", help="killed, at-once; both when not given")
    parser.add_argument("--share", type=float, default=1.0, help=f"of {KILLS} kills")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--quick", action="store_true", help="runs do not verify")
    options = parser.parse_args(argv)
    wrong = sorted(set(options.parts) - {"killed", "at-once"})
    if wrong:
        raise BenchError(f"part: got {', '.join(wrong)}, want killed or at-once")
    say(f"seed {options.seed}")
    host = Host()
    common.play("site.yml")
    host.learn()
    verdicts: list[str] = []
    data: dict[str, Any] = {"options": vars(options)}
    if not options.parts or "killed" in options.parts:
        found = kills(options, host)
        good = sum(not each["problems"] for each in found)
        effective = sum(bool(each["left"] or each["changed"]) for each in found)
        verdicts += [
            common.verdict(f"R9: {good} of {len(found)} converge in one run, then changed=0", good == len(found)),
            common.verdict(
                f"control: {effective} of {len(found)} kills left something to do", 2 * effective >= len(found)
            ),
        ]
        data["kills"] = found
    if not options.parts or "at-once" in options.parts:
        ended = at_once(host)
        good = sum(each["good"] for each in ended)
        verdicts.append(
            common.verdict(f"R10: {good} of {len(ended)} runs end well or name the holder", good == len(ended))
        )
        data["at_once"] = ended
    common.play("site.yml")
    common.report("runs", data, [], verdicts)
    return 0 if all(each.startswith("met") for each in verdicts) else 1


if __name__ == "__main__":
    common.run_main(main)
