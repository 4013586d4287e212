"""A node's revision changes exactly when what it is made of changes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.revision import node_options, revision

IMAGE = "sha256:" + "a" * 64


def tier(**options: Any) -> Tier:
    raw = {"image": "res/web", "context": "files/web", "port": 8080, "path": "/", "nodes": 3, **options}
    spec, problems = parse_cluster(
        {
            "name": "evenkeel",
            "domain": "example.org",
            "hosts": [],
            "engine": "docker",
            "web_port": 8080,
            "dashboard_port": 9000,
            "portainer": False,
            "portainer_port": 9090,
            "image_source": "packages",
            "state_dir": "/var/lib/evenkeel/evenkeel",
            "tiers": {"web": raw},
        }
    )
    assert spec is not None, problems
    return spec.tiers[0]


def revision_of(image: str = IMAGE, **options: Any) -> str:
    return revision(image, node_options(tier(**options), "evenkeel"))


def test_same_input_same_revision() -> None:
    assert revision_of() == revision_of()
    assert len(revision_of()) == 12


def test_the_count_is_no_part_of_the_revision() -> None:
    assert revision_of(nodes=3) == revision_of(nodes=40)


@pytest.mark.parametrize(
    "options",
    [
        {"environment": {"A": "1"}},
        {"memory": "128m"},
        {"cpus": 0.5},
        {"pids": 100},
        {"log_size": "20m"},
        {"log_files": 5},
        {"stop_seconds": 31},
        {"drain_seconds": 4},
        {"mounts": [{"source": "data", "target": "/data"}]},
        {"sticky": True},
        {"strategy": "p2c"},
        {"health_path": "/ready"},
        {"max_failures": 0},
        {"port": 8081},
        {"confinement": "docker"},
        {"user": "1000"},
        {"group_add": [33]},
        {"read_only": False},
        {"tmpfs": {"/cache": "1m"}},
        {"cap_add": ["CHOWN"]},
        {"security_opt": ["apparmor=web"]},
        {"command": "serve"},
        {"entrypoint": "serve"},
        {"working_dir": "/app"},
        {"init": True},
        {"extra_hosts": {"db": "192.0.2.7"}},
        {"dns": ["192.0.2.53"]},
        {"ulimits": {"nofile": 1024}},
        {"shm_size": "1m"},
        {"sysctls": {"net.core.somaxconn": 1024}},
        {"devices": ["/dev/dri"]},
        {"gpus": "all"},
        {"runtime": "runsc"},
        {"memory_reservation": "16m"},
        {"cpu_shares": 512},
        {"labels": {"org.example.team": "shop"}},
        {"platform": "linux/amd64"},
        {"stop_signal": "SIGQUIT"},
        {"networks": ["backend"]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_every_option_of_a_node_makes_another_revision(options: dict[str, Any]) -> None:
    assert revision_of(**options) != revision_of()


def test_a_capability_that_is_taken_away_makes_another_revision() -> None:
    """Where not all are taken away already."""
    assert revision_of(confinement="docker", cap_drop=["KILL"]) != revision_of(confinement="docker")


def test_an_option_that_is_not_used_changes_nothing() -> None:
    """Or each new option of a new version would replace all nodes of every cluster."""
    options = node_options(tier(), "evenkeel")
    parts = {name: value for name, value in dataclasses.asdict(options).items() if name != "container"}
    text = json.dumps({"image": IMAGE, "options": parts}, sort_keys=True)
    assert revision(IMAGE, options) == hashlib.sha256(text.encode()).hexdigest()[:12]
    assert revision_of(shm_size=0, networks=[], command=None, confinement="strict") == revision_of()


def test_another_image_makes_another_revision() -> None:
    assert revision_of("sha256:" + "b" * 64) != revision_of()


def test_a_tier_survives_the_way_through_ansible() -> None:
    original = tier(sticky=True, cookie={"same_site": "strict"})
    assert Tier.from_dict(dataclasses.asdict(original)) == original
