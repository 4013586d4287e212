"""The use case: what it refuses at its start, what it leaves behind, what it reports."""

from __future__ import annotations

import dataclasses
import json
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import cluster_lock, discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import BalancerView, Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import PoolInputError, build_of, tier_route
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import disagreements
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    RunFailedError,
    as_result,
    diff,
    preview,
    reconcile,
    require_as_declared,
    status,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import TraefikApiError

# One of its own for each run of the tests, because the lock is the machine's.
CLUSTER = f"t{uuid.uuid4().hex[:8]}x"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    yield FakeCluster(tmp_path, cluster=CLUSTER)
    discard_lock(CLUSTER)


def refused(cluster: FakeCluster, **differs: object) -> str:
    """The message of a run that does not begin; a preview must give the same."""
    before = (cluster.engine.nodes(), cluster.routes.path.read_text())
    with pytest.raises(EvenkeelError) as caught:
        reconcile(cluster.request(**differs), cluster.ports, clock=cluster.clock)
    assert not isinstance(caught.value, RunFailedError)
    assert (cluster.engine.nodes(), cluster.routes.path.read_text()) == before, "nothing has changed"
    return str(caught.value)


# -- refusals ------------------------------------------------------------------------------


def test_a_name_that_is_taken(cluster: FakeCluster) -> None:
    cluster.engine.foreign = {f"{CLUSTER}-shop-3": "mysql:8"}
    line = (
        f"container {CLUSTER}-shop-3: got one of image mysql:8 without the label evenkeel.cluster={CLUSTER}, want the"
        f" name free (fix: docker rename or remove {CLUSTER}-shop-3)"
    )
    assert refused(cluster, tiers=cluster.resized("shop", 3)) == line
    with pytest.raises(PoolInputError, match=f"docker rename or remove {CLUSTER}-shop-3"):
        preview(cluster.request(tiers=cluster.resized("shop", 3)), cluster.ports)


def test_an_image_that_is_not_there(cluster: FakeCluster) -> None:
    del cluster.engine.images["res/dates:1"]
    assert refused(cluster) == (
        "image of tier dates: got no res/dates:1 on this host, want it built or pulled (fix: ansible-playbook site.yml)"
    )


def test_a_preview_foresees_what_an_image_that_is_not_built_yet_brings(cluster: FakeCluster) -> None:
    del cluster.engine.images["res/dates:1"]
    outcome = preview(cluster.request(), cluster.ports)
    assert {action.tier for action in outcome.actions} == {"dates"}
    assert len(outcome.actions) == 4


def test_an_image_for_another_policy(cluster: FakeCluster) -> None:
    shop = cluster.tiers["shop"]
    image = Image("id", {"evenkeel.service": "shop-00000000"}, "c")
    with pytest.raises(PoolInputError) as caught:
        build_of(shop, "res/shop:1", image, "n")
    assert str(caught.value) == (
        f"image res/shop:1: got labels of policy shop-00000000, want {shop.service}"
        " (fix: ansible-playbook site.yml builds it again)"
    )


def test_an_unknown_tier_to_renew(cluster: FakeCluster) -> None:
    assert refused(cluster, renew=("shpo", "nope")) == (
        "tier: got 'shpo', want one of dates, shop (fix: -e tier=dates)\n"
        "tier: got 'nope', want one of dates, shop (fix: -e tier=dates)"
    )


def test_a_balancer_that_does_not_answer(cluster: FakeCluster) -> None:
    cluster.balancer.fails = lambda call: True
    assert refused(cluster, tiers=cluster.resized("shop", 3)).startswith("balancer API: got no answer")


def test_another_run(cluster: FakeCluster) -> None:
    with cluster_lock(CLUSTER, "console: alice, roll static", 0):
        message = refused(cluster)
        with pytest.raises(EvenkeelError, match="console: alice, roll static"):
            preview(cluster.request(), cluster.ports)
    assert "console: alice, roll static" in message
    assert status(cluster.request(), cluster.ports)["tiers"], "looking takes no lock"


def test_a_drill_may_begin_only_on_a_pool_as_declared(cluster: FakeCluster) -> None:
    require_as_declared(cluster.request(), cluster.ports)
    with pytest.raises(PoolInputError) as caught:
        require_as_declared(cluster.request(hosts=()), cluster.ports)
    assert str(caught.value) == (
        "pool: got 2 differences from the declaration (first: dates: route dates (path, host names or options changed))"
        ","
        " want none (fix: ansible-playbook site.yml)"
    )


# -- what a run gives ------------------------------------------------------------------------


