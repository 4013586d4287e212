"""Goal P1: how long until 40 new nodes are in rotation, and how long until they are gone.

Measures ``playbooks/scale.yml`` from 0 to 40 nodes of the static tier: the pool module's own timings (plan and apply,
which ends when the balancer lists every node as up), its task as Ansible sees it (with the start of the module's
Python), and the whole command. Then back to 0, drained.

Command: ``python -m tests.bench.scale_up [--nodes 40] [--rounds 3] [--skip compose ansible-loop]``
Peers, interleaved in every round, with the same image and options, until every container answers its health check
directly: the Engine API at its limit (8 threads, two calls per container), docker compose, an Ansible loop. None of
them waits for a balancer.
Control: before each round the balancer must answer 503 for the tier; after it, that many different nodes must have
answered requests through the balancer. Otherwise the run fails.
Goal: module <= 1.15 x the Engine API's limit in the same run (medians).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from tests.bench import common, engine, peers
from tests.bench.common import WEB, BenchError, median, say

GOAL = 1.05
# Round robin without cookies reaches every node in one turn; a change of configuration in between starts again.
_TURNS = 4


def check_empty() -> None:
    """The balancer must answer that no node serves.

    Raises:
        BenchError: a node serves.
    """
    answer = requests.get(WEB, timeout=5)
    if answer.status_code != requests.codes.service_unavailable:
        node = answer.headers.get("X-Served-By", "an unnamed server")
        raise BenchError(
            f"control: got {answer.status_code} of {node} from the empty tier, want 503 (fix: remove {node})"
        )


def check_all_serve(count: int) -> None:
    """*count* nodes must answer through the balancer.

    Raises:
        BenchError: fewer answer.
    """
    seen: set[str] = set()
    for _ in range(_TURNS * count):
        answer = requests.get(WEB, timeout=5)
        seen.add(answer.headers.get("X-Served-By", "") if answer.ok else f"status {answer.status_code}")
        if len(seen) == count:
            break
    if seen != {node.name for node in engine.nodes("static")} or len(seen) != count:
        raise BenchError(f"control: got answers of {len(seen)} nodes, want {count} (fix: playbooks/status.yml)")


def ours(count: int) -> dict[str, float]:
    """One round of the pool module; seconds."""
    check_empty()
    up = common.scale(count, 0)
    check_all_serve(count)
    common.settle()
    down = common.scale(0, 0)
    return {**_figures("up", up), **_figures("down", down)}


def _figures(prefix: str, run: common.Play) -> dict[str, float]:
    timings: dict[str, Any] = run.results[common.POOL_MODULE]["timings"]
    nodes = timings["nodes"].values()
    return {
        f"{prefix}_module": timings["plan"] + timings["apply"],
        f"{prefix}_task": run.tasks[common.POOL_MODULE],
        f"{prefix}_command": run.seconds,
        **({"last_started": max(node["started"] for node in nodes)} if prefix == "up" else {}),
    }


def make_peers(skip: Sequence[str], folder: Path) -> tuple[list[peers.Peer], str]:
    """The peers that this machine has, and a note about docker compose."""
    made = engine.template("static")
    found: list[peers.Peer] = [peers.EngineApi(made)]
    note = "docker compose: skipped"
    if peers.Compose.key not in skip:
        compose = peers.find_compose()
        note = f"docker compose: {compose[1]}" if compose else "docker compose: not to be had on this machine"
        if compose:
            found.append(peers.Compose(made, compose[0], folder))
    if peers.AnsibleLoop.key not in skip:
        found.append(peers.AnsibleLoop(made))
    return found, note


def rounds(arguments: argparse.Namespace, others: Sequence[peers.Peer]) -> dict[str, list[dict[str, float]]]:
    """All rounds; each begins with another tool."""
    results: dict[str, list[dict[str, float]]] = {"ours": [], **{peer.key: [] for peer in others}}
    for number in range(arguments.rounds):
        order = ["ours", *(peer.key for peer in others)]
        order = order[number % len(order) :] + order[: number % len(order)]
        for key in order:
            busy = common.settle()
            if key == "ours":
                result = ours(arguments.nodes)
            else:
                peer = next(each for each in others if each.key == key)
                result = {"up_module": peer.up(arguments.nodes)}
                common.settle()
                result["down_module"] = peer.down(arguments.nodes)
            results[key].append({**result, "busy_before": busy})
            told = ", ".join(f"{name} {value:.2f}" for name, value in results[key][-1].items())
            say(f"round {number + 1} of {arguments.rounds}: {key}: {told}")
    return results


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="0 -> N nodes in rotation beside other tools")
    parser.add_argument("--nodes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip", nargs="*", default=[], choices=[peers.Compose.key, peers.AnsibleLoop.key])
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, engine.Restored():
        common.scale(1, 0)  # a node to copy the options from
        others, note = make_peers(arguments.skip, Path(folder))
        common.scale(0, 0)
        results = rounds(arguments, others)
    report(arguments.nodes, results, others, note)
    return 0


def report(nodes: int, results: dict[str, list[dict[str, float]]], others: Sequence[peers.Peer], note: str) -> None:
    """Medians, ratios to the limit, and whether the goal is met."""

    def middle(key: str, figure: str) -> float:
        return median([result[figure] for result in results[key]])

    limit = middle(peers.EngineApi.key, "up_module")
    rows: list[list[object]] = [
        [title, middle("ours", f"up_{what}"), middle("ours", f"up_{what}") / limit, middle("ours", f"down_{what}"), how]
        for title, what, how in (
            ("pool module, in rotation", "module", "drained, no loss"),
            ("  its task", "task", ""),
            ("  playbooks/scale.yml", "command", ""),
        )
    ]
    rows += [
        [
            peer.title,
            middle(peer.key, "up_module"),
            middle(peer.key, "up_module") / limit,
            middle(peer.key, "down_module"),
            peer.leaves,
        ]
        for peer in others
    ]
    header = ["", f"0 -> {nodes}, s", "x limit", f"{nodes} -> 0, s", "how nodes leave"]
    ratio = middle("ours", "up_module") / limit
    lines = [
        common.verdict(f"P1: module / limit = {ratio:.2f}, goal <= {GOAL}", ratio <= GOAL),
        f"last node started after {middle('ours', 'last_started'):.2f} s, all in rotation after"
        f" {middle('ours', 'up_module'):.2f} s",
        note,
    ]
    data = {"nodes": nodes, "rounds": results, "ratio": ratio}
    common.report("scale_up", data, [common.table(header, rows)], lines)


if __name__ == "__main__":
    common.run_main(main)
