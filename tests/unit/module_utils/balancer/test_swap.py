"""The new balancer takes over only when it can, and a failure leaves the old one as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.module_utils.balancer.fakes import FakeHost, made_options

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import edge_config
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.plan import Desired, plan
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.swap import BalancerError, BalancerSwap, renew
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError

DESIRED = Desired("shop", "e1", "new")
TO_BLUE = "shop-edge directs [8000, 9000] to shop-balancer-blue"
TO_GREEN = "shop-edge directs [8000, 9000] to shop-balancer-green"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A cluster whose balancer, in the slot blue, is of an earlier revision."""
    host = FakeHost(made_options(tmp_path))
    host.options.edge_file.write_text(edge_config(""))
    host.add_edge("e1")
    host.add_balancer("blue", "old")
    return host


def swapped(host: FakeHost, draining: str = "") -> BalancerSwap:
    """Carry out what the plan says."""
    swap = BalancerSwap(host, host.options, DESIRED, host.api, host.clock)
    swap.apply(plan(DESIRED, host.containers(), draining))
    return swap


def failed(host: FakeHost, draining: str = "") -> str:
    with pytest.raises(BalancerError) as caught:
        swapped(host, draining)
    return str(caught.value)


def test_the_first_balancer_starts_with_its_edge(host: FakeHost) -> None:
    host.found.clear()
    swap = swapped(host)
    assert host.log == ["start shop-edge", "start shop-balancer-blue"]
    assert [str(action) for action in swap.done] == [
        "start edge shop-edge (holds ports and addresses)",
        "start shop-balancer-blue (none runs)",
    ]
    assert swap.warnings == []


def test_the_new_balancer_takes_over_when_it_has_all_servers_and_the_old_one_drains(host: FakeHost) -> None:
    swap = swapped(host)
    assert host.log == [
        # Before the new one listens: it has no routes yet.
        TO_BLUE,
        "start shop-balancer-green",
        TO_GREEN,
        # 0.5 s until it has the servers, 3 s of draining.
        "stop shop-balancer-blue 45 at 3.5, draining 'blue'",
        "remove shop-balancer-blue",
    ]
    assert host.names == ["shop-balancer-green", "shop-edge"]
    assert host.edge_text == edge_config("")
    assert swap.warnings == []
    static = json.loads((host.options.config_dir / "traefik-green.yml").read_text())
    assert static["entryPoints"]["own"]["address"] == ":9002"
    assert static["entryPoints"]["web"] == host.options.static["entryPoints"]["web"]


def test_a_new_balancer_without_the_servers_of_the_old_one_is_removed(host: FakeHost) -> None:
    host.delay = 1e9
    host.processes["blue"].started = -1e10
    assert failed(host) == (
        "balancer shop-balancer-green: got no servers yet for static@docker, last log lines: log of id-green, want it"
        " ready within 30 s (fix: correct its configuration; the old balancer keeps serving)"
    )
    assert 30 <= host.clock.now() < 30.2
    assert host.log == [TO_BLUE, "start shop-balancer-green", "remove shop-balancer-green"]
    assert host.edge_text == edge_config("")


def test_a_new_balancer_does_not_begin_to_drain_in_a_slot_that_drained_before(host: FakeHost) -> None:
    host.options.edge_file.write_text(edge_config("green"))
    seen: list[str] = []
    host.clock.on_sleep = lambda: seen.append(host.edge_text)
    swapped(host, "green")
    assert seen == [edge_config("")] * 5 + [edge_config("blue")]


def test_a_failure_leaves_the_edges_file_as_it_was_after_a_reload_too(host: FakeHost) -> None:
    host.processes["blue"].accepted = "before"
    host.delay = 1e9
    host.processes["blue"].started = -1e10
    assert "no servers yet for static@docker" in failed(host)
    assert host.edge_text == edge_config("")


def test_a_new_balancer_that_ends_is_removed_at_once(host: FakeHost) -> None:
    host.crashes = True
    assert "got state exited, last log lines: log of id-green" in failed(host)
    assert host.clock.now() == 0
    assert host.names == ["shop-balancer-blue", "shop-edge"]


def test_a_new_balancer_that_vanishes_is_no_reason_to_wait(host: FakeHost) -> None:
    def vanish() -> None:
        del host.found["shop-balancer-green"]

    host.clock.on_sleep = vanish
    assert "got no container, last log lines: none" in failed(host)
    assert host.clock.now() == pytest.approx(0.1)


def test_a_new_balancer_whose_api_is_silent_is_removed(host: FakeHost) -> None:
    host.silent = {"green"}
    assert "got balancer API: got connection refused" in failed(host)
    assert host.names == ["shop-balancer-blue", "shop-edge"]


def test_a_first_balancer_that_fails_promises_no_old_one(host: FakeHost) -> None:
    host.found.clear()
    host.crashes = True
    assert failed(host).endswith("(fix: correct its configuration)")


def test_a_new_password_is_read_by_the_old_balancer_too(host: FakeHost) -> None:
    """The users' file has it, but a running Traefik reads that file only when its configuration changes."""
    host.processes["blue"].accepted = "before"
    swap = swapped(host)
    assert swap.warnings == []
    assert host.names == ["shop-balancer-green", "shop-edge"]
    assert host.processes["blue"].accepted == "secret"
    assert host.edge_text == edge_config("")
    assert host.log[-2] == "stop shop-balancer-blue 45 at 3.5, draining 'blue'"


