#!/usr/bin/env python3
"""Goal P6: from a bare machine to a proven cluster, with ``make up`` in a clean clone.

DESTROYS what this machine has in Docker: all containers, images and volumes, of any project; Docker's packages,
its data and its configuration; the state of the cluster; the caches of pip, apt and this project. Without
``--yes-remove-docker`` it only lists what it would remove.

Measures the wall time of ``make up``, which ends after the verification, and of its stages.

Command (as root, with the machine's own Python): ``python3 tests/bench/bare_machine.py --yes-remove-docker [--keep]``
Peer: none that runs everywhere. The manual way (build three images from public ones, start them one by one) needs an
image registry, and proves nothing at its end.
Control: before ``make up`` nothing of Docker may be left, no cache, and nothing may answer on the published ports;
after it both tiers must answer GET and POST, and a second ``make up`` must say ``changed=0``. Otherwise the run fails.
Goal: 120 s; downloads dominate.
"""

from __future__ import annotations

import argparse
import http
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

# When the script is called by its path, its neighbours are found only from the root of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import common
from tests.bench.common import ROOT, WEB, BenchError, say

GOAL_SECONDS = 120.0
FLAG = "--yes-remove-docker"
PORTS = (8080, 9000)
PACKAGES = (
    *("docker.io", "docker-cli", "docker-ce", "docker-ce-cli", "docker-registry"),
    *("containerd", "containerd.io", "runc", "mmdebstrap"),
)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDERS = (
    *(Path(name) for name in ("/var/lib/docker", "/var/lib/containerd", "/etc/docker", "/run/docker")),
    *(Path(name) for name in ("/run/docker.sock", "/run/docker.pid", "/var/lib/evenkeel")),
    CACHE / "evenkeel",
    Path(os.environ.get("PIP_CACHE_DIR") or CACHE / "pip"),
)
_BRIDGE = re.compile(r"docker0|br-[0-9a-f]{12}")
_STAGE = re.compile(r"(?P<name>\S.*?)\s{2,}(?P<seconds>\d+\.\d) s")
_COMMAND_SECONDS = 600
_UP_SECONDS = 1800.0
_END_SECONDS = 60.0
_TAIL_LINES = 60


def run(*words: str, check: bool = True) -> str:
    """Run a command and return what it printed.

    Raises:
        BenchError: it failed, and *check* is set.
    """
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    if check and done.returncode != 0:
        raise BenchError(f"{' '.join(words)}: got '{done.stderr.strip()[-300:]}', want success (fix: run it by hand)")
    return done.stdout


# --------------------------------------------------------------------------
# Remove
# --------------------------------------------------------------------------


def installed() -> list[str]:
    """Which of the packages are installed."""
    listed = run("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", check=False)
    states = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
    return [name for name in PACKAGES if states.get(name) == "installed"]


def _would_remove(*words: str) -> set[str]:
    found = run("apt-get", "--simulate", *words)
    return {line.split()[1] for line in found.splitlines() if line.startswith(("Remv ", "Purg "))}


def to_purge() -> list[str]:
    """The packages, and those that only they needed; not those that no package needed before."""
    names = installed()
    if not names:
        return []
    return sorted(_would_remove("purge", "--auto-remove", *names) - (_would_remove("autoremove") - set(names)))


def _read(number: str, what: str) -> str:
    """A process's name or its mount namespace; empty when it has ended meanwhile."""
    entry = Path("/proc") / number / what
    try:
        return str(entry.readlink()) if what == "ns/mnt" else entry.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _here(name: str) -> list[int]:
    """IDs of the processes with this name in this machine's own file system, not inside a container."""
    named = [entry.name for entry in Path("/proc").glob("[0-9]*") if _read(entry.name, "comm") == name]
    return [int(number) for number in named if _read(number, "ns/mnt") == _read("self", "ns/mnt")]


