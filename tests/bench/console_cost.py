"""What the console takes of the machine: memory of both containers, processor of both and of dockerd."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tests.bench import common
from tests.bench.console_client import Console
from tests.bench.console_pages import open_page

CONTAINERS = ("evenkeel-console-agent", "evenkeel-console")
SECONDS = 30.0
_SETTLE_SECONDS = 12.0
_TICKS = os.sysconf("SC_CLK_TCK")


def processes(container: str) -> list[int]:
    """The identifiers of a container's processes."""
    words = ["docker", "top", container, "-eo", "pid"]
    return [int(line) for line in subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[1:]]


def pss_bytes(pids: list[int]) -> int:
    """Their memory, with shared pages in proportion."""
    found = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                found += int(line.split()[1]) * 1024
    return found


def cpu_seconds(pids: list[int]) -> float:
    """What they have used of the processors so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def named(name: str) -> list[int]:
    """The processes of that name on the machine."""
    found = subprocess.run(["pgrep", "--exact", name], check=False, capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found]


def share(pids: list[int], seconds: float) -> float:
    """Percent of one core that they use."""
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pids) - before) / (time.monotonic() - began)


def during(what: AbstractContextManager[Any], seconds: float) -> tuple[float, float]:
    """Percent of one core of both containers, and of dockerd."""
    ours = [pid for container in CONTAINERS for pid in processes(container)]
    engine = named("dockerd") + named("containerd")
    with what:
        time.sleep(_SETTLE_SECONDS)
        before = cpu_seconds(ours), cpu_seconds(engine)
        began = time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        after = cpu_seconds(ours), cpu_seconds(engine)
    return 100 * (after[0] - before[0]) / passed, 100 * (after[1] - before[1]) / passed


class _Stats(AbstractContextManager[None]):
    """``docker stats`` of all containers, as long as it lasts."""

    def __enter__(self) -> None:
        self._run = subprocess.Popen(["docker", "stats"], stdout=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        self._run.terminate()
        self._run.wait()


class _Stopped(AbstractContextManager[None]):
    """The console does not run."""

    def __enter__(self) -> None:
        subprocess.run(["docker", "stop", *CONTAINERS], check=True, capture_output=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["docker", "start", *CONTAINERS], check=True, capture_output=True)


def engine_without(seconds: float) -> float:
    """Percent of one core of dockerd without the console."""
    with _Stopped():
        time.sleep(_SETTLE_SECONDS)
        return share(named("dockerd") + named("containerd"), seconds)


def measure(seconds: float = SECONDS) -> tuple[dict[str, Any], str, dict[str, bool]]:
    """All of it: data, a table, and the goals with whether they were met."""
    nodes = len(Console().get("/api/state")["state"]["nodes"])
    alone = engine_without(seconds)
    idle, idle_engine = during(nullcontext(), seconds)
    viewed, viewed_engine = during(open_page(), seconds)
    with _Stats():
        time.sleep(_SETTLE_SECONDS)
        stats_engine = share(named("dockerd") + named("containerd"), seconds)
    memory = {container: pss_bytes(processes(container)) for container in CONTAINERS}
    total = sum(memory.values()) / 1e6
    whole_idle, whole_viewed = idle + max(idle_engine - alone, 0), viewed + max(viewed_engine - alone, 0)
    data = {
        "nodes": nodes,
        "pss": memory,
        "idle": [idle, idle_engine],
        "one viewer": [viewed, viewed_engine],
        "engine alone": alone,
        "engine beside docker stats": stats_engine,
    }
    rows = [
        ["no page open", round(idle, 1), round(idle_engine - alone, 1)],
        ["one page open", round(viewed, 1), round(viewed_engine - alone, 1)],
        ["docker stats", "-", round(stats_engine - alone, 1)],
    ]
    goals = {
        f"both take at most 150 MB (got {total:.0f})": total <= 150,
        f"no page open: at most 3 % of a core (got {whole_idle:.1f})": whole_idle <= 3,
        f"one page open: at most 15 % of a core (got {whole_viewed:.1f})": whole_viewed <= 15,
    }
    return data, common.table([f"{nodes} nodes, % of a core", "console", "dockerd more"], rows), goals
