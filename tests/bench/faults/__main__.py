"""Goal R13: every fault of the catalogue ends as its row says, in random order, three rounds.

Command: ``python -m tests.bench.faults [row ...] [--group edge] [--rounds 3] [--seed N] [--short] [--list]``
``--control`` plays the rows that have a control, with what heals them switched off: each of them must fail.
``--seconds 300`` begins no row after that time; ``--resume FILE`` goes on where it ended.
``--together 8`` does what eight rows do before one run mends it all; ``a+b`` names rows a and b so.
``--record`` writes docs/faults.md at the end, ``--write`` writes it from the last record and plays nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import common
from tests.bench.common import ROOT, BenchError, say
from tests.bench.faults import catalogue, document
from tests.bench.faults.fault import NEEDS, Fault, Measured, restored
from tests.bench.faults.host import Host, neighbour
from tests.bench.faults.judge import judge
from tests.bench.faults.runner import Row
from tests.bench.faults.together import JOIN, batches

RECORD = Path(__file__).with_name("measured.json")
PAGE = ROOT / "docs/faults.md"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="faults", description="play the fault catalogue on this machine's cluster")
    made.add_argument("rows", nargs="*", help="only these rows")
    made.add_argument("--group", action="append", default=[], help="only the rows of this group")
    made.add_argument("--rounds", type=int, default=1)
    made.add_argument("--seed", type=int, help="of the order; drawn when not given")
    made.add_argument("--rate", type=float, default=100.0, help="requests per second beside")
    made.add_argument("--together", type=int, help="only what one run mends, this many rows at once")
    made.add_argument("--short", action="store_true", help="only the short form")
    made.add_argument("--quick", action="store_true", help="runs that mend do not verify")
    made.add_argument("--control", action="store_true", help="switch off what heals; each row must fail")
    made.add_argument("--allow", action="append", default=[], choices=NEEDS, help="rows that need this too")
    made.add_argument("--keep", action="append", default=[], choices=NEEDS, help="no rows that need this")
    made.add_argument("--seconds", type=float, default=float("inf"), help="begin no row after this time")
    made.add_argument("--resume", type=Path, help="go on with this campaign")
    made.add_argument("--record", action="store_true", help="write docs/faults.md")
    made.add_argument("--write", action="store_true", help="only write docs/faults.md again")
    made.add_argument("--list", action="store_true", help="only list the rows")
    made.add_argument("-e", dest="extra", action="append", default=[], help="extra variables of every run")
    return made


def selected(options: argparse.Namespace) -> list[Fault]:
    """The rows of the command line.

    Raises:
        BenchError: a name that no row has.
    """
    wrong = catalogue.unknown([part for name in options.rows for part in name.split(JOIN)], options.group)
    if wrong:
        raise BenchError(f"row: got {', '.join(wrong)}, want one of the catalogue (fix: --list)")
    allowed = (catalogue.ALLOWED | set(options.allow)) - set(options.keep)
    named = [catalogue.by_name(name) for name in options.rows if JOIN in name]
    rows = [*named, *catalogue.chosen(options.rows, options.group, short=options.short, allowed=allowed)]
    return [row for row in rows if row.control] if options.control else rows


def listed(rows: Sequence[Fault]) -> str:
    """The rows as a table."""
    return common.table(["row", "group", "must"], [[row.name, row.group, row.must] for row in rows])


def line(number: int, of: int, fault: Fault, seen: Measured, reasons: Sequence[str], seconds: float) -> str:
    """One row as it ends."""
    serves = "-" if seen.serves is None else f"{seen.serves:.1f}"
    head = "ok  " if not reasons else "FAIL"
    return (
        f"{head} {number}/{of} {fault.name} (round {seen.round}, {seconds:.0f} s): serves {serves} s, "
        f"lost {seen.lost}+{seen.posts} of {seen.requests}, moved {seen.moved}"
        + "".join(f"\n       {reason[:600]}" for reason in reasons)
    )


class Campaign:
    """All rows in their order; what was measured is saved after each."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Begin one, or go on with one."""
        self._options = options
        self.measured: list[Measured] = []
        self.seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
        rows, rounds = selected(options), options.rounds
        if options.together:
            rows = batches(rows, options.together, self.seed)
        names = [row.name for row in rows]
        if options.resume:
            before = json.loads(options.resume.read_text(encoding="utf-8"))
            self.seed, names, rounds = before["seed"], before["rows"], before["rounds"]
            self.measured = [restored(data) for data in before["measured"]]
        self._names, self._rounds = names, rounds
        stamp = time.strftime("%Y%m%dT%H%M%S")
        self.file = options.resume or common.RESULTS / f"faults-{stamp}.json"
        self._todo = catalogue.order([catalogue.by_name(name) for name in names], rounds, self.seed)

    def play(self, host: Host) -> None:
        """Play what is left, as long as there is time."""
        options, began = self._options, time.monotonic()
        say(f"seed {self.seed}: {len(self._todo)} rows, {len(self.measured)} of them played already")
        for number, (round_, fault) in enumerate(self._todo[len(self.measured) :], len(self.measured) + 1):
            if time.monotonic() - began > options.seconds:
                say(f"time is over: go on with --resume {self.file}")
                return
            start = time.monotonic()
            row = Row(fault, round_, host, options.rate, self.seed + number, options.control, options.quick)
            seen = row.play()
            self.measured.append(seen)
            self.save()
            reasons = judge(fault, seen)
            say(line(number, len(self._todo), fault, seen, reasons, time.monotonic() - start))

    def save(self) -> None:
        """Write all that was measured until now."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")

    def document(self) -> dict[str, Any]:
        """The campaign as JSON."""
        return {
            "seed": self.seed,
            "rounds": self._rounds,
            "rate": self._options.rate,
            "control": self._options.control,
            "machine": common.machine(),
            "rows": self._names,
            "measured": [one.saved() for one in self.measured],
        }

    def ended(self) -> bool:
        """Whether each row has been played."""
        return len(self.measured) == len(self._todo)

    def failures(self) -> dict[str, list[str]]:
        """Row and round to why it did not end as it says; with --control, those that did although they must not."""
        found = {}
        for seen in self.measured:
            reasons = judge(catalogue.by_name(seen.name), seen)
            if self._options.control:
                reasons = [] if reasons and not seen.problems else ["control: got the row as it says, want it to fail"]
            if reasons:
                found[f"{seen.name}, round {seen.round}"] = reasons
        return found


def record(campaign: dict[str, Any]) -> None:
    """Write what was measured beside what was measured before of other rows, and the page."""
    campaign = document.merged(json.loads(RECORD.read_text(encoding="utf-8")), campaign)
    RECORD.write_text(json.dumps(campaign, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(document.render(campaign), encoding="utf-8")
    say(f"written: {PAGE.relative_to(ROOT)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Play and report."""
    options = parser().parse_args(argv)
    rows = selected(options)
    if options.list:
        say(listed(rows))
        return 0
    if options.write:
        record(json.loads(RECORD.read_text(encoding="utf-8")))
        return 0
    host = Host([word for extra in options.extra for word in ("-e", extra)])
    campaign = Campaign(options)
    # What the rows begin with is what this checkout declares, not what was declared here last.
    problem = host.run("site.yml", "--tags", "engine,images,balancer,nodes,portainer").problem
    if problem:
        raise BenchError(f"cluster: got '{problem}', want it as declared (fix: ansible-playbook site.yml)")
    host.learn()
    with neighbour():
        campaign.play(host)
    failed = campaign.failures()
    say(f"{len(campaign.measured) - len(failed)} of {len(campaign.measured)} as they say; raw data: {campaign.file}")
    for name, reasons in failed.items():
        say(f"FAIL {name}: {reasons[0][:300]}")
    if options.record and not options.control and not options.together:
        record(campaign.document())
    return 1 if failed or not campaign.ended() else 0


if __name__ == "__main__":
    common.run_main(main)
