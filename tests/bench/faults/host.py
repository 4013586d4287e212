"""The machine that the rows are played on: shell, runs, what the cluster answers, and the load beside."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from tests.bench import common, engine
from tests.bench.common import ROOT, STATE, BenchError

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.load import HttpSender, Load, LoadSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.schedule import Mix, Paths, arrivals, make_clients
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import disagreements
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.options import ports_of, request_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import status

DEEDS = Path(__file__).with_name("deeds.sh")
PATHS = {"static": Paths("/", post="/echo.php"), "dynamic": Paths("/api/dates/", post="/api/dates/")}
_SHELL_SECONDS = 240
_PORT = 8080
_ASK_SECONDS = 1.0
_IN_A_ROW = 3
_EVERY = 0.1
_NOTICED_SECONDS = 1.0
# A request that is not answered in this time is lost; longer than a node needs to answer under load.
_TIMEOUT = 5.0
# A neighbour's network: a network namespace with one link to this machine, from the range for benchmarks (RFC 2544).
_OUTSIDE = "evenkeel-faults"
_HERE, _THERE = "198.18.77.1", "198.18.77.2"


@dataclasses.dataclass
class Host:
    """One machine with one cluster.

    Attributes:
        variables: arguments of every run, as for ansible-playbook.
        declaration: the options of the pool's modules, from the record that the last run left.
    """

    variables: Sequence[str] = ()
    declaration: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def learn(self) -> None:
        """Read what is declared.

        Raises:
            BenchError: no run has left a record.
        """
        try:
            left = json.loads((STATE / "declaration.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BenchError(f"cluster: got {error}, want the record of a run (fix: make up)") from error
        self.declaration = {
            **left,
            "network": left["cluster"],
            "routes_file": str(STATE / "balancer/dynamic/tiers.yml"),
            "api_url": common.DASHBOARD,
            "api_user": "admin",
            "api_password_file": str(STATE / "secrets/dashboard_password"),
            "secrets_dir": str(STATE / "secrets"),
            "tier_secrets": "",
        }

    # --- what is done ---

    def shell(self, text: str, variables: Mapping[str, str]) -> str:
        """Run shell with the functions of deeds.sh; why it failed, empty when it did not."""
        if not text:
            return ""
        # Its output goes to files: what it leaves running would hold a pipe open.
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    ["bash", "-c", f". {DEEDS}; set -euo pipefail\n{text}"],
                    cwd=ROOT,
                    env={**os.environ, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    check=False,
                    timeout=_SHELL_SECONDS,
                )
            except subprocess.TimeoutExpired:
                return f"'{text}': got no end within {_SHELL_SECONDS} s, want one"
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        return "" if done.returncode == 0 else f"'{text}': got exit status {done.returncode}, {said[-300:]}"

    def run(self, *arguments: str) -> common.Play:
        """One run, with the campaign's variables."""
        return common.attempt(*arguments, *self.variables)

    def names(self) -> dict[str, str]:
        """What the rows' shell calls STATIC, DYNAMIC, EDGE and BALANCER."""
        role = "evenkeel.role"
        found = {
            "STATIC": [node.name for node in engine.nodes("static")],
            "DYNAMIC": [node.name for node in engine.nodes("dynamic")],
            **{
                name.upper(): [item.name for item in engine.containers("evenkeel.cluster=evenkeel", f"{role}={name}")]
                for name in ("edge", "balancer")
            },
        }
        return {name: items[0] if items else "" for name, items in found.items()}

    def variables_of(self, scratch: Path) -> dict[str, str]:
        """The variables of a row's shell."""
        return {
            "ROOT": str(ROOT),
            "STATE": str(STATE),
            "SCRATCH": str(scratch),
            "CLUSTER": "evenkeel",
            "PYTHON": sys.executable,
            **self.names(),
        }

    # --- what is seen ---

    def serves(self) -> bool:
        """Whether both tiers answer, asked from this machine and from a neighbour's network."""
        return all(answers(paths.get) for paths in PATHS.values()) and outside_answers()

    def await_serving(self, seconds: float) -> float | None:
        """Seconds until it served several times in a row; None when it did not in that time."""
        began = time.monotonic()
        while True:
            asked = time.monotonic() - began
            if all(self.serves() for _ in range(_IN_A_ROW)):
                return asked
            if time.monotonic() - began > seconds:
                return None
            time.sleep(_EVERY)

    def differences(self) -> list[str]:
        """What is not as declared, by the library itself."""
        try:
            return disagreements(status(request_of(self.declaration), ports_of(self.declaration)))
        except (EvenkeelError, requests.RequestException, OSError) as error:
            return [str(error)]

    def await_declared(self, seconds: float, moment: float = _NOTICED_SECONDS) -> float | None:
        """Seconds until all was as declared, and still was a moment later; None when it was not in that time."""
        began = time.monotonic()
        while True:
            if not self.differences() and self.serves():
                found = time.monotonic() - began
                # The engine and the balancer need a moment to notice what was done to a node.
                time.sleep(moment)
                if not moment or (not self.differences() and self.serves()):
                    return found
            if time.monotonic() - began > seconds:
                return None
            time.sleep(_EVERY)

    def told(self) -> tuple[str, ...]:
        """What the status names, as a user gets it."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "drift.json"
            done = self.run("playbooks/status.yml", "-e", "status_strict=true", "-e", f"evidence_drift_file={file}")
            try:
                drift = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                return (done.problem or "no drift file",)
        lines = [*drift.get("lines", ()), *(line for tier in drift.get("tiers", ()) for line in tier.get("to_do", ()))]
        return tuple(dict.fromkeys(lines)) or ((done.problem,) if done.problem else ())


def answers(path: str) -> bool:
    """Whether the web port answers 200 here."""
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def outside_answers() -> bool:
    """Whether the web port answers a neighbour; True where there is no neighbour's network."""
    if not Path(f"/run/netns/{_OUTSIDE}").exists():
        return True
    words = ["ip", "netns", "exec", _OUTSIDE, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    words += ["--noproxy", "*", "--max-time", "2", "-H", "Host: localhost", f"http://{_HERE}:{_PORT}/"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout == "200"


@contextlib.contextmanager
def neighbour() -> Any:
    """A neighbour's network while the block runs; without, where this machine cannot make one."""
    made = (
        f"ip netns add {_OUTSIDE}",
        f"ip link add evkfaults0 type veth peer name evkfaults1 netns {_OUTSIDE}",
        f"ip address add {_HERE}/30 dev evkfaults0",
        "ip link set evkfaults0 up",
        f"ip -n {_OUTSIDE} address add {_THERE}/30 dev evkfaults1",
        f"ip -n {_OUTSIDE} link set evkfaults1 up",
        f"ip -n {_OUTSIDE} route add default via {_HERE}",
    )
    gone = [["ip", "link", "delete", "evkfaults0"], ["ip", "netns", "delete", _OUTSIDE]]
    try:
        for line in made:
            if subprocess.run(line.split(), check=False, capture_output=True).returncode:
                common.say("no neighbour's network: the web port is asked from this machine alone")
                subprocess.run(gone[1], check=False, capture_output=True)
                break
        yield
    finally:
        for words in gone:
            subprocess.run(words, check=False, capture_output=True)


class Beside:
    """The load beside a row, in a thread of its own.

    Args:
        rate: requests per second.
        seed: of the order of methods and clients.
        paths: tier to what it is asked.
    """

    def __init__(self, rate: float, seed: int, paths: Mapping[str, Paths] = PATHS) -> None:
        """Nothing is sent yet."""
        mix = Mix(slow_share=0.0)
        spec = LoadSpec(dict(paths), make_clients(mix), f"faults-{time.time_ns():x}", rate, timeout=_TIMEOUT)
        bases = dict.fromkeys(paths, common.WEB)
        self._load = Load(spec, bases, HttpSender(timeout=_TIMEOUT))
        self._schedule = arrivals(dict(paths), rate, mix, seed)
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def _send(self) -> None:
        try:
            asyncio.run(self._load.run(self._schedule, self._begun.set, lambda _: not self._over.is_set()))
        finally:
            self._begun.set()

    def __enter__(self) -> Beside:
        """Begin."""
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """End, with the last answer."""
        self._over.set()
        self._thread.join()

    def now(self) -> float:
        """Seconds from the begin of the load."""
        return self._load.now()

    @property
    def records(self) -> list[Record]:
        """The requests that have ended, those that gave the clients their sessions too."""
        return [*self._load.greetings, *self._load.records]


def first_problem(*steps: Callable[[], str]) -> str:
    """The first step's problem; the steps after it are not done."""
    return next((problem for problem in (step() for step in steps) if problem), "")
