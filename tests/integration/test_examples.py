"""The short form of ``tests/bench/examples.py``: that with PostgreSQL, as one more tier of the default cluster."""

from __future__ import annotations

import json

import docker
import yaml
from tests.bench import examples
from tests.bench.load import Target, under_load

from .conftest import ROOT, WEB, Declared, nodes, played

DJANGO = examples.KNOWN["django"]
AT = f"{WEB}/django"


def declaration(variables: dict[str, object], version: int) -> str:
    """The default tiers and that of the example, in a version of its own."""
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    example = json.loads(json.dumps(variables["cluster_tiers"]))["django"]
    example["environment"]["VERSION"] = str(version)
    tiers["django"] = {**example, "path": "/django/", "strip_path": True, "pull": "never"}
    return json.dumps({**variables, "cluster_tiers": tiers})


def test_a_session_in_a_database_outlives_a_new_version(engine: docker.DockerClient, declared: Declared) -> None:
    """The migration has run before the first node; two nodes know the session, and those that replace them do."""
    with examples.database(DJANGO) as copy:
        variables = examples.tier(DJANGO, copy)
        try:
            played("site.yml", "--skip-tags", "verify", "-e", declaration(variables, 1))
            first, visitor = nodes(engine, "django"), examples.Visitor()
            visitor.begin(AT)
            with under_load([Target("django", f"{AT}/", f"{AT}/", False)], examples.RATE) as outcomes:
                played("playbooks/scale.yml", "-e", declaration(variables, 2), "-e", "node_pool_surge_percent=100")
            second = nodes(engine, "django")
            visitor.look(AT)
            assert [len(first), len(second)] == [2, 2]
            assert not {node.id for node in first.values()} & {node.id for node in second.values()}
            assert [outcome for outcome in outcomes if outcome.error] == []
            assert examples.visible(copy) == []
        finally:
            played("site.yml", "--skip-tags", "verify")
        assert engine.containers.get("django-database").status == "running"
        assert examples.refused(DJANGO, copy)
