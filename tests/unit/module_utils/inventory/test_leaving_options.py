"""How the nodes of a tier leave: options, defaults, and what follows from them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.leaving_options import (
    by_balancer,
    first_process,
    first_process_advice,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.revision import node_options
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.labels import (
    health_check_of,
    leaving_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.routes import ServerSet

from .samples import cluster, problems_of

FOREIGN: dict[str, Any] = {"image": "nginx:1.27", "port": 80, "path": "/", "nodes": 3}


def declared(name: str = "evenkeel", **options: Any) -> Tier:
    spec, problems = parse_cluster(cluster(name=name, tiers={"web": {**FOREIGN, **options}}))
    assert spec is not None, problems
    return spec.tiers[0]


def asked(tier: Tier) -> tuple[str, int]:
    """Path and port of the balancer's health check."""
    return tier.probe.path, tier.probe.port or tier.port


def policy(tier: Tier) -> dict[str, str]:
    prefix = f"traefik.http.services.{tier.service}.loadbalancer.healthcheck."
    return {key.removeprefix(prefix): value for key, value in tier.labels.items() if key.startswith(prefix)}


def test_four_lines_are_held() -> None:
    tier = declared()
    assert (tier.leaving, tier.pull, tier.derived, tier.reference) == (
        "held",
        "missing",
        "evenkeel/web",
        "evenkeel/web:latest",
    )
    assert (tier.drain_seconds, tier.finish_seconds, tier.stop_seconds) == (2, 30, 40)
    assert asked(tier) == ("/ready", 9180)
    assert (policy(tier)["path"], policy(tier)["port"]) == ("/ready", "9180")
    times = node_options(tier, "evenkeel").environment
    assert times == {"EVENKEEL_DRAIN_SECONDS": "2", "EVENKEEL_FINISH_SECONDS": "30"}


def test_an_image_that_is_built_here_leaves_by_itself() -> None:
    tier = declared(image="res/web", context="files/web")
    assert (tier.leaving, tier.derived, tier.reference) == ("own", "", "res/web:latest")
    assert (tier.drain_seconds, tier.stop_seconds, tier.health.path) == (3, 30, "/healthz")
    assert asked(tier) == ("/healthz", 80)
    assert "port" not in policy(tier)
    assert node_options(tier, "evenkeel").environment == {"EVENKEEL_DRAIN_SECONDS": "3"}


def test_an_image_that_keeps_the_contract_runs_as_it_is() -> None:
    tier = declared(leaving="own")
    assert (tier.derived, tier.reference, asked(tier)) == ("", "nginx:1.27", ("/healthz", 80))


def test_a_tier_that_leaves_by_the_balancer_is_asked_itself() -> None:
    tier = declared(leaving="balancer")
    assert (tier.derived, tier.reference, asked(tier)) == ("", "nginx:1.27", ("/", 80))
    assert policy(tier)["path"] == "/"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"leaving": "own"},
        {"leaving": "balancer"},
        {"leaving": "balancer", "health_path": "/up", "health_headers": {"X-A": "b"}},
        {"image": "res/web", "context": "files/web"},
        {"image": "res/web", "context": "files/web", "leaving": "balancer"},
    ],
    ids=str,
)
def test_a_nodes_labels_say_how_it_leaves_and_is_asked(options: dict[str, Any]) -> None:
    tier = declared(**options)
    assert health_check_of(tier.labels, tier.service) == dataclasses.replace(tier.probe, draining_path="")
    assert health_check_of(tier.labels, "another-service") is None
    assert leaving_of(tier.labels, tier.service) == tier.leaving
    assert leaving_of(tier.labels, "another-service") == "own"


@pytest.mark.parametrize("leaving", ["held", "balancer"])
def test_a_set_of_servers_has_the_policy_of_the_labels(leaving: str) -> None:
    tier = declared(sticky=True, leaving=leaving)
    found = ServerSet.of(["http://a:80"], tier.labels, tier.service)
    checked = json.loads(found.checked)
    assert checked["healthCheck"]["path"] == tier.probe.path
    cookie = {"name": tier.cookie.name, "httpOnly": True, "sameSite": "lax", "secure": False, "path": "/"}
    assert checked["sticky"]["cookie"] == cookie
    assert checked["serversTransport"] == "evenkeel@file"
    assert isinstance(checked["passiveHealthCheck"]["maxFailedAttempts"], int)
    assert "healthCheck" not in json.loads(found.unchecked)


def test_another_cluster_derives_under_its_own_name() -> None:
    assert declared(name="staging").derived == "evenkeel/staging/web"


@pytest.mark.parametrize(
    "options, times",
    [
        ({"stop_seconds": 20}, (2, 15, 20)),
        ({"finish_seconds": 60}, (2, 60, 70)),
        ({"finish_seconds": 5}, (2, 5, 40)),
        ({"finish_seconds": 25, "stop_seconds": 30}, (2, 25, 30)),
        ({"drain_seconds": 10}, (10, 30, 40)),
    ],
)
def test_times_that_are_not_given_follow_from_those_that_are(
    options: dict[str, Any], times: tuple[int, int, int]
) -> None:
    tier = declared(**options)
    assert (tier.drain_seconds, tier.finish_seconds, tier.stop_seconds) == times