def test_a_run_tells_what_it_did(cluster: FakeCluster) -> None:
    outcome = reconcile(cluster.request(tiers=cluster.resized("shop", 3)), cluster.ports, clock=cluster.clock)
    result = as_result(outcome, changed=bool(outcome.actions))
    assert result["changed"] is True
    assert result["summary"] == [f"start {CLUSTER}-shop-3 (scale up)"]
    assert result["timings"]["nodes"][f"{CLUSTER}-shop-3"].keys() == {"started", "ready", "in_rotation"}
    assert result["timings"]["apply"] > 0
    assert result["tiers"]["shop"]["running"] == result["tiers"]["shop"]["in_rotation"] == 3
    shown = diff(outcome)
    assert f"{CLUSTER}-shop-3" not in shown["before"]
    assert f"{CLUSTER}-shop-3 node of shop: running" in shown["after"]


def test_nothing_to_do_changes_nothing_and_asks_no_version_in_vain(cluster: FakeCluster) -> None:
    outcome = reconcile(cluster.request(), cluster.ports, clock=cluster.clock)
    assert as_result(outcome, changed=bool(outcome.actions))["changed"] is False
    assert cluster.engine.calls == []
    assert cluster.routes.calls == []


def test_a_run_that_fails_tells_what_was_done(cluster: FakeCluster) -> None:
    cluster.engine.fails = lambda call: call == f"start {CLUSTER}-shop-3"
    tiers = {**cluster.resized("shop", 3), "dates": dataclasses.replace(cluster.tiers["dates"], nodes=3)}
    with pytest.raises(RunFailedError) as caught:
        reconcile(cluster.request(tiers=tiers), cluster.ports, clock=cluster.clock)
    done = caught.value.outcome
    assert [action.node for action in done.actions] == [f"{CLUSTER}-dates-3"]
    assert as_result(done, changed=True)["summary"] == [
        f"start {CLUSTER}-dates-3 (scale up)",
        f"start {CLUSTER}-shop-3 (scale up)",
    ]


def test_renewing_replaces_nodes_that_are_fresh(cluster: FakeCluster) -> None:
    limits = RolloutLimits(surge_percent=100)
    outcome = reconcile(cluster.request(renew=("shop",), limits=limits), cluster.ports, clock=cluster.clock)
    assert {action.tier for action in outcome.actions} == {"shop"}
    assert cluster.names() == [f"{CLUSTER}-shop-3", f"{CLUSTER}-shop-4"]


def test_an_absent_pool_has_no_nodes_and_needs_no_balancer(cluster: FakeCluster) -> None:
    cluster.balancer.fails = lambda call: True
    outcome = reconcile(cluster.request(tiers={}, absent=True), cluster.ports, clock=cluster.clock)
    assert len(outcome.actions) == 4
    assert cluster.engine.nodes() == []


def test_waiting_for_the_lock_is_told(cluster: FakeCluster) -> None:
    outcome = reconcile(cluster.request(lock_timeout=5), cluster.ports, clock=cluster.clock)
    assert outcome.seconds["lock"] >= 0
    assert outcome.seconds.keys() == {"lock", "plan", "apply"}


# -- the declaration that is left ---------------------------------------------------------------


def test_the_declaration_is_left_for_its_owner_alone(cluster: FakeCluster, tmp_path: Path) -> None:
    path = tmp_path / "declaration.json"
    secret = dataclasses.replace(cluster.tiers["shop"], environment={"TOKEN": "s3cret"})
    request = cluster.request(tiers={**cluster.tiers, "shop": secret}, declaration_file=str(path))
    preview(request, cluster.ports)
    assert not path.exists(), "check mode leaves nothing"
    reconcile(request, cluster.ports, clock=cluster.clock)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    left = json.loads(path.read_text())
    assert left["cluster"] == CLUSTER
    assert left["hosts"] == ["localhost"]
    assert {tier["name"]: tier["nodes"] for tier in left["tiers"]} == {"shop": 2, "dates": 2}
    assert left["tiers"][0]["environment"] == {"TOKEN": "s3cret"}


def test_an_equal_declaration_is_not_written_again(cluster: FakeCluster, tmp_path: Path) -> None:
    path = tmp_path / "declaration.json"
    request = cluster.request(declaration_file=str(path))
    reconcile(request, cluster.ports, clock=cluster.clock)
    written = path.stat().st_ino
    reconcile(request, cluster.ports, clock=cluster.clock)
    assert path.stat().st_ino == written
    reconcile(cluster.request(declaration_file=str(path), hosts=()), cluster.ports, clock=cluster.clock)
    assert json.loads(path.read_text())["hosts"] == []
    path.write_bytes(b"\xff\xfe")
    reconcile(cluster.request(declaration_file=str(path), hosts=()), cluster.ports, clock=cluster.clock)
    assert json.loads(path.read_text())["hosts"] == []


