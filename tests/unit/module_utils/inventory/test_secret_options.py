"""What a tier's secrets become, and the line of each mistake, which never has a value in it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.module_utils.inventory.samples import assert_one_line, cluster, parsed, problems_of, with_static

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier

CANARY = "canary-5d1c"
FOUND = {"image": "nginx:1.27", "port": 80, "path": "/web/", "nodes": 2}


def raw(file: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """A cluster with an image that is found, whose nodes are held."""
    given = {"tier_secrets": {"web": {"env_file": file}}} if file is not None else {}
    return {**cluster(tiers={"web": {**FOUND, **options}}), **given}


def web(file: dict[str, str] | None = None, **options: Any) -> Tier:
    return parsed(raw(file, **options)).tiers[0]


def test_the_specification_has_names_alone() -> None:
    tier = web(
        {"text": f"C={CANARY}\n"},
        secrets={"b.pem": CANARY, "a": CANARY},
        secret_environment={"D": CANARY},
        env_file="x",
    )
    assert (tier.secrets.files, tier.secrets.variables, tier.secrets.folder) == (["a", "b.pem"], ["C", "D"], "")
    assert tier.secrets.declared
    assert tier.environment == {}
    assert CANARY not in repr(tier)
    assert not web().secrets.declared


def test_values_that_travelled_apart_are_those_of_the_tier() -> None:
    given = {"web": {"secrets": {"pin": CANARY}, "secret_environment": {"A": CANARY}}}
    tier = parsed({**raw(), "tier_secrets": given}).tiers[0]
    assert (tier.secrets.files, tier.secrets.variables) == (["pin"], ["A"])
    assert CANARY not in repr(tier)


def test_how_nodes_leave_follows_from_the_image() -> None:
    assert web().leaving == "held"
    assert parsed(with_static()).tiers[0].leaving == "own"
    assert web(leaving="balancer").leaving == "balancer"
    assert_one_line(problems_of(raw(leaving="now")), "cluster_tiers.web.leaving")


@pytest.mark.parametrize("leaving", ["own", "balancer"])
def test_variables_that_docker_shows_must_be_accepted(leaving: str) -> None:
    options: dict[str, Any] = {"leaving": leaving, "environment": {"A": "1"}, "secret_environment": {"B": CANARY}}
    problems = problems_of(raw(**options))
    assert_one_line(problems, "cluster_tiers.web.secret_environment")
    assert problems[0].startswith(
        f"cluster_tiers.web.secret_environment: got variables with leaving {leaving}, want held, because docker inspect"
    )
    assert CANARY not in problems[0]
    tier = web(**options, accept_visible="true")
    assert tier.environment == {"A": "1", "B": CANARY}
    assert not tier.secrets.declared
    assert web(leaving=leaving, secrets={"pin": CANARY}).secrets.files == ["pin"]
    assert_one_line(problems_of(raw({"text": "B=1"}, leaving=leaving, env_file="x")), "cluster_tiers.web.env_file")


def test_held_variables_stay_secret_when_visible_ones_would_be_accepted() -> None:
    assert web(secret_environment={"B": CANARY}, accept_visible=True).secrets.variables == ["B"]


@pytest.mark.parametrize(
    "options, what, got",
    [
        ({"secrets": {"a/b": CANARY}}, "secrets", "'a/b'"),
        ({"secrets": {"": CANARY}}, "secrets", "''"),
        ({"secrets": {".env": CANARY}}, "secrets", "'.env'"),
        ({"secrets": {"x" * 129: CANARY}}, "secrets", "'xxx"),
        ({"secrets": {7: CANARY}}, "secrets", "7"),
        ({"secrets": [CANARY]}, "secrets", "'a list'"),
        ({"secrets": CANARY}, "secrets", "'text'"),
        ({"secrets": {"pin": 71358246}}, "secrets.pin", "'a number'"),
        ({"secrets": {"pin": {"x": CANARY}}}, "secrets.pin", "'a mapping'"),
        ({"secrets": {"pin": None}}, "secrets.pin", "nothing"),
        ({"secrets": {"pin": ""}}, "secrets.pin", "an empty text"),
        ({"secrets": {"pin": f"{CANARY}\ud800"}}, "secrets.pin", "'text'"),
        ({"secrets": {"pin": CANARY[0] * (1024**2 + 1)}}, "secrets.pin", "1048577 bytes"),
        ({"secret_environment": {"A-B": CANARY}}, "secret_environment", "'A-B'"),
        ({"secret_environment": {"": CANARY}}, "secret_environment", "''"),
        ({"secret_environment": {"EVENKEEL_X": CANARY}}, "secret_environment", "'EVENKEEL_X'"),
        ({"secret_environment": [f"A={CANARY}"]}, "secret_environment", "'a list'"),
        ({"secret_environment": {"A": 71358246}}, "secret_environment.A", "'a number'"),
        ({"secret_environment": {"A": f"{CANARY}\0"}}, "secret_environment.A", "'text'"),
        ({"secret_environment": {"A": "x" * (128 * 1024 - 2)}}, "secret_environment.A", "131070 bytes"),
        ({"environment": {"A": "1"}, "secret_environment": {"A": CANARY}}, "secret_environment", "'A'"),
        ({"secret_environment": {f"A{n}": "x" * 100_000 for n in range(11)}}, "secret_environment", "1 MiB or more"),
        ({"accept_visible": CANARY[0]}, "accept_visible", "'c'"),
        ({"env_file": 7}, "env_file", "'a number'"),
        ({"env_file": ""}, "env_file", "'text'"),
        ({"env_file": "x.env"}, "env_file", "a path that was not read for 'x.env'"),
        ({"secrets": {"pin": CANARY}, "tmpfs": {"/run/secrets/": "1m"}}, "tmpfs", "'/run/secrets'"),
        (
            {"secrets": {"pin": CANARY}, "mounts": [{"source": "x1", "target": "/run/secrets/x"}]},
            "mounts",
            "'/run/secrets/x'",
        ),
    ],
)
def test_each_mistake_is_one_line_without_the_value(options: dict[str, Any], what: str, got: str) -> None:
    problems = problems_of(raw(**options))
    assert_one_line(problems, f"cluster_tiers.web.{what}")
    assert problems[0].startswith(f"cluster_tiers.web.{what}: got {got}")
    assert CANARY not in problems[0]
    assert "71358246" not in problems[0]


@pytest.mark.parametrize(
    "file, got",
    [
        ({"problem": "no file"}, "no file for 'x.env'"),
        ({"text": f"A=1\n{CANARY}\n"}, "line 2 of 'x.env'"),
        ({"text": f"{CANARY}\n A={CANARY}\nB=1\n1=2\nx\n"}, "lines 1, 2, 4 and 1 more of 'x.env'"),
        ({"text": f"EVENKEEL_A={CANARY}"}, "'EVENKEEL_A'"),
        ({"text": f"TAKEN={CANARY}"}, "'TAKEN'"),
    ],
)
def test_each_mistake_of_a_file_is_one_line_with_its_number(file: dict[str, str], got: str) -> None:
    problems = problems_of(raw(file, env_file="x.env", environment={"TAKEN": "1"}))
    assert_one_line(problems, "cluster_tiers.web.env_file")
    assert problems[0].startswith(f"cluster_tiers.web.env_file: got {got}")
    assert CANARY not in problems[0]


def test_the_largest_values_are_taken() -> None:
    tier = web(secrets={"pin": "x" * 1024**2}, secret_environment={"A": "x" * (128 * 1024 - 3)})
    assert (tier.secrets.files, tier.secrets.variables) == (["pin"], ["A"])


def test_what_the_inventory_says_goes_over_the_file() -> None:
    assert problems_of(raw({"text": "A=1\nB=2"}, env_file="x.env", secret_environment={"A": "3"})) == []


def test_the_place_of_secrets_is_free_for_tiers_without() -> None:
    assert web(mounts=[{"source": "/srv/x", "target": "/run/secrets"}]).mounts[0]["target"] == "/run/secrets"
    assert web(secrets={"pin": "1"}, mounts=[{"source": "/srv/x", "target": "/run/secrets2"}]).secrets.declared