@pytest.mark.parametrize(
    "options, wrong",
    [
        (
            {"finish_seconds": 26, "stop_seconds": 30},
            "cluster_tiers.web.finish_seconds: got 26, want at most stop_seconds (30) less 5, because Docker kills the "
            "node then (fix: cluster_tiers.web.stop_seconds: 36)",
        ),
        (
            {"drain_seconds": 10, "finish_seconds": 9},
            "cluster_tiers.web.finish_seconds: got 9, want at least drain_seconds (10), and stop_seconds 5 more "
            "(fix: cluster_tiers.web.finish_seconds: 10, cluster_tiers.web.stop_seconds: 20)",
        ),
        (
            {"stop_seconds": 5},
            "cluster_tiers.web.finish_seconds: got 0, want at least drain_seconds (2), and stop_seconds 5 more "
            "(fix: cluster_tiers.web.finish_seconds: 2, cluster_tiers.web.stop_seconds: 12)",
        ),
        *(
            (
                {"image": image},
                f"cluster_tiers.web.image: got '{image}', want the image of an application, not what a run built "
                "(fix: name the image below it)",
            )
            for image in ("evenkeel/web", "evenkeel/web:2", "evenkeel/hold:latest")
        ),
        (
            {"leaving": "hold"},
            "cluster_tiers.web.leaving: got 'hold', want one of own, held, balancer "
            "(fix: cluster_tiers.web.leaving: own)",
        ),
        (
            {"pull": "allways"},
            "cluster_tiers.web.pull: got 'allways', want one of missing, always, never "
            "(fix: cluster_tiers.web.pull: missing)",
        ),
        (
            {"context": "files/web", "image": "res/web", "leaving": "held"},
            "cluster_tiers.web.leaving: got 'held', want own or balancer, because hold is added to images that are not "
            "built here (fix: cluster_tiers.web.leaving: balancer, or see docs/node-images.md)",
        ),
        (
            {"context": "files/web", "image": "res/web", "pull": "never"},
            "cluster_tiers.web.pull: got 'never', want nothing, because the image is built here "
            "(fix: remove cluster_tiers.web.pull)",
        ),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], wrong: str) -> None:
    assert problems_of(cluster(tiers={"web": {**FOREIGN, **options}})) == [wrong]


# Without a value, an option has its default; and these are numbers of seconds.
LEGAL = [("context", None), ("finish_seconds", 5), ("drain_seconds", 5)]


@pytest.mark.parametrize("value", [None, 5, [], {"a": 1}, True])
@pytest.mark.parametrize("option", ["leaving", "pull", "finish_seconds", "stop_seconds", "drain_seconds", "context"])
def test_values_of_other_types_are_told_not_raised(option: str, value: object) -> None:
    problems = problems_of(cluster(tiers={"web": {**FOREIGN, option: value}}))
    assert bool(problems) == ((option, value) not in LEGAL)


def test_the_derived_name_is_no_option() -> None:
    (line,) = problems_of(cluster(tiers={"web": {**FOREIGN, "derived": "x"}}))
    assert "derived" in line


@pytest.mark.parametrize(
    "words, first",
    [
        (["/init"], "/init"),
        (["/sbin/init"], "/sbin/init"),
        (["/lib/systemd/systemd"], "/lib/systemd/systemd"),
        (["systemd", "--log"], "systemd"),
        (["/usr/bin/s6-svscan", "/etc/s6"], "/usr/bin/s6-svscan"),
        (["/bin/sh", "-c", "exec /init --x"], "/init"),
        (["/bin/sh", "-c", "/init"], "/init"),
        (["/docker-entrypoint.sh"], ""),
        (["/app/init"], ""),
        (["/initialize"], ""),
        (["sh", "-c"], ""),
        (["sh", "-c", " "], ""),
        (["serve", "-c", "/init"], ""),
        ([], ""),
    ],
)
def test_a_program_that_must_be_process_1_is_known_wherever_it_is_said(words: list[str], first: str) -> None:
    tier = declared()
    assert first_process(tier, words, ["x"]) == (f"ENTRYPOINT {first}" if first else "")
    assert first_process(tier, [], words) == (f"CMD {first}" if first else "")


@pytest.mark.parametrize(
    "options, image, first",
    [
        ({"entrypoint": "/serve"}, (["/init"], ["/init"]), ""),
        ({"entrypoint": "/init"}, (["/entry"], []), "entrypoint /init"),
        ({"command": "/serve"}, ([], ["/init"]), ""),
        ({"command": "/init"}, ([], ["serve"]), "command /init"),
        # These are arguments of the entry point.
        ({"command": "/init"}, (["/entry"], []), ""),
        ({"command": "/serve"}, (["/init"], []), "ENTRYPOINT /init"),
        ({"entrypoint": "/serve", "command": "/init"}, (["/init"], []), ""),
    ],
)
def test_a_tiers_own_words_go_over_those_of_its_image(
    options: dict[str, Any], image: tuple[list[str], list[str]], first: str
) -> None:
    assert first_process(declared(**options), *image) == first


def test_such_a_tier_is_as_if_it_had_been_declared() -> None:
    held = declared()
    (changed,) = by_balancer("evenkeel", [held], ["web"])
    as_declared = declared(leaving="balancer", drain_seconds=2, stop_seconds=40)
    assert changed == as_declared
    assert by_balancer("evenkeel", [held], []) == [held]
    assert first_process_advice(held, "CMD /init").startswith(
        "image nginx:1.27: got CMD /init, which must be process 1, want one that hold can start"
    )
