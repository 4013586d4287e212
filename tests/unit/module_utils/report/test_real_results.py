"""From the measuring code to the claims: what the producers really return is what the report reads."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.unit.fake_tier import COOKIE, FLAGS, NODES, FakeTier
from tests.unit.module_utils.drill.test_verdict import evidence, lose
from tests.unit.typed import mismatches

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import ClusterSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.drill_results import DrillResult
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.results import (
    BalanceResult,
    ManagementResult,
    PoolView,
    ProvenanceResult,
    StickyResult,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.judge import Thresholds, add_up
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.result import figures_result
from ansible_collections.evenkeel.cluster.plugins.module_utils.drill.verdict import judge_control, success, verdict_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.host.provenance import read_provenance_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import (
    balance_check,
    management_check,
    session_check,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Declaration, PoolState, build_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.drift import disagreements
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.view import describe
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claim import Claim, Measurements
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claims import claims_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.document import (
    ReportContext,
    as_json,
    document_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.provenance import provenance_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.route_file import RouteTable

ROOT = Path(__file__).parents[4]
SCHEMA = json.loads((ROOT / "docs/results.schema.json").read_text())


class Balancer:
    """Has every node of the tier in rotation."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def version(self) -> str:
        return "3.7.15"

    def server_status(self, service: str) -> dict[str, str]:
        return {node.url: "UP" for node in self.nodes if node.service == service}

    def server_up(self, service: str) -> dict[str, bool]:
        return {node.url: True for node in self.nodes if node.service == service}

    def set_status(self, service: str) -> dict[str, str]:
        return {}

    def router(self, name: str) -> dict[str, Any] | None:
        return None


@pytest.fixture(scope="module")
def cluster() -> Iterator[FakeTier]:
    fake = FakeTier(NODES)
    fake.cookie_flags = FLAGS
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def spec() -> ClusterSpec:
    found, problems = parse_cluster(
        {
            "name": "evenkeel",
            "domain": "shop.example.org",
            "hosts": ["localhost"],
            "engine": "docker",
            "web_port": 8080,
            "dashboard_port": 9000,
            "portainer": True,
            "portainer_port": 9090,
            "image_source": "packages",
            "registry_prefix": "",
            "apt_mirror": "",
            "ca_bundle": "",
            "state_dir": "/var/lib/evenkeel/evenkeel",
            "tiers": {
                "web": {"image": "res/web", "port": 8080, "context": "web", "path": "/web/", "nodes": 3, "sticky": True}
            },
        }
    )
    assert found is not None, problems
    return found


def view_of(spec: ClusterSpec, **differs: Any) -> PoolView:
    """The view of three nodes that run; each differs as told from what is declared."""
    (tier,) = spec.tiers
    build = build_of(tier, "res/web:latest", None, spec.network)
    declaration = Declaration(spec.name, tuple(spec.hosts), {"web": build}, {})
    nodes = [
        Node(
            id=f"{number:064x}",
            name=f"web-{number}",
            tier="web",
            managed=True,
            state="running",
            revision=build.revision,
            image_id=build.image_id,
            service=tier.service,
            address="172.18.0.1",
            served_by=f"web-{number}",
            url=f"http://web-{number}:8080",
        )
        for number in (1, 2, 3)
    ]
    nodes = [dataclasses.replace(node, **differs) for node in nodes]
    route = declaration.route("web")
    assert route is not None
    return describe(declaration, PoolState(nodes, RouteTable({"web": route})), Balancer(nodes))


@pytest.fixture(scope="module")
def view(spec: ClusterSpec) -> PoolView:
    return view_of(spec)


def options(cluster: FakeTier, **differs: Any) -> dict[str, Any]:
    usual = {
        "url": f"{cluster.url}/",
        "host": "",
        "tier": "web",
        "nodes": cluster.nodes,
        "strategy": "wrr",
        "timeout": 5.0,
        "time_limit": 60.0,
        "keep_alive": True,
        "attempts": 5,
        "api_url": cluster.url,
        "api_user": "admin",
        "api_password_file": None,
        "service": "web-1a",
        "members": [],
        "access_log": "",
    }
    return {**usual, **differs}


@pytest.fixture(scope="module")
def balance(cluster: FakeTier) -> BalanceResult:
    params = {
        "requests": 0,
        "connections": 1,
        "alpha": 1e-6,
        "control_url": f"{cluster.url}/direct/web-2",
        "members": [{"served_by": node, "url": f"http://{node}:8080", "address": ""} for node in cluster.nodes],
        "access_log": "",
    }
    return balance_check.check(options(cluster, **params))


@pytest.fixture(scope="module")
def sticky(cluster: FakeTier) -> StickyResult:
    params = {
        "sticky": True,
        "cookie": COOKIE,
        "http_only": True,
        "same_site": "lax",
        "secure": False,
        "max_age": 0,
        "clients": 0,
        "requests_per_client": 5,
    }
    return session_check.check(options(cluster, **params))