def stop_docker() -> None:
    """Remove all containers and end the engine.

    Raises:
        BenchError: it does not end.
    """
    if shutil.which("docker"):
        for container in run("docker", "ps", "--all", "--quiet", check=False).split():
            run("docker", "rm", "--force", "--volumes", container, check=False)
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "stop", "docker.socket", "docker.service", "containerd.service", check=False)
    for name in ("dockerd", "containerd"):
        for number in _here(name):
            os.kill(number, signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        while left := _here(name):
            if time.monotonic() > deadline:
                raise BenchError(f"{name}: got process {left[0]} still there, want it ended (fix: kill {left[0]})")
            time.sleep(0.2)


def unmount(folders: Sequence[Path]) -> None:
    """Release what is still mounted below the folders."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    for mount in reversed(mounts):
        if any(Path(mount).is_relative_to(folder) for folder in folders):
            run("umount", mount)


def make_bare(packages: Sequence[str]) -> None:
    """Remove all that the description above lists."""
    say("==> Removing containers and ending Docker")
    stop_docker()
    if packages:
        say(f"==> Purging {', '.join(packages)}")
        run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "purge", "--yes", *packages)
    say("==> Deleting data and caches")
    unmount(FOLDERS)
    for folder in FOLDERS:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    run("apt-get", "clean")
    shutil.rmtree("/var/lib/apt/lists", ignore_errors=True)
    for bridge in Path("/sys/class/net").iterdir():
        if _BRIDGE.fullmatch(bridge.name):
            run("ip", "link", "delete", bridge.name)


def check_bare() -> None:
    """The control before the run.

    Raises:
        BenchError: something is left.
    """
    left = [str(folder) for folder in FOLDERS if folder.exists()]
    left += [f"package {name}" for name in installed()]
    left += [f"process {name}" for name in ("dockerd", "containerd") if _here(name)]
    for port in PORTS:
        with socket.socket() as client:
            client.settimeout(2)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                left.append(f"an answer on port {port}")
    if left:
        raise BenchError(f"control: got {', '.join(left)}, want a bare machine (fix: remove it)")


# --------------------------------------------------------------------------
# Measure
# --------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """The environment, without a virtual environment that is active by chance."""
    kept = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS"}}
    kept["PATH"] = os.pathsep.join(
        part for part in kept["PATH"].split(os.pathsep) if not Path(part).is_relative_to(ROOT)
    )
    return kept


def timed(folder: Path, *words: str) -> tuple[float, list[tuple[float, str]]]:
    """Run a command, show what it prints; its seconds, and its lines with the moment each came.

    Raises:
        BenchError: it failed, or did not end in half an hour.
    """
    began = time.monotonic()
    lines: list[tuple[float, str]] = []
    with subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            lines.append((time.monotonic() - began, line.rstrip("\n")))
            say(f"{lines[-1][0]:7.1f}  {lines[-1][1]}")
            if lines[-1][0] > _UP_SECONDS:
                child.terminate()
    seconds = time.monotonic() - began
    if child.returncode != 0:
        tail = " | ".join(line for _, line in lines[-_TAIL_LINES:] if "fatal:" in line or "got " in line)
        raise BenchError(f"{' '.join(words)}: got exit status {child.returncode} ({tail}), want 0 (fix: see above)")
    return seconds, lines


def stages(lines: Sequence[tuple[float, str]], total: float) -> dict[str, float]:
    """Seconds per stage: the environment until the first play, then the run's own table of stages."""
    first = next((at for at, line in lines if line.startswith("PLAY [")), total)
    found = {"virtual environment, start of Ansible": first}
    inside = False
    for _, line in lines:
        if line.startswith(("STAGES *", "SUMMARY *")):
            inside = line.startswith("STAGES")
        elif inside and (match := _STAGE.fullmatch(line.strip())) and match["name"] != "total":
            found[match["name"]] = float(match["seconds"])
    found["the rest"] = max(total - sum(found.values()), 0.0)
    return found


def check_serves() -> None:
    """The control after the run: both tiers answer GET and POST.

    Raises:
        BenchError: one does not.
    """
    for path, body in (("/", None), ("/echo.php", b"{}"), ("/api/dates/", None), ("/api/dates/", b"{}")):
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"bench-{time.time_ns():x}"} if body else {}
        try:
            connection = http.client.HTTPConnection(urlsplit(WEB).netloc, timeout=10)
            connection.request("POST" if body else "GET", path, body=body, headers=headers)
            answer = connection.getresponse()
            node = answer.headers.get("X-Served-By") if answer.status < http.HTTPStatus.BAD_REQUEST else None
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(
                f"control: got '{error}' from {path}, want an answer (fix: playbooks/status.yml)"
            ) from error
        if not node:
            raise BenchError(
                f"control: got no X-Served-By from {path}, want a node's name (fix: see what answers there)"
            )


