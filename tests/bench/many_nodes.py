"""Goal P7: 200 nodes on one host, and what a node costs there beside what it costs among 40.

Per number of nodes, interleaved in every round: from an empty tier to all nodes in rotation (the pool module's own
time), a run with nothing to do (module and ``playbooks/scale.yml``), what they take while no client sends a request
(memory of the machine, processor time of the machine), and back to none, drained.

Command: ``python -m tests.bench.many_nodes [--nodes 40 200] [--rounds 3]``
Peer, in the same rounds: the Engine API at its limit (8 threads, two calls per container) with the same options, which
shows what of it is Docker's own.
Control: before each round the balancer must answer 503 for the tier; after it, that many different nodes must have
answered requests through the balancer. Otherwise the run fails.
Goal: a node among the most costs at most 1.3 times what it costs among the fewest, in time until in rotation (medians).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import common, engine, peers
from tests.bench.common import POOL_MODULE, median, say
from tests.bench.scale_up import check_all_serve, check_empty

GOAL = 1.3
_IDLE_SECONDS = 10.0
# Traefik lists all containers once per started container; with 200 it does so for minutes.
_PATIENCE_SECONDS = 400.0

Rounds = dict[int, list[dict[str, float]]]


def memory_used() -> float:
    """Memory that is not available any more, MiB."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return (kib["MemTotal"] - kib["MemAvailable"]) / 1024


def ours(count: int) -> dict[str, float]:
    """One round with *count* nodes; seconds, MiB, and a share of the machine's processor time."""
    check_empty()
    empty = memory_used()
    up = common.scale(count, 0)
    check_all_serve(count)
    began = time.monotonic()
    common.settle(_PATIENCE_SECONDS)
    quiet = time.monotonic() - began
    memory = memory_used() - empty
    busy = common.busy_share(_IDLE_SECONDS)
    again = common.scale(count, 0)
    down = common.scale(0, 0)
    return {
        "up": _module(up),
        "up_command": up.seconds,
        "nothing_module": _module(again),
        "nothing_command": again.seconds,
        "nothing_changed": float(again.changed),
        "memory": memory,
        "quiet_after": quiet,
        "busy": busy,
        "down": _module(down),
    }


def _module(run: common.Play) -> float:
    timings = run.results[POOL_MODULE]["timings"]
    return float(timings["plan"] + timings["apply"])


def limit(peer: peers.Peer, count: int) -> dict[str, float]:
    """The same number of containers, until each answers its health check; seconds."""
    up = peer.up(count)
    common.settle()
    return {"up": up, "down": peer.down(count)}


def measure(counts: Sequence[int], rounds: int) -> tuple[Rounds, Rounds]:
    """All rounds of both; per number of nodes."""
    mine: Rounds = {count: [] for count in counts}
    bare: Rounds = {count: [] for count in counts}
    common.scale(1, 0)  # a node to copy the options from
    peer = peers.EngineApi(engine.template("static"))
    common.scale(0, 0)
    for number in range(rounds):
        for count in counts if number % 2 == 0 else reversed(counts):
            common.settle()
            mine[count].append(ours(count))
            common.settle()
            bare[count].append(limit(peer, count))
            for name, results in (("ours", mine), (peer.key, bare)):
                told = ", ".join(f"{figure} {value:.2f}" for figure, value in results[count][-1].items())
                say(f"round {number + 1} of {rounds}: {count} nodes: {name}: {told}")
    return mine, bare


def report(counts: Sequence[int], mine: Rounds, bare: Rounds) -> bool:
    """Medians, what a node costs, and whether the goal is met."""

    def middle(results: Rounds, count: int, figure: str) -> float:
        return median([result[figure] for result in results[count]])

    few, many = counts
    rows: list[list[object]] = []
    for what, results, figure, unit in (
        ("in rotation", mine, "up", 1000.0),
        ("  Engine API at its limit", bare, "up", 1000.0),
        ("gone, drained", mine, "down", 1000.0),
        ("  Engine API, rm -f", bare, "down", 1000.0),
        ("nothing to do, module", mine, "nothing_module", 1000.0),
        ("nothing to do, scale.yml", mine, "nothing_command", 1000.0),
        ("quiet again after", mine, "quiet_after", 1000.0),
        ("memory, MiB", mine, "memory", 1.0),
        ("processor while idle, ms/s", mine, "busy", 1000.0 * (os.cpu_count() or 1)),
    ):
        whole = [middle(results, count, figure) for count in (few, many)]
        per_node = [value * unit / count for value, count in zip(whole, (few, many), strict=True)]
        rows.append([what, *whole, *per_node, per_node[1] / per_node[0] if per_node[0] else None])
    header = ["", f"{few} nodes", f"{many} nodes", f"per node of {few}", f"per node of {many}", "ratio"]
    ratio = middle(mine, many, "up") / many / (middle(mine, few, "up") / few)
    bare_ratio = middle(bare, many, "up") / many / (middle(bare, few, "up") / few)
    quiet = all(result["nothing_changed"] == 0 for results in mine.values() for result in results)
    met = ratio <= GOAL and quiet
    lines = [
        common.verdict(f"P7: a node among {many} costs {ratio:.2f} x one among {few}, goal <= {GOAL}", met),
        f"the engine alone: {bare_ratio:.2f} x",
        "whole figures in s, MiB and share of the machine; per node in ms, MiB and ms/s; a second run changed nothing"
        if quiet
        else "a second run changed something",
    ]
    data = {"nodes": list(counts), "ours": mine, "engine": bare, "ratio": ratio, "engine_ratio": bare_ratio}
    common.report("many_nodes", data, [common.table(header, rows)], lines)
    return met


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="what a node costs among few and among many")
    parser.add_argument("--nodes", type=int, nargs=2, default=[40, 200], metavar=("FEW", "MANY"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    few, many = options.nodes
    if not 0 < few < many or options.rounds < 1:
        parser.error(
            f"nodes, rounds: got {few} {many}, {options.rounds}, want 0 < FEW < MANY and a round (fix: --nodes 40 200)"
        )
    with engine.Restored():
        mine, bare = measure(options.nodes, options.rounds)
    return 0 if report(options.nodes, mine, bare) else 1


if __name__ == "__main__":
    common.run_main(main)