@pytest.fixture(scope="module")
def management() -> ManagementResult:
    url = "http://127.0.0.1:9000/api/version"
    return management_check.judge(
        [
            management_check.Check("API", url, "right", (200,), 200),
            management_check.Check("API", url, "none", (401, 403), 401),
            management_check.Check("API", url, "wrong", (401, 403), None, "connection refused"),
        ]
    )


@pytest.fixture(scope="module")
def drill() -> DrillResult:
    """A drill whose control lost a request, as its session puts the result together."""
    limits, ours, control = Thresholds(), evidence(), lose(evidence(), 320)
    figures, control_figures = add_up(ours), add_up(control)
    verdict, problems = verdict_of(ours, figures, limits)
    failed, _ = judge_control(control, control_figures, limits)
    return {
        "scenario": "stop",
        "thresholds": dataclasses.asdict(limits),
        "changed": True,
        "plan": {"rate": 100.0, "seconds": 10.0, "requests": 1000, "events": ["stop web-1"]},
        "verdict": verdict,
        "message": f"drill stop of web: {success(ours, figures)}",
        "problems": [str(problem) for problem in problems],
        "drill": figures_result(ours, figures),
        "control": {"failed": failed, "message": "control", **figures_result(control, control_figures)},
    }


@pytest.fixture
def measured(
    spec: ClusterSpec,
    view: PoolView,
    balance: BalanceResult,
    sticky: StickyResult,
    management: ManagementResult,
    drill: DrillResult,
) -> Measurements:
    return Measurements(
        spec=spec.as_dict(),
        pool={**view, "agreement": disagreements(view)},
        balance={"web": balance},
        sticky={"web": sticky},
        management=management,
        drills=[drill],
        drills_due=True,
    )


def by_id(measured: Measurements) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(measured)}


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("view", PoolView),
        ("balance", BalanceResult),
        ("sticky", StickyResult),
        ("management", ManagementResult),
        ("drill", DrillResult),
    ],
)
def test_producers_return_what_their_types_say(request: pytest.FixtureRequest, name: str, wanted: Any) -> None:
    assert mismatches(request.getfixturevalue(name), wanted) == []


def test_the_host_is_told_as_its_type_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    found = read_provenance_of("evenkeel")
    assert mismatches(found, ProvenanceResult) == []
    assert found["machine"]["cpus"] >= 1
    assert found["docker"]["reason"] == "Docker: got tcp as its address, want a Unix socket"


def test_each_claim_is_made_from_real_results(measured: Measurements) -> None:
    claims = by_id(measured)
    assert claims["nodes"].measured == ("web: 3 declared, 3 running, 3 in rotation",)
    assert claims["distribution"].measured == (
        "web: 60 of 60 requests answered - web-1 20, web-2 20, web-3 20 (named by its header)",
    )
    assert claims["round-robin"].measured == (
        "web: 60 requests one after the other, web-1 20, web-2 20, web-3 20 (named by its header); configuration"
        " generation 4 before and 4 after",
    )
    assert "21 stayed, 0 moved" in claims["sticky"].measured[0]
    assert claims["membership"].measured[0].startswith("drill stop of web: 0 of 1000 requests failed in 2 events")
    assert claims["management"].measured == ("1 of 1 pages answered with the password: API",)
    for name in ("nodes", "round-robin", "sticky"):
        assert claims[name].verdict == "pass", claims[name].problems
        assert [control.failed for control in claims[name].controls] == [True], name


def test_what_is_missing_in_real_results_is_told(measured: Measurements) -> None:
    claims = by_id(measured)
    assert claims["distribution"].problems == ("web: not measured: the access log could not be read",)
    assert claims["membership"].problems == (
        "all drills: not measured: 1000 requests are too few, want 2995 (fix: more events)",
    )
    assert claims["management"].problems == (
        "control: the same requests without the password, or with a wrong one, must be refused: got connection refused"
        " from http://127.0.0.1:9000/api/version with a wrong password, want status 401 or 403"
        " (fix: ansible-playbook site.yml)",
    )


def test_real_results_make_a_report_of_the_published_form(
    measured: Measurements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    context = ReportContext(
        created="2026-06-01T10:15:00Z",
        kind="full",
        provenance=provenance_of(read_provenance_of("evenkeel"), ROOT, "2.19.14"),
        variables={},
    )
    document, _ = document_of(measured, context)
    jsonschema.validate(json.loads(as_json(document)), SCHEMA)


@pytest.mark.parametrize(
    "tier, node, url",
    [
        ({}, {}, "http://172.18.0.1:8080/web/"),
        ({"strip_path": True}, {}, "http://172.18.0.1:8080/"),
        ({"port": 80}, {}, "http://172.18.0.1/web/"),
        ({}, {"address": ""}, ""),
        ({}, {"tier": "old"}, ""),
    ],
)
def test_a_node_has_an_address_past_the_balancer(
    spec: ClusterSpec, tier: dict[str, Any], node: dict[str, Any], url: str
) -> None:
    view = view_of(dataclasses.replace(spec, tiers=[dataclasses.replace(spec.tiers[0], **tier)]), **node)
    assert {entry["direct_url"] for entry in view["nodes"]} == {url}
