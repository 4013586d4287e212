"""The cluster does what its inventory declares, seen from outside, through the balancer."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.stats import round_robin_cycles

from ..conftest import Cluster, client, play

TIERS = ["static", "dynamic"]
CLIENTS = 12


@pytest.mark.parametrize("name", TIERS)
def test_requests_without_cookies_go_round_robin(cluster: Cluster, name: str) -> None:
    tier = cluster.tiers[name]
    assert round_robin_cycles(cluster.sequence(tier, 10), tier.nodes).exact


@pytest.mark.parametrize("name", TIERS)
def test_clients_stay_exactly_where_the_tier_is_sticky(cluster: Cluster, name: str) -> None:
    tier = cluster.tiers[name]
    served_by = []
    for _ in range(CLIENTS):
        with client() as session:
            answers = [cluster.get(tier.path, session=session) for _ in range(len(tier.nodes) * 2)]
        assert (tier.cookie in answers[0].cookies) == tier.sticky
        served_by.append({answer.headers["X-Served-By"] for answer in answers})
    if tier.sticky:
        assert {len(nodes) for nodes in served_by} == {1}
        assert frozenset.union(*map(frozenset, served_by)) == tier.nodes
    else:
        assert all(nodes == tier.nodes for nodes in served_by)


def test_a_sticky_cookie_is_kept_from_scripts_and_other_sites(cluster: Cluster) -> None:
    cookies = [cluster.get(tier.path).headers["Set-Cookie"] for tier in cluster.tiers.values() if tier.sticky]
    assert cookies
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite" in cookie


def test_the_static_tier_serves_the_page(cluster: Cluster) -> None:
    answer = cluster.get("/")
    assert answer.status_code == 200
    assert "<!doctype html>" in answer.text.lower()


def test_the_dynamic_tier_serves_dates(cluster: Cluster) -> None:
    answer = cluster.get("/api/dates/?count=4")
    assert answer.status_code == 200
    assert len(answer.json()["dates"]) == 4


def test_the_path_without_its_slash_is_redirected(cluster: Cluster) -> None:
    answer = cluster.get("/api/dates?count=4")
    assert answer.status_code in {301, 302, 307, 308}
    assert answer.headers["Location"].endswith("/api/dates/?count=4")


def test_other_host_names_are_answered_only_if_declared(cluster: Cluster) -> None:
    assert cluster.get("/", host="elsewhere.example.org").status_code == (200 if cluster.any_host else 404)


@pytest.mark.parametrize("path", ["/dashboard/", "/api/overview", "/metrics", "/ping"])
def test_the_dashboard_wants_the_password(cluster: Cluster, path: str) -> None:
    assert cluster.ask_dashboard(path).status_code == 401
    assert cluster.ask_dashboard(path, "wrong").status_code == 401
    assert cluster.ask_dashboard(path, cluster.password).status_code == 200


def test_the_password_is_roots_alone(host: Host, cluster: Cluster) -> None:
    folder = host.file(f"{cluster.state}/secrets")
    file = host.file(f"{cluster.state}/secrets/dashboard_password")
    assert (folder.mode, folder.user) == (0o700, "root")
    assert (file.mode, file.user) == (0o600, "root")
    for name in balancers(host, cluster):
        assert cluster.password not in host.check_output("docker inspect %s", name)


def balancers(host: Host, cluster: Cluster) -> list[str]:
    """The balancer and the edge that holds its ports."""
    label = f"label=evenkeel.cluster={cluster.name}"
    lines = host.check_output("docker ps --filter %s --format '{{.Names}} {{.Label \"evenkeel.role\"}}'", label)
    return [line.split()[0] for line in lines.splitlines() if line.split()[1:] in (["edge"], ["balancer"])]


def test_the_balancer_has_no_rights_to_speak_of(host: Host, cluster: Cluster) -> None:
    names = balancers(host, cluster)
    assert len(names) == 2
    template = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.Privileged}} {{.Config.User}}"
    for name in names:
        assert host.check_output("docker inspect --format=%s %s", template, name) == "true [ALL] false 65532"


def test_nodes_have_no_rights_to_speak_of(host: Host, cluster: Cluster) -> None:
    template = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.Privileged}} {{.Config.User}}"
    for tier in cluster.tiers.values():
        for node in tier.nodes:
            assert host.check_output("docker inspect --format=%s %s", template, node) == "true [ALL] false 10001:10001"


def test_the_status_is_a_table_without_drift(cluster: Cluster) -> None:
    table = [line.split() for line in play("playbooks/status.yml").splitlines()]
    for tier in cluster.tiers.values():
        count = str(len(tier.nodes))
        rows = [row for row in table if row and row[0] == tier.name and len(row) == 7]
        assert [row[:5] + row[6:] for row in rows] == [[tier.name, count, count, count, "0", "none"]]
