"""What hold costs: its size, memory and time, the throughput of a node below it, and the images that are made with it.

One image (``tests/bench/nginx``) runs as two tiers of this machine's cluster, ``held`` and ``bare`` (``leaving:
balancer``), with the same limits. wrk asks one node of each directly, in turn, in pairs whose order alternates, so that
a change of the machine's pace affects both. hold is asked for its readiness on one connection, as the balancer asks,
but without a pause.

Command: ``PYTHONPATH=collections python -m tests.bench.hold_cost [--pairs 12] [--seconds 3]``. Afterwards the default
cluster is there again. Needs wrk: ``apt-get install wrk``.
Control, in the same run: a node with a second process that works as hard as it can must be slower than the bare one,
or the throughput shows nothing.
Goals: <= 128 KiB, <= 512 KiB of memory, <= 30 us of CPU per probe, throughput >= 0.99 x the bare image (medians); the
image with hold is built in <= 40 s, a derived one in <= 2 s, and a second run changes nothing.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import common, engine, held
from tests.bench.common import ROOT, BenchError, median, say
from tests.bench.throughput import wrk

from ansible_collections.evenkeel.cluster.plugins.module_utils.images.derive import PROGRAM, dockerfile, original

SIZE_GOAL, MEMORY_GOAL = 128.0, 512.0
PROBE_GOAL, THROUGHPUT_GOAL = 30.0, 0.99
HOLD_GOAL, DERIVED_GOAL = 40.0, 2.0
READY_PORT = 9180
PROBES = 2000
_IDLE_SECONDS = 20
CONNECTIONS = 16
_MADE = "evenkeel-bench/hold-cost"
_TIER = {
    "port": 80,
    "health": {"kind": "http", "path": "/", "status": 0, "host": "", "headers": {}},
    "container": {"stop_signal": "", "entrypoint": None},
}


# --------------------------------------------------------------------------
# hold itself
# --------------------------------------------------------------------------


def first_process(container: str) -> Path:
    """The folder of a container's first process in /proc.

    Raises:
        BenchError: it is not hold's.
    """
    folder = Path(f"/proc/{engine.api().inspect_container(container)['State']['Pid']}")
    name = (folder / "comm").read_text(encoding="ascii").strip()
    if name != "hold":
        raise BenchError(f"{container}: got {name} as first process, want hold (fix: docker top {container})")
    return folder


def size(process: Path) -> float:
    """KiB of its program."""
    return (process / f"root{PROGRAM}").stat().st_size / 1024


def memory(process: Path) -> float:
    """KiB of memory that it has now."""
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS:")))


def _cpu(process: Path) -> float:
    """Microseconds on a processor so far."""
    return int((process / "schedstat").read_text(encoding="ascii").split()[0]) / 1000


def probe_cost(process: Path, address: str) -> float:
    """Microseconds of processor time per probe, one after the other.

    Raises:
        BenchError: a probe is not answered 200.
    """
    connection = http.client.HTTPConnection(address, READY_PORT, timeout=5)
    before = _cpu(process)
    for _ in range(PROBES):
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise BenchError(f"{address}: got {answer.status} from /ready, want 200 (fix: docker logs NODE)")
    connection.close()
    return (_cpu(process) - before) / PROBES


def idle_cost(process: Path) -> float:
    """Microseconds of processor time per second, with the balancer's probes and its own looks at the application.

    A probe costs more than one of many, because the processor's caches have lost hold in between.
    """
    before, began = _cpu(process), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return (_cpu(process) - before) / (time.monotonic() - began)


# --------------------------------------------------------------------------
# A node below it
# --------------------------------------------------------------------------


@contextmanager
def disturbed(container: str) -> Iterator[None]:
    """A process that works as hard as it can, in the container."""
    command = ["docker", "exec", container, "sh", "-c", "while :; do :; done"]
    with subprocess.Popen(command) as process:
        try:
            time.sleep(0.5)
            yield
        finally:
            for pid in engine.api().top(container, ps_args="-eo pid,args")["Processes"]:
                if "while :" in pid[1]:
                    subprocess.run(["kill", "-KILL", pid[0]], check=False)
            process.wait()


def throughput(pairs: int, seconds: int) -> dict[str, list[float]]:
    """Requests per second of a node of each tier, directly, in turn; and of a disturbed one, a few times."""
    nodes = {tier: engine.nodes(tier)[0] for tier in ("held", "bare")}
    found: dict[str, list[float]] = {"held": [], "bare": [], "disturbed": []}
    urls = {tier: f"http://{node.address}/" for tier, node in nodes.items()}
    for url in urls.values():
        wrk(url, 1, CONNECTIONS)  # warm
    for number in range(pairs):
        for tier in list(nodes) if number % 2 else list(reversed(nodes)):
            found[tier].append(wrk(urls[tier], seconds, CONNECTIONS).per_second)
        if number % 4 == 0:
            with disturbed(nodes["bare"].name):
                found["disturbed"].append(wrk(urls["bare"], seconds, CONNECTIONS).per_second)
        say(f"pair {number + 1} of {pairs}: held {found['held'][-1]:.0f}/s, bare {found['bare'][-1]:.0f}/s")
    return found


# --------------------------------------------------------------------------
# Its images
# --------------------------------------------------------------------------


def built(*arguments: str, text: str = "") -> float:
    """Seconds that a build takes without what earlier ones left.

    Raises:
        BenchError: it fails.
    """
    command = ["docker", "build", "--no-cache", "--quiet", "--tag", _MADE, *arguments]
    began = time.monotonic()
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"docker build: got '{done.stderr.strip()[-200:]}', want an image (fix: {command})")
    return time.monotonic() - began


def images() -> dict[str, float]:
    """Seconds to build the image with hold, and one that is derived with it."""
    try:
        with_hold = built(str(ROOT / "files/hold"))
        text = dockerfile(_TIER, original(held.IMAGE, engine.api().inspect_image(held.IMAGE)), _MADE)
        keep = f"{_MADE}:hold"
        engine.api().tag(_MADE, keep)
        derived = [built("-", text=text.replace(f"--from={_MADE} ", f"--from={keep} ")) for _ in range(5)]
    finally:
        for name in (_MADE, f"{_MADE}:hold"):
            subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)
    return {"hold": with_hold, "derived": median(derived)}


# --------------------------------------------------------------------------


def measure(pairs: int, seconds: int) -> dict[str, Any]:
    """All figures, with both tiers in the cluster."""
    held.deploy(())
    again = held.deploy(()).changed
    (*_, node) = engine.nodes("held")
    process = first_process(node.name)
    found: dict[str, Any] = {"size": size(process), "memory": memory(process), "changed": again}
    found["probe"] = median([probe_cost(process, node.address) for _ in range(3)])
    found["idle"] = idle_cost(process)
    found["rates"] = throughput(pairs, seconds)
    found["memory"] = max(found["memory"], memory(process))
    return {**found, "images": images()}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="what hold costs beside the bare image")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement of throughput")
    options = parser.parse_args(argv)
    if shutil.which("wrk") is None:
        raise BenchError("wrk: got none, want it installed (fix: apt-get install wrk)")
    try:
        found = measure(options.pairs, options.seconds)
    finally:
        common.play("site.yml")
    rates = {name: median(values) for name, values in found["rates"].items()}
    ratio = median([ours / bare for ours, bare in zip(found["rates"]["held"], found["rates"]["bare"], strict=True)])
    slowed = rates["disturbed"] / rates["bare"]
    rows: list[list[object]] = [
        ["program, KiB", found["size"], SIZE_GOAL],
        ["memory, KiB", found["memory"], MEMORY_GOAL],
        ["processor time per probe, us", found["probe"], PROBE_GOAL],
        ["the same per second, with nothing else to do, us", found["idle"], None],
        ["throughput, x bare (median of pairs)", f"{ratio:.3f}", THROUGHPUT_GOAL],
        ["build of its image, s", found["images"]["hold"], HOLD_GOAL],
        ["build of a derived image, s", found["images"]["derived"], DERIVED_GOAL],
        ["changes by a second run", found["changed"], 0],
    ]
    goals = {
        f"program {found['size']:.1f} KiB, goal <= {SIZE_GOAL:g}": found["size"] <= SIZE_GOAL,
        f"memory {found['memory']:.0f} KiB, goal <= {MEMORY_GOAL:g}": found["memory"] <= MEMORY_GOAL,
        f"probe {found['probe']:.1f} us, goal <= {PROBE_GOAL:g}": found["probe"] <= PROBE_GOAL,
        f"throughput {ratio:.3f} x bare, goal >= {THROUGHPUT_GOAL:g}": ratio >= THROUGHPUT_GOAL,
        f"image of hold {found['images']['hold']:.1f} s, goal <= {HOLD_GOAL:g}": found["images"]["hold"] <= HOLD_GOAL,
        f"derived image {found['images']['derived']:.2f} s, goal <= {DERIVED_GOAL:g}": found["images"]["derived"]
        <= DERIVED_GOAL,
        f"a second run changes {found['changed']}, goal 0": found["changed"] == 0,
        f"control: a disturbed node has {slowed:.2f} x, which must be < {THROUGHPUT_GOAL:g}": slowed < THROUGHPUT_GOAL,
    }
    tables = [
        common.table(["", "measured", "goal"], rows),
        common.table(["a node, directly", "requests/s"], [[name, rate] for name, rate in rates.items()]),
    ]
    data = {"options": vars(options), "figures": found}
    common.report("hold-cost", data, tables, [common.verdict(*goal) for goal in goals.items()])
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    common.run_main(main)
