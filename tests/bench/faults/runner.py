"""One row from a cluster as declared to a cluster as declared, under load."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.bench.common import Play
from tests.bench.faults.fault import HEALS, MENDS, REFUSED, Fault, Measured
from tests.bench.faults.host import Beside
from tests.bench.faults.judge import figures

from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.records import Record

_LEAD_SECONDS = 1.0
_TAIL_SECONDS = 0.5
# A row that takes longer than it says fails; its figure is still of use.
_PATIENCE_SECONDS = 10.0
_AT_ONCE_SECONDS = 2.0
_SETTLED_SECONDS = 5.0
_UNVERIFIED = ("--tags", "engine,images,balancer,nodes,portainer")


class Machine(Protocol):
    """What a row needs of the machine; see :class:`tests.bench.faults.host.Host`."""

    def shell(self, text: str, variables: Mapping[str, str]) -> str:
        """Run shell; why it failed, empty when it did not."""

    def run(self, *arguments: str) -> Play:
        """One run of a playbook."""

    def variables_of(self, scratch: Path) -> dict[str, str]:
        """The variables of a row's shell."""

    def await_serving(self, seconds: float) -> float | None:
        """Seconds until it serves."""

    def await_declared(self, seconds: float, moment: float = ...) -> float | None:
        """Seconds until all is as declared, and still is a moment later."""

    def differences(self) -> list[str]:
        """What is not as declared."""

    def told(self) -> tuple[str, ...]:
        """What the status names."""


class Sending(Protocol):
    """The load beside a row, as a context; see :class:`Beside`."""

    def __enter__(self) -> Sending:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""

    def now(self) -> float:
        """Seconds from the begin of the load."""

    @property
    def records(self) -> Sequence[Record]:
        """The requests that have ended."""


