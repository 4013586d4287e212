"""What a row of the fault catalogue says, and what was measured of it. Pure data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

# How a row may end.
HEALS = "heals by itself"
MENDS = "one run mends it"
REFUSED = "a run refuses with one line"
ENDS = (HEALS, MENDS, REFUSED)

# What a row needs of the machine, or of the user's permission (--allow).
ENGINE = "engine"  # restarts dockerd, so every container of the machine
CLOCK = "clock"  # sets the clock of the whole machine
PRUNE = "prune"  # removes all images that no container uses
PORTAINER = "portainer"  # the cluster has Portainer
NEEDS = (ENGINE, CLOCK, PRUNE, PORTAINER)

# A POST may be lost when it was in flight on a part that was killed: at 100 requests/s it is this many at most.
IN_FLIGHT = 5


@dataclasses.dataclass(frozen=True)
class Fault:
    """One row.

    The texts of shell are run by bash with the functions of deeds.sh, each in a process of its own. They have the
    variables ``STATIC`` and ``DYNAMIC`` (a node of each tier), ``EDGE``, ``BALANCER``, ``STATE`` (the state folder) and
    ``SCRATCH`` (a folder that is removed at the end).

    Attributes:
        name: its name, for the command line.
        group: the part of the catalogue that it is in.
        done: what is done, in words.
        do: what is done, as shell.
        ends: one of :data:`ENDS`.
        seconds: the site serves again within this time by itself; None when it need not before a run.
        lost: GETs that may be lost until it serves again; None when that is only measured.
        posts: POSTs that may be lost until then; None when that is only measured.
        moved: sessions that may move until then; None when that is only measured.
        prepare: shell before the load begins.
        hold: seconds that the load goes on before *lift*.
        lift: shell that takes the cause away; what heals is measured from its end.
        then: shell that must succeed when it has healed.
        clean: shell at the end, whatever happened before; it may be run on a clean machine.
        told: whether the status must name what is wrong before a run mends it.
        says: a regular expression that the refusal, or what the status names, must match.
        run: the run that mends, or that refuses.
        needs: of :data:`NEEDS`.
        short: whether it is in the short form.
        control: shell that switches off what heals the row; with it the row must fail.
        because: why it ends as it does, or why losses are not bounded; for the document.
    """

    name: str
    group: str
    done: str
    do: str
    ends: str = HEALS
    seconds: float | None = 10.0
    lost: int | None = 0
    posts: int | None = 0
    moved: int | None = None
    prepare: str = ""
    hold: float = 0.0
    lift: str = ""
    then: str = ""
    clean: str = ""
    told: bool = True
    says: str = ""
    run: tuple[str, ...] = ("site.yml",)
    needs: tuple[str, ...] = ()
    short: bool = False
    control: str = ""
    because: str = ""

    @property
    def must(self) -> str:
        """What must happen, in words."""
        if self.ends == REFUSED:
            return "a run refuses with one line and changes nothing"
        if self.ends == HEALS:
            return f"heals by itself within {self.seconds:g} s"
        if self.seconds is None:
            return "one run mends it"
        if self.seconds == 0:
            return "serves on; one run mends it"
        return f"serves again within {self.seconds:g} s; one run mends it"

    @property
    def allowed(self) -> str:
        """How many requests may be lost, in words."""
        if self.lost is None:
            return "measured"
        if self.posts == self.lost:
            return str(self.lost)
        posts = "measured" if self.posts is None else f"{self.posts}"
        return f"{self.lost} GET, {posts} POST"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What became of one row in one round.

    Attributes:
        name: the row's.
        round: 1-based.
        serves: seconds until the site served again with no action; None when it did not.
        healed: seconds until all was as declared with no action; None when it was not.
        told: what the status named before the run.
        refusal: the run's message, when it failed.
        mended: whether all was as declared after the run; None without one.
        mend_seconds: how long that run took.
        requests: how many were sent.
        lost: GETs that failed until it served again, or until the run began.
        posts: POSTs that failed until then.
        lost_mending: requests that failed while the run mended.
        twice: POSTs that were executed twice.
        moved: sessions that changed their node until then.
        down: seconds from the first lost request to the last.
        first: why the first request was lost.
        problems: what went wrong with the row itself: shell that failed, a cluster that was not as declared before.
        left: why the cluster was not as declared at the end, after everything was put back; empty when it was.
    """

    name: str
    round: int = 1
    serves: float | None = None
    healed: float | None = None
    told: tuple[str, ...] = ()
    refusal: str = ""
    mended: bool | None = None
    mend_seconds: float = 0.0
    requests: int = 0
    lost: int = 0
    posts: int = 0
    lost_mending: int = 0
    twice: int = 0
    moved: int = 0
    down: float = 0.0
    first: str = ""
    problems: tuple[str, ...] = ()
    left: str = ""

    def saved(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)


def restored(data: Mapping[str, Any]) -> Measured:
    """A measurement from its JSON; what it does not know is left out."""
    names = {field.name for field in dataclasses.fields(Measured)}
    found = {name: value for name, value in data.items() if name in names}
    for name in ("told", "problems"):
        found[name] = tuple(found.get(name, ()))
    return Measured(**found)
