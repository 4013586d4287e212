"""How long is looked until what may still change has settled."""

from __future__ import annotations

from typing import Any

from tests.unit.fakes.clock import VirtualClock
from tests.unit.made_measurements import pool, spec

from ansible_collections.evenkeel.cluster.plugins.module_utils.overview.settled import settled


class Looks:
    """A cluster that settles at a look."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.looks = 0

    def view(self) -> Any:
        self.looks += 1
        found = pool(spec())
        found.pop("agreement")
        found["tiers"]["static"]["in_rotation"] = 3 if self.looks >= self.at else 2
        return found

    def unsettled(self, view: Any) -> bool:
        return self.looks < self.at


def test_a_settled_cluster_is_looked_at_once() -> None:
    looks = Looks(1)
    found, problem = settled(looks, 10, must_agree=False, clock=VirtualClock())
    assert (looks.looks, found["agreement"], problem) == (1, [], "")


def test_what_may_settle_gets_a_moment() -> None:
    looks = Looks(3)
    assert settled(looks, 10, must_agree=False, clock=VirtualClock())[1] == ""
    assert looks.looks == 3
    clock, never = VirtualClock(), Looks(999)
    began = clock.now()
    found, problem = settled(never, 10, must_agree=False, clock=clock)
    assert (len(found["agreement"]), problem) == (1, "")
    assert clock.now() - began < 2


def test_agreement_is_waited_for_and_its_lack_is_a_failure() -> None:
    looks = Looks(20)
    assert settled(looks, 10, must_agree=True, clock=VirtualClock())[1] == ""
    clock = VirtualClock()
    began = clock.now()
    found, problem = settled(Looks(999), 10, must_agree=True, clock=clock)
    assert problem == found["agreement"][0]
    assert clock.now() - began >= 10