def check_unchanged(lines: Sequence[tuple[float, str]]) -> None:
    """The second run changed nothing.

    Raises:
        BenchError: it did.
    """
    recap = " ".join(line for _, line in lines if re.search(r"\bok=\d+\s+changed=\d+", line))
    if "changed=0" not in recap:
        raise BenchError(f"second make up: got '{recap.strip()}', want changed=0 (fix: run it with --diff)")


def notes() -> Mapping[str, str]:
    """What makes a run faster here and may be missing on other machines."""
    pip = run(sys.executable, "-m", "pip", "config", "list", check=False)
    local = "find-links" in pip or "PIP_FIND_LINKS" in os.environ
    return {
        "packages": "pip also looks into a folder of this machine" if local else "pip downloads all packages",
        "docker CLI": f"{shutil.which('docker')}, not of a package" if shutil.which("docker") else "none",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Make the machine bare, measure, report."""
    parser = argparse.ArgumentParser(description="bare machine -> proven cluster; removes Docker from this machine")
    parser.add_argument(FLAG, dest="remove", action="store_true", help="yes, remove Docker and all its data")
    parser.add_argument("--keep", action="store_true", help="leave the new cluster running")
    options = parser.parse_args(argv)
    packages = to_purge()
    if not options.remove or os.geteuid() != 0:
        got = "no root" if options.remove else f"no {FLAG}"
        folders = ", ".join(str(folder) for folder in FOLDERS)
        raise BenchError(
            f"bare machine: got {got}, want it before this is removed for good: all containers, images and volumes;"
            f" packages {', '.join(packages) or 'none'}; {folders}; lists and archives of apt"
            " (fix: use a machine made for it)"
        )
    if run("git", "-C", str(ROOT), "status", "--porcelain"):
        say("The repository has local changes; what is measured is its last commit.")
    with tempfile.TemporaryDirectory(prefix="bench-bare-") as name:
        clone = Path(name) / "evenkeel"
        run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
        make_bare(packages)
        check_bare()
        told = notes()
        say("==> make up")
        seconds, lines = timed(clone, "make", "up")
        check_serves()
        say("==> make up, a second time")
        again, lines_again = timed(clone, "make", "up")
        check_unchanged(lines_again)
        if not options.keep:
            say("==> make down")
            timed(clone, "make", "down", "ARGS=-e teardown_images=true")
    rows: list[list[object]] = [[stage, value] for stage, value in stages(lines, seconds).items()]
    rows += [["make up", seconds], ["make up again, changed=0", again]]
    data = {"seconds": seconds, "stages": stages(lines, seconds), "again": again, "lines": lines, "notes": dict(told)}
    goal = common.verdict(f"P6: {seconds:.1f} s, goal <= {GOAL_SECONDS:g} s", seconds <= GOAL_SECONDS)
    common.report("bare_machine", data, [common.table(["", "seconds"], rows)], [goal, *told.values()])
    return 0


if __name__ == "__main__":
    common.run_main(main)