@dataclasses.dataclass
class Row:
    """One row while it is played.

    Attributes:
        fault: the row.
        round: of the campaign.
        host: where it is played.
        rate: requests per second beside.
        seed: of the load.
        control: whether what heals the row is switched off before.
        quick: a run that mends does not verify.
        beside: makes the load from rate and seed.
        pause: lets seconds pass.
    """

    fault: Fault
    round: int
    host: Machine
    rate: float = 100.0
    seed: int = 1
    control: bool = False
    quick: bool = False
    beside: Callable[[float, int], Sending] = Beside
    pause: Callable[[float], None] = time.sleep

    def play(self) -> Measured:
        """Play it; whatever goes wrong with the row itself is a problem of what was measured."""
        scratch = Path(tempfile.mkdtemp(prefix="faults-"))
        problem = self._declared_before()
        variables = self.host.variables_of(scratch)
        seen: dict[str, Any] = {}
        try:
            if not problem:
                problem = self.host.shell(self.fault.prepare, variables)
            if not problem and self.fault.prepare and self.host.await_declared(_SETTLED_SECONDS * 4) is None:
                problem = f"prepare: got {self.host.differences()}, want a cluster as declared"
            if not problem:
                problem = self._under_load(variables, seen)
        finally:
            unclean = self.host.shell(self.fault.clean, variables)
            if self.control:
                unclean = unclean or self._control_ends(variables)
            left = self._declared_after(variables)
            shutil.rmtree(scratch, ignore_errors=True)
        problems = tuple(one for one in (problem, unclean) if one)
        return Measured(self.fault.name, self.round, problems=problems, left=left, **seen)

    def _under_load(self, variables: dict[str, str], seen: dict[str, Any]) -> str:
        fault, mending = self.fault, None
        with self.beside(self.rate, self.seed) as load:
            self.pause(_LEAD_SECONDS)
            problem = self.host.shell(fault.control, variables) if self.control else ""
            problem = problem or self.host.shell(fault.do, variables)
            self.pause(fault.hold)
            if fault.ends != REFUSED:
                problem = problem or self.host.shell(fault.lift, variables)
            if not problem:
                seen["serves"] = self.host.await_serving(self._patience())
                if fault.ends == HEALS:
                    problem = self._heals(variables, seen)
                else:
                    if fault.ends == MENDS:
                        seen["told"] = self._told() if fault.told else ()
                    mending = load.now()
                    problem = self._run(variables, seen)
            self.pause(_TAIL_SECONDS)
        seen.update(figures(load.records, mending))
        return problem

    def _patience(self) -> float:
        if self.fault.seconds is None:
            return 0.0
        return self.fault.seconds + _PATIENCE_SECONDS if self.fault.seconds else _AT_ONCE_SECONDS

    def _heals(self, variables: dict[str, str], seen: dict[str, Any]) -> str:
        served = seen["serves"]
        after = self.host.await_declared(self._patience() - (served or 0.0)) if served is not None else None
        seen["healed"] = None if after is None else served + after
        if after is None:
            seen["told"] = tuple(self.host.differences())
            return ""
        return self.host.shell(self.fault.then, variables)

    def _told(self) -> tuple[str, ...]:
        """What the status names; in the short form what it names of the pool is enough."""
        found = tuple(self.host.differences()) if self.quick else ()
        return found if re.search(self.fault.says or ".", "\n".join(found)) else self.host.told()

    def _run(self, variables: dict[str, str], seen: dict[str, Any]) -> str:
        began = time.monotonic()
        words = self.fault.run
        if self.quick and words == ("site.yml",):
            words = (*words, *_UNVERIFIED)
        seen["refusal"] = self.host.run(*words).problem
        seen["mend_seconds"] = round(time.monotonic() - began, 2)
        problem = ""
        if self.fault.ends == REFUSED:
            problem = self.host.shell(self.fault.lift, variables)
            if not problem and self.host.differences():
                self.host.run("site.yml")
        seen["mended"] = self.host.await_declared(_SETTLED_SECONDS) is not None
        if self.fault.ends == MENDS and seen["refusal"]:
            seen["mended"] = False
        return problem or (self.host.shell(self.fault.then, variables) if seen["mended"] else "")

    def _declared_before(self) -> str:
        # A moment later is for what was done just now.
        if self.host.await_declared(_SETTLED_SECONDS, 0) is not None:
            return ""
        problem = self.host.run("site.yml").problem
        left = self.host.differences()
        if self.host.await_declared(_SETTLED_SECONDS) is None:
            return f"before: got {problem or left}, want a cluster as declared"
        return ""

    def _declared_after(self, variables: dict[str, str]) -> str:
        """Leave the cluster as declared; what one run does not mend is mended by removing it first."""
        if self._stands():
            return ""
        first = self.host.run("site.yml", *(_UNVERIFIED if self.quick else ()))
        if not first.problem and self._stands():
            return ""
        problem = first.problem or "; ".join(self.host.differences() or self.host.told())
        for remove in (self._containers_gone, self._all_gone):
            remove(variables)
            again = self.host.run("site.yml", *_UNVERIFIED)
            if not again.problem and self.host.await_declared(_SETTLED_SECONDS) is not None:
                return f"after: got '{problem}' of one run, want it as declared; then it was removed and made again"
        return f"after: got '{problem}' of one run, want it as declared; then '{again.problem}' of a new cluster"

    def _stands(self) -> bool:
        """Whether all is as declared; the whole cluster by the status as well, where time does not matter."""
        return self.host.await_declared(_SETTLED_SECONDS) is not None and (self.quick or not self.host.told())

    def _containers_gone(self, variables: dict[str, str]) -> None:
        self.host.shell("docker rm --force $(members node) $(members edge) $(members balancer)", variables)

    def _all_gone(self, _: dict[str, str]) -> None:
        self.host.run("playbooks/teardown.yml", "-e", "teardown_images=false")

    def _control_ends(self, variables: dict[str, str]) -> str:
        """Give back what a control takes: the restart policy, and a process that was stopped."""
        names = '"$STATIC" "$DYNAMIC" "$EDGE" "$BALANCER"'
        return self.host.shell(
            f"for one in {names}; do docker update --restart unless-stopped $one; docker start $one; done", variables
        )