def test_an_old_balancer_that_tells_no_servers_is_replaced_with_a_warning(host: FakeHost) -> None:
    host.silent = {"blue"}
    swap = swapped(host)
    assert host.names == ["shop-balancer-green", "shop-edge"]
    assert swap.warnings == [
        "balancer shop-balancer-blue: got 'balancer API: got connection refused, want an answer (fix: check that it"
        " runs)', want the list of its servers, to compare it with that of shop-balancer-green (fix: look for 404 and"
        " 503 in the access log since shop-balancer-green has taken over)"
    ]
    # It has had the whole time to get its servers; the second step does not wait for them again.
    assert host.log[-2] == "stop shop-balancer-blue 45 at 33.0, draining 'blue'"


def test_an_old_balancer_that_ends_meanwhile_is_not_compared_with(host: FakeHost) -> None:
    host.delay = 5
    host.clock.on_sleep = lambda: host.end("shop-balancer-blue") if host.clock.now() < 0.15 else None
    swap = swapped(host)
    assert swap.warnings == []
    assert host.clock.now() == pytest.approx(3.1)


def test_an_interrupted_start_leaves_the_old_balancer_alone(host: FakeHost) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    host.clock.on_sleep = interrupt
    with pytest.raises(KeyboardInterrupt):
        swapped(host)
    assert host.names == ["shop-balancer-blue", "shop-edge"]


def test_a_failure_to_clean_up_does_not_hide_the_cause(host: FakeHost) -> None:
    host.crashes = True
    host.refuse = "remove"
    assert "got state exited" in failed(host)


def test_a_balancer_that_a_killed_run_left_takes_over_when_it_is_ready(host: FakeHost) -> None:
    host.add_balancer("green", "new", 0.0)
    host.options.edge_file.write_text(edge_config("blue"))
    swapped(host, "blue")
    assert host.log == [TO_GREEN, "stop shop-balancer-blue 45 at 3.5, draining 'blue'", "remove shop-balancer-blue"]
    assert host.edge_text == edge_config("")


def test_a_balancer_that_a_killed_run_left_and_that_is_not_ready_is_removed(host: FakeHost) -> None:
    host.add_balancer("green", "new", 0.0)
    host.silent = {"green"}
    assert failed(host).endswith("the old balancer keeps serving)")
    assert host.log == ["remove shop-balancer-green"]


def test_the_drain_is_cancelled_when_the_change_is_undone(host: FakeHost) -> None:
    host.found.clear()
    host.add_edge("e1")
    host.add_balancer("blue", "new")
    host.options.edge_file.write_text(edge_config("blue"))
    swap = swapped(host, "blue")
    assert [action.kind for action in swap.done] == ["cancel drain of"]
    assert host.edge_text == edge_config("")


def test_one_of_two_earlier_balancers_makes_place(host: FakeHost) -> None:
    host.add_balancer("green", "older")
    swapped(host)
    assert host.log == [
        TO_BLUE,
        "stop shop-balancer-green 45 at 3.0, draining 'green'",
        "remove shop-balancer-green",
        TO_BLUE,
        "start shop-balancer-green",
        TO_GREEN,
        "stop shop-balancer-blue 45 at 6.5, draining 'blue'",
        "remove shop-balancer-blue",
    ]


def test_what_was_done_is_known_when_docker_refuses(host: FakeHost) -> None:
    host.refuse = "stop"
    swap = BalancerSwap(host, host.options, DESIRED, host.api, host.clock)
    with pytest.raises(EngineError):
        swap.apply(plan(DESIRED, host.containers(), ""))
    assert [action.kind for action in swap.done] == ["start"]


def test_connections_that_cannot_be_directed_are_a_warning(host: FakeHost) -> None:
    host.perl_problem = "perl: not found"
    assert swapped(host).warnings == [
        "new connections: got 'perl: not found', want all of them directed to shop-balancer-blue while the balancer is"
        " replaced; some may have reached a balancer without routes (fix: an edge image with perl, Linux 4.5 or newer)",
        "new connections: got 'perl: not found', want all of them directed to shop-balancer-green while the balancer is"
        " replaced; some may have reached a balancer without routes (fix: an edge image with perl, Linux 4.5 or newer)",
    ]


def test_renew_replaces_the_balancer_by_one_like_it(host: FakeHost) -> None:
    renew(host, host.api, host.clock)
    assert host.names == ["shop-balancer-green", "shop-edge"]
    assert host.found["shop-balancer-green"].revision == "old"
    assert host.log[-1] == "remove shop-balancer-blue"


def test_renew_tells_of_a_warning(host: FakeHost) -> None:
    host.perl_problem = "perl: not found"
    with pytest.raises(BalancerError, match="perl: not found"):
        renew(host, host.api, host.clock)


@pytest.mark.parametrize(
    "change, got",
    [
        (lambda host: host.add_balancer("green", "old"), "2 running and its edge"),
        (lambda host: host.end("shop-balancer-blue"), "0 running and its edge"),
        (lambda host: host.end("shop-edge"), "1 running and no edge"),
    ],
)
def test_renew_wants_one_balancer_with_its_edge(host: FakeHost, change: object, got: str) -> None:
    assert callable(change)
    change(host)
    with pytest.raises(BalancerError) as caught:
        renew(host, host.api, host.clock)
    assert str(caught.value) == f"balancer: got {got}, want one and its edge (fix: ansible-playbook site.yml)"
    assert host.log == []
