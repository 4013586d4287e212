"""Goal P2: what a run costs that has nothing to do, with 40 nodes.

Measures with 20 nodes per tier: the pool module's task, ``playbooks/scale.yml`` and ``site.yml`` (preflight, engine,
images, balancer, pool and the verification, which sends requests), each of which must say ``changed=0``.

Command: ``python -m tests.bench.no_op [--nodes 40] [--rounds 5] [--skip compose ansible-loop] [--no-site]``
Peers: docker compose and an Ansible loop with as many containers of the same image and nothing to do, one after the
other because 40 idle containers have a cost of their own; a playbook with one trivial task, interleaved with ours.
Control: every container must have run on without a restart, and the same measurement must report a change when one
node fewer is asked for (in check mode). Otherwise the run fails.
Goals: task <= 0.5 s, ``playbooks/scale.yml`` <= 3 s, ``site.yml`` <= 15 s (medians).
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import common, engine, peers
from tests.bench.common import BenchError, median, say
from tests.bench.scale_up import make_peers

GOALS = {"task": 0.5, "scale.yml": 1.5, "site.yml": 10.0}


def unchanged(run: common.Play, what: str) -> common.Play:
    """Return the run, which must have changed nothing.

    Raises:
        BenchError: it changed something.
    """
    if run.changed:
        raise BenchError(f"{what}: got changed={run.changed}, want 0 (fix: run it with --diff)")
    return run


def check_can_fail(arguments: list[str], static: int) -> None:
    """One node fewer must be reported as a change.

    Raises:
        BenchError: it is not.
    """
    run = common.play("playbooks/scale.yml", *arguments, "-e", f"static_nodes={static - 1}", "--check")
    if run.changed == 0:
        raise BenchError("control: got changed=0 for another count, want a change (fix: do not trust these figures)")


def measure_ours(options: argparse.Namespace) -> dict[str, list[float]]:
    """Ours and the trivial playbook, interleaved; seconds."""
    static, dynamic = options.nodes - options.nodes // 2, options.nodes // 2
    counts = ["-e", f"static_nodes={static}", "-e", f"dynamic_nodes={dynamic}"]
    # Whatever is to be done, images included, is done before the measurement.
    common.play("site.yml" if options.site else "playbooks/scale.yml", *counts)
    check_can_fail(counts, static)
    running = engine.nodes("static") + engine.nodes("dynamic")
    before = engine.started(running)
    figures: dict[str, list[float]] = {"module": [], "task": [], "scale.yml": [], "site.yml": [], "bare": []}
    for number in range(options.rounds):
        common.settle()
        run = unchanged(common.play("playbooks/scale.yml", *counts), "playbooks/scale.yml")
        timings = run.results[common.POOL_MODULE]["timings"]
        figures["module"].append(timings["plan"] + timings["apply"])
        figures["task"].append(run.tasks[common.POOL_MODULE])
        figures["scale.yml"].append(run.seconds)
        figures["bare"].append(common.play("tests/bench/bare.yml").seconds)
        if options.site:
            figures["site.yml"].append(unchanged(common.play("site.yml", *counts), "site.yml").seconds)
        told = ", ".join(f"{name} {values[-1]:.2f}" for name, values in figures.items() if values)
        say(f"round {number + 1} of {options.rounds}: {told}")
    if engine.started(engine.nodes("static") + engine.nodes("dynamic")) != before:
        raise BenchError("control: got other containers than before, want the same (fix: see what restarted them)")
    return figures


def measure_peers(options: argparse.Namespace, others: Sequence[peers.Peer]) -> dict[str, list[float]]:
    """Each peer with all its containers there; seconds."""
    figures: dict[str, list[float]] = {}
    for peer in others:
        peer.up(options.nodes)
        before = engine.started(engine.containers(f"{engine.BENCH_LABEL}={peer.key}"))
        common.settle()
        figures[peer.key] = [_timed(functools.partial(peer.start, options.nodes)) for _ in range(options.rounds)]
        if engine.started(engine.containers(f"{engine.BENCH_LABEL}={peer.key}")) != before:
            raise BenchError(f"{peer.title}: got other containers than before, want the same (fix: see peers.py)")
        say(f"{peer.key}: {', '.join(f'{value:.2f}' for value in figures[peer.key])}")
        engine.remove_all(f"{engine.BENCH_LABEL}={peer.key}")
    return figures


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="a run with nothing to do beside other tools")
    parser.add_argument("--nodes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip", nargs="*", default=[], choices=[peers.Compose.key, peers.AnsibleLoop.key])
    parser.add_argument("--no-site", dest="site", action="store_false", help="leave site.yml out")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, engine.Restored():
        figures = measure_ours(options)
        others, note = make_peers(options.skip, Path(folder))
        common.scale(0, 0)
        idle = [peer for peer in others if peer.key != peers.EngineApi.key]
        figures |= measure_peers(options, idle)
    rows: list[list[object]] = [
        ["pool module", median(figures["module"]), None],
        ["  its task", median(figures["task"]), GOALS["task"]],
        ["  playbooks/scale.yml", median(figures["scale.yml"]), GOALS["scale.yml"]],
        ["  site.yml", median(figures["site.yml"]), GOALS["site.yml"]],
        ["a playbook with one trivial task", median(figures["bare"]), None],
    ]
    rows += [[peer.title, median(figures[peer.key]), None] for peer in idle]
    lines = [
        common.verdict(f"P2: {name} {median(figures[name]):.2f} s, goal <= {goal:g} s", median(figures[name]) <= goal)
        for name, goal in GOALS.items()
        if figures[name]
    ]
    header = [f"nothing to do, {options.nodes} nodes", "median, s", "goal, s"]
    data = {"nodes": options.nodes, "seconds": figures}
    common.report("no_op", data, [common.table(header, rows)], [*lines, note])
    return 0


if __name__ == "__main__":
    common.run_main(main)
