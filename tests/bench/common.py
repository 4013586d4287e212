"""What the benchmarks share: timed playbooks, rounds, tables, results and the machine they ran on."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")
WEB = "http://localhost:8080"
DASHBOARD = "http://localhost:9000"
STATE = Path("/var/lib/evenkeel/evenkeel") if os.geteuid() == 0 else Path.home() / ".local/state/evenkeel/evenkeel"
POOL_MODULE = "evenkeel.cluster.node_pool"

_PLAY_TIMEOUT_SECONDS = 900
# A machine is quiet when its processors are busy for at most this share of the time.
_QUIET_SHARE = 0.15
_SETTLE_SECONDS = 20.0


class BenchError(Exception):
    """A measurement failed; one line ``what: got ..., want ... (fix: ...)``."""


# --------------------------------------------------------------------------
# Playbooks
# --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Play:
    """One run of a playbook.

    Attributes:
        seconds: wall time of the whole command.
        changed: changed tasks of all hosts.
        tasks: per module that ran, its last task's duration in seconds.
        results: per module that ran, its last task's result.
        problem: why it failed; empty when it did not.
    """

    seconds: float
    changed: int
    tasks: dict[str, float]
    results: dict[str, dict[str, Any]]
    problem: str = ""


def ansible_playbook() -> str:
    """The ansible-playbook of the environment that runs this."""
    return str(Path(sys.executable).parent / "ansible-playbook")


def play(playbook: str | Path, *arguments: str) -> Play:
    """Run a playbook that must succeed.

    Raises:
        BenchError: it failed; with the messages of the failed tasks.
    """
    played = attempt(playbook, *arguments)
    if played.problem:
        raise BenchError(f"{playbook}: got '{played.problem}', want success (fix: ansible-playbook {playbook})")
    return played


def attempt(playbook: str | Path, *arguments: str) -> Play:
    """Run a playbook of this repository as a user does, but with its results as JSON.

    Raises:
        BenchError: it does not end.
    """
    # The collection of callbacks is part of the package "ansible"; ours stay enabled, as users have them.
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": "ansible.cfg"}
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [ansible_playbook(), str(playbook), *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PLAY_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"{playbook}: got no end within {error.timeout:g} s, want one (fix: run it by hand)"
        ) from error
    seconds = time.perf_counter() - began
    report = _report(done.stdout)
    outcomes = [
        (task["task"]["duration"], result)
        for each in report.get("plays", [])
        for task in each["tasks"]
        for result in task["hosts"].values()
    ]
    problem = ""
    if done.returncode != 0:
        reasons = [str(result.get("msg")) for _, result in outcomes if result.get("failed")]
        problem = " | ".join(reasons) or done.stderr.strip()[-500:] or done.stdout.strip()[-500:]
    return Play(
        seconds=seconds,
        changed=sum(int(host["changed"]) for host in report.get("stats", {}).values()),
        tasks={result["action"]: _seconds(duration) for duration, result in outcomes if "action" in result},
        results={result["action"]: result for _, result in outcomes if "action" in result},
        problem=problem,
    )


def _report(output: str) -> dict[str, Any]:
    """The JSON document in the output; progress and other callbacks print before and after it."""
    start = re.search(r"^\{$", output, re.MULTILINE)
    if start is None:
        return {}
    report, _ = json.JSONDecoder().raw_decode(output[start.start() :])
    return dict(report)


def _seconds(duration: Mapping[str, str]) -> float:
    start, end = (datetime.datetime.fromisoformat(duration[key].replace("Z", "+00:00")) for key in ("start", "end"))
    return (end - start).total_seconds()


def scale(static: int, dynamic: int) -> Play:
    """Scale the pool to these numbers of nodes."""
    return play("playbooks/scale.yml", "-e", f"static_nodes={static}", "-e", f"dynamic_nodes={dynamic}")


# --------------------------------------------------------------------------
# The machine
# --------------------------------------------------------------------------


def _busy_and_total() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def busy_share(seconds: float = 1.0) -> float:
    """Share of all processors' time, 0 to 1, that was not idle in the next *seconds*."""
    busy, total = _busy_and_total()
    time.sleep(seconds)
    busy_after, total_after = _busy_and_total()
    return (busy_after - busy) / max(total_after - total, 1)


def settle(patience: float = _SETTLE_SECONDS) -> float:
    """Wait until earlier work has ended; the share of processor time, 0 to 1, that is still used.

    Args:
        patience: seconds to wait at most.
    """
    deadline = time.monotonic() + patience
    share = busy_share()
    while share > _QUIET_SHARE and time.monotonic() < deadline:
        share = busy_share()
    return share


def _command(*words: str) -> str:
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def machine() -> dict[str, str]:
    """Processor, memory, system, versions and the revision of this repository."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1]) / 2**20
    release = platform.freedesktop_os_release()
    facts = {
        "processor": f"{os.cpu_count()} x {model}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{release.get('PRETTY_NAME', 'unknown')}, Linux {platform.release()}",
        "docker": _command("docker", "version", "--format", "{{.Server.Version}}"),
        "python": platform.python_version(),
        "ansible-core": _version("ansible-core"),
        "docker SDK": _version("docker"),
        "revision": _command("git", "rev-parse", "--short=12", "HEAD"),
    }
    if _command("git", "status", "--porcelain"):
        facts["revision"] += " with local changes"
    return {name: value for name, value in facts.items() if value}


# --------------------------------------------------------------------------
# Results
# --------------------------------------------------------------------------


def median(values: Sequence[float]) -> float:
    """The median; NaN for none."""
    return statistics.median(values) if values else float("nan")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns: the first to the left, figures to the right; numbers with two decimals."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def say(text: str) -> None:
    """Print progress at once, also through a pipe."""
    print(text, flush=True)


def verdict(what: str, met: bool) -> str:
    """One line that says whether a goal is met."""
    return f"{'met   ' if met else 'MISSED'}  {what}"


def save(name: str, data: Mapping[str, Any]) -> Path:
    """Write a result with the machine it was measured on, one file per run."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    path = RESULTS / f"{name}-{now:%Y%m%dT%H%M%SZ}.json"
    document = {"benchmark": name, "time": now.isoformat(timespec="seconds"), "machine": machine(), **data}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def report(name: str, data: Mapping[str, Any], tables: Sequence[str], verdicts: Sequence[str]) -> None:
    """Print tables and verdicts, and save the raw data."""
    path = save(name, {**data, "verdicts": list(verdicts)})
    facts = "\n".join(f"{key}: {value}" for key, value in machine().items())
    say("\n" + "\n\n".join([f"== {name} ==", facts, *tables, "\n".join(verdicts)]))
    say(f"raw data: {path.relative_to(ROOT)}")


def run_main(main: Any) -> None:
    """Exit with what *main* returns; a failed measurement is one line. SIGTERM lets it put back what it has changed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except BenchError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
