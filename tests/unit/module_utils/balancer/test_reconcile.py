"""The use case: what is predicted, done and told, under the cluster's lock."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest
from tests.unit.module_utils.balancer.fakes import FakeHost, done, told

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import edge_config
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.ports import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.reconcile import (
    BalancerRequest,
    BalancerRunError,
    announce,
    as_result,
    diff,
    preview,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.swap import BalancerError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import TraefikApiError

FIRST = ["start edge shop-edge (holds ports and addresses)", "start shop-balancer-blue (none runs)"]
REPLACED = ["start shop-balancer-green (image or configuration changed)", "retire shop-balancer-blue (is replaced)"]


def test_a_prediction_is_what_a_run_does(host: FakeHost, request_: BalancerRequest) -> None:
    expected = preview(request_, Ports(host, host.api))
    assert host.log == []
    assert not host.options.edge_file.exists()
    outcome = done(host, request_)
    assert told(outcome) == told(expected) == FIRST
    assert (outcome.slot, outcome.revision) == (expected.slot, expected.revision)
    assert outcome.slot == "blue"
    assert outcome.revision == host.options.desired("sha256:1").balancer
    assert diff(outcome) == diff(expected)
    assert host.edge_text == edge_config("")
    assert as_result(outcome) == {"changed": True, "actions": FIRST}


def test_what_the_edge_runs_is_written_first_and_foretold(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.options.watch_file.write_bytes(b"\xff")
    expected = preview(request_, Ports(host, host.api))
    assert told(expected) == ["write edge-watch.pl (is not as declared)"]
    assert told(done(host, request_)) == told(expected)
    assert host.options.watch_file.read_text() == host.options.watch_script
    assert told(done(host, request_)) == []


def test_an_edge_that_is_paused_or_off_its_network_is_mended_in_place(
    host: FakeHost, request_: BalancerRequest
) -> None:
    done(host, request_)
    host.found["shop-edge"] = dataclasses.replace(
        host.found["shop-edge"], state="paused", networks=frozenset({"bridge"})
    )
    assert told(done(host, request_)) == [
        "unpause shop-edge (is paused)",
        "connect shop-edge (is not in network shop-net)",
    ]
    assert host.log[-2:] == ["unpause shop-edge", "connect id-edge to shop-net"]
    assert told(done(host, request_)) == []


def test_what_was_changed_by_hand_is_set_back_without_a_start(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.found["gateway"] = dataclasses.replace(
        host.found.pop("shop-edge"),
        name="gateway",
        made_as="shop-edge",
        settings={"RestartPolicy": {"Name": "no"}, "Memory": 2**25, "PidsLimit": 32},
    )
    host.found["proxy"] = dataclasses.replace(
        host.found.pop("shop-balancer-blue"), name="proxy", made_as="shop-balancer-blue"
    )
    expected = preview(request_, Ports(host, host.api))
    assert told(expected) == [
        "mend shop-edge (is gateway, renamed by hand, restart policy no, want always)",
        "mend shop-balancer-blue (is proxy, renamed by hand)",
    ]
    host.log.clear()
    outcome = done(host, request_)
    assert told(outcome) == told(expected)
    assert diff(outcome) == diff(expected)
    assert host.log == ["mend gateway as shop-edge", "mend proxy as shop-balancer-blue"]
    assert told(done(host, request_)) == []


def test_a_balancer_whose_access_log_was_removed_is_replaced(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.clock.sleep(60)
    host.logless = {"id-blue"}
    expected = preview(request_, Ports(host, host.api))
    assert told(expected) == [
        "start shop-balancer-green (its access log was removed)",
        "retire shop-balancer-blue (is replaced)",
    ]
    assert told(done(host, request_)) == told(expected)
    assert told(done(host, request_)) == []


def test_a_port_that_refuses_is_published_again(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.refusal = "Docker's proxy of port 80 has ended"
    assert "remove shop-edge (Docker's proxy of port 80 has ended)" in told(done(host, request_))


def test_a_second_run_has_nothing_to_do(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    before = list(host.log)
    Path(request_.api_password_file).unlink()  # is not even read
    again = done(host, request_)
    assert as_result(again) == {"changed": False, "actions": []}
    assert (again.slot, host.log) == ("blue", before)
    assert again.before == again.after


def test_another_configuration_makes_another_balancer(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.clock.sleep(60)
    seeded = dataclasses.replace(request_, options=dataclasses.replace(host.options, seed="other"))
    assert told(preview(seeded, Ports(host, host.api))) == REPLACED
    outcome = done(host, seeded)
    assert told(outcome) == REPLACED
    assert outcome.slot == "green"
    assert outcome.warnings == ()
    assert diff(outcome) == {
        "before": (
            f"shop-balancer-blue: running, revision {outcome.before[1].revision}\n"
            f"shop-edge: running, revision {outcome.before[0].revision}\n"
        ),
        "after": (
            f"shop-balancer-green: running, revision {outcome.revision}\n"
            f"shop-edge: running, revision {outcome.before[0].revision}\n"
        ),
    }


@pytest.mark.parametrize("left", ["green", "other"])
def test_what_a_killed_run_left_in_the_edges_file_is_tidied(
    host: FakeHost, request_: BalancerRequest, left: str
) -> None:
    done(host, request_)
    host.options.edge_file.write_text(edge_config(left))
    assert told(done(host, request_)) == []
    assert host.edge_text == edge_config("")


def test_a_drain_that_is_to_be_finished_is_not_interrupted(host: FakeHost, request_: BalancerRequest) -> None:
    host.add_edge(host.options.desired("sha256:1").edge)
    host.add_balancer("blue", "old")
    host.add_balancer("green", host.options.desired("sha256:1").balancer, 0.0)
    host.options.edge_file.write_text(edge_config("blue"))
    seen: list[str] = []
    host.clock.on_sleep = lambda: seen.append(host.edge_text)
    assert told(done(host, request_)) == ["retire shop-balancer-blue (is replaced)"]
    assert seen == [edge_config("blue")] * 6


def test_a_step_that_fails_tells_what_was_done_before(host: FakeHost, request_: BalancerRequest) -> None:
    host.crashes = True
    with pytest.raises(BalancerRunError, match=r"^balancer shop-balancer-blue: got state exited") as caught:
        done(host, request_)
    assert told(caught.value.outcome) == FIRST[:1]
    assert isinstance(caught.value.__cause__, BalancerError)


def test_a_file_that_cannot_be_written_is_one_line(
    host: FakeHost, request_: BalancerRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        if host.log:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BalancerRunError, match=r"got 'No space left on device', want .*fix: make room") as caught:
        done(host, request_)
    assert told(caught.value.outcome) == FIRST[:1]


def test_a_folder_in_the_place_of_a_file_is_moved_aside(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    static = host.options.config_dir / "traefik-blue.yml"
    for path in (static, host.options.watch_file, host.options.edge_file):
        path.unlink()
        path.mkdir()
    assert [action for action in told(done(host, request_)) if action.startswith("write")] == [
        "write edge-watch.pl (is not as declared)",
        "write traefik-blue.yml (is not as declared)",
    ]
    assert static.is_file()
    assert host.options.watch_file.read_text() == host.options.watch_script
    assert host.edge_text == edge_config("")
    assert told(done(host, request_)) == []


def test_warnings_reach_the_caller(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    host.perl_problem = "perl: not found"
    outcome = done(host, dataclasses.replace(request_, options=dataclasses.replace(host.options, seed="other")))
    assert len(outcome.warnings) == 2


def test_nothing_begins_without_the_password(host: FakeHost, request_: BalancerRequest) -> None:
    Path(request_.api_password_file).unlink()
    with pytest.raises(TraefikApiError, match="want a readable password file"):
        done(host, request_)
    assert host.log == []


def test_an_image_that_is_not_there_can_only_be_previewed(host: FakeHost, request_: BalancerRequest) -> None:
    host.images.clear()
    assert told(preview(request_, Ports(host, host.api))) == FIRST
    with pytest.raises(BalancerError) as caught:
        done(host, request_)
    assert str(caught.value) == (
        "image res/traefik:1: got none on this host, want it built or pulled (fix: ansible-playbook site.yml)"
    )
    assert host.log == []


def test_an_engine_that_does_not_answer_is_told(host: FakeHost, request_: BalancerRequest) -> None:
    host.refuse = "connect"
    with pytest.raises(EngineError, match="a running daemon"):
        done(host, request_)


def test_another_run_is_waited_for_but_not_by_a_preview(host: FakeHost, request_: BalancerRequest) -> None:
    with lock.cluster_lock("shop", "other", 0):
        with pytest.raises(lock.LockBusyError):
            preview(dataclasses.replace(request_, lock_timeout=60), Ports(host, host.api))
        with pytest.raises(lock.LockBusyError):
            done(host, request_)
    assert host.log == []


def test_a_removal_takes_all_and_the_locks_file_at_last(
    host: FakeHost, request_: BalancerRequest, lock_file: Path
) -> None:
    done(host, request_)
    host.log.clear()
    absent = BalancerRequest("shop")
    expected = preview(absent, Ports(host, host.api))
    assert (host.log, lock_file.exists()) == ([], True)
    outcome = done(host, absent)
    assert host.log == ["remove shop-balancer-blue", "remove shop-edge"]
    assert told(outcome) == told(expected)
    assert (outcome.after, expected.after, outcome.slot, outcome.revision) == ([], [], "", "")
    assert not lock_file.exists()


def test_a_removal_that_fails_keeps_the_locks_file(host: FakeHost, lock_file: Path) -> None:
    host.add_edge("e1")
    host.refuse = "remove"
    with pytest.raises(BalancerRunError) as caught:
        done(host, BalancerRequest("shop"))
    assert caught.value.outcome.actions == ()
    assert lock_file.exists()


def test_files_that_were_changed_by_hand_are_written_again(host: FakeHost, request_: BalancerRequest) -> None:
    done(host, request_)
    static = host.options.config_dir / "traefik-blue.yml"
    before = static.read_text()
    static.unlink()
    host.options.watch_file.write_text("nonsense")
    told_before = told(announce(request_, Ports(host, host.api)))
    assert told_before == ["write edge-watch.pl (is not as declared)", "write traefik-blue.yml (is not as declared)"]
    assert told(done(host, request_)) == told_before
    assert static.read_text() == before
    assert host.options.watch_file.read_text() == host.options.watch_script
    assert told(done(host, request_)) == []


def test_the_static_configuration_of_a_balancer_that_has_ended_waits_for_a_start(
    host: FakeHost, request_: BalancerRequest
) -> None:
    done(host, request_)
    (host.options.config_dir / "traefik-blue.yml").unlink()
    host.end("shop-balancer-blue")
    assert [action.kind for action in announce(request_, Ports(host, host.api)).actions] == ["remove", "start"]


def test_an_announcement_waits_for_no_lock(host: FakeHost, request_: BalancerRequest) -> None:
    with lock.cluster_lock("shop", "another run", 0):
        assert told(announce(request_, Ports(host, host.api))) == FIRST
        with pytest.raises(lock.LockBusyError):
            preview(request_, Ports(host, host.api))