def test_a_refused_run_leaves_the_declaration_of_the_one_before(cluster: FakeCluster, tmp_path: Path) -> None:
    path = tmp_path / "declaration.json"
    reconcile(cluster.request(declaration_file=str(path)), cluster.ports, clock=cluster.clock)
    before = path.read_text()
    cluster.engine.foreign = {f"{CLUSTER}-shop-3": "mysql:8"}
    refused(cluster, tiers=cluster.resized("shop", 3), declaration_file=str(path))
    assert path.read_text() == before


def test_a_cluster_that_is_taken_down_leaves_no_declaration(cluster: FakeCluster, tmp_path: Path) -> None:
    path = tmp_path / "declaration.json"
    path.write_text("{}")
    request = cluster.request(tiers={}, absent=True, declaration_file=str(path))
    reconcile(request, cluster.ports, clock=cluster.clock)
    assert not path.exists()


# -- the view ---------------------------------------------------------------------------------


def test_a_node_that_is_down_is_not_in_rotation(cluster: FakeCluster) -> None:
    cluster.engine.drains(f"{CLUSTER}-shop-2")
    cluster.clock.sleep(1)
    view = status(cluster.request(), cluster.ports)
    assert view["tiers"]["shop"]["running"] == 2
    assert view["tiers"]["shop"]["in_rotation"] == 1
    (entry,) = [node for node in view["nodes"] if node["name"] == f"{CLUSTER}-shop-2"]
    assert (entry["in_rotation"], entry["balancer_status"], entry["leaving"]) == (False, "DOWN", True)


def test_a_node_that_answers_anything_but_503_is_not_leaving(cluster: FakeCluster) -> None:
    node = cluster.engine.node(f"{CLUSTER}-shop-2")
    cluster.balancer.extra = {node.service: {node.url: "DOWN"}}
    view = status(cluster.request(), cluster.ports)
    assert not [entry for entry in view["nodes"] if entry["leaving"]]


def test_a_server_that_the_engine_does_not_know_is_told(cluster: FakeCluster) -> None:
    service = cluster.tiers["shop"].service
    cluster.balancer.extra = {service: {"http://stranger:1": "UP"}}
    view = status(cluster.request(), cluster.ports)
    assert view["tiers"]["shop"]["unknown_servers"] == ["http://stranger:1"]


def test_a_server_of_a_node_that_has_ended_is_told(cluster: FakeCluster) -> None:
    node = cluster.engine.node(f"{CLUSTER}-shop-2")
    cluster.engine.kill(node.id)
    view = status(cluster.request(), cluster.ports)
    assert view["tiers"]["shop"]["unknown_servers"] == [node.url], "the balancer has not noticed yet"
    cluster.clock.sleep(1)
    assert status(cluster.request(), cluster.ports)["tiers"]["shop"]["unknown_servers"] == []


def test_guests_are_counted(cluster: FakeCluster) -> None:
    cluster.engine.run_guest(f"res/shop-{CLUSTER}:latest", "none")
    view = status(cluster.request(), cluster.ports)
    assert view["tiers"]["shop"]["guests"] == 1
    assert view["tiers"]["shop"]["drift"] == ["drain brave_bell (a guest, started by hand)"]


def test_a_stopped_node_is_named_in_dockers_word(cluster: FakeCluster) -> None:
    cluster.engine.kill(cluster.engine.node(f"{CLUSTER}-shop-2").id)
    cluster.clock.sleep(1)
    view = status(cluster.request(), cluster.ports)
    assert view["tiers"]["shop"]["drift"][0] == f"remove {CLUSTER}-shop-2 (is exited)"
    assert f"{CLUSTER}-shop-2 is exited, " in disagreements(view)[0]


def test_without_a_balancer_the_view_says_why(cluster: FakeCluster) -> None:
    def none() -> BalancerView:
        raise TraefikApiError("No such file", "a readable password file", "run site.yml")

    ports = dataclasses.replace(cluster.ports, balancer=none)
    view = status(cluster.request(), ports)
    assert view["balancer"]["reachable"] is False
    assert "readable password file" in view["balancer"]["reason"]
    assert view["tiers"]["shop"]["running"] == 2
    cluster.balancer.fails = lambda call: True
    assert status(cluster.request(), cluster.ports)["balancer"]["reachable"] is False


def test_the_path_of_the_root_has_nothing_to_strip(cluster: FakeCluster) -> None:
    tier = dataclasses.replace(cluster.tiers["shop"], path="/", strip_path=True)
    assert tier_route(tier, ()).strip_path is False
    tiers = {**cluster.tiers, "shop": tier}
    reconcile(cluster.request(tiers=tiers), cluster.ports, clock=cluster.clock)
    assert status(cluster.request(tiers=tiers), cluster.ports)["tiers"]["shop"]["drift"] == []
