"""A changed secret replaces the nodes of its tier alone, and what a run says and leaves of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import TIERS, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import pack
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import WriteError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import read_tiers
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import (
    PoolRequest,
    RunFailedError,
    as_result,
    diff,
    preview,
    reconcile,
    require_as_declared,
    status,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.secret_store import SecretStore

CANARY = "canary-5d1c"
CLUSTER = f"t{uuid.uuid4().hex[:8]}x"


class Secrets:
    """A cluster whose tier shop has a secret."""

    def __init__(self, folder: Path) -> None:
        tiers = {**TIERS, "shop": {**TIERS["shop"], "secrets": {"pin": CANARY, "same": CANARY}}}
        self.cluster = FakeCluster(folder, tiers=tiers, cluster=CLUSTER)
        self.store = SecretStore(folder / "secrets")
        self.file = folder / "declaration.json"

    def request(self, pin: str, **differs: Any) -> PoolRequest:
        packed = pack({"shop": {"secrets": {"pin": pin, "same": CANARY}}})
        tiers, secrets = self.store.with_folders(self.cluster.tiers, packed, write=True)
        usual = {"tiers": tiers, "secrets": secrets, "store": self.store, "declaration_file": str(self.file)}
        return self.cluster.request(**{**usual, **differs})

    def run(self, pin: str, **differs: Any) -> dict[str, Any]:
        outcome = reconcile(self.request(pin, **differs), self.cluster.ports, clock=self.cluster.clock)
        return {**as_result(outcome, changed=outcome.changed), "diff": diff(outcome)}

    def look(self, pin: str) -> dict[str, Any]:
        outcome = preview(self.request(pin), self.cluster.ports, clock=self.cluster.clock)
        return {**as_result(outcome, changed=outcome.changed), "diff": diff(outcome)}

    def drift(self, pin: str) -> list[str]:
        """What the state of the cluster says about the tier."""
        return status(self.request(pin), self.cluster.ports)["tiers"]["shop"]["drift"]

    def values(self) -> list[str]:
        """The content of all versions of the secret."""
        return sorted(path.read_text() for path in (self.store._tiers).glob("*/*/pin"))

    def of(self, tier: str) -> set[str]:
        return {node.id for node in self.cluster.engine.nodes() if node.tier == tier}


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Secrets]:
    yield Secrets(tmp_path)
    discard_lock(CLUSTER)


def test_a_changed_value_rolls_its_tier_alone_and_the_old_one_goes(secrets: Secrets) -> None:
    secrets.run("one")
    for before, after in (("one", "two"), ("two", "three")):
        shop, dates = secrets.of("shop"), secrets.of("dates")
        predicted = secrets.look(after)
        assert secrets.values() == [before], "check mode writes nothing"
        done = secrets.run(after)
        assert predicted["summary"] == done["summary"]
        assert predicted["secrets"] == done["secrets"] == ["secret pin of shop changed"]
        assert predicted["changed"] is done["changed"] is True
        assert done["diff"]["after"].endswith("\nsecret pin of shop changed\n")
        assert not secrets.of("shop") & shop
        assert secrets.of("dates") == dates
        assert secrets.values() == [after]
    for result in (secrets.look("three"), secrets.run("three")):
        assert (result["changed"], result["actions"], result["secrets"]) == (False, [], [])
        assert result["diff"]["before"] == result["diff"]["after"]
    require_as_declared(secrets.request("three"), secrets.cluster.ports)


def test_the_declaration_on_the_target_has_no_value_and_is_enough(secrets: Secrets) -> None:
    shown = json.dumps([secrets.run(CANARY), secrets.run(f"{CANARY}2")])
    text = secrets.file.read_text()
    assert CANARY not in text + shown
    assert "pin" in text
    assert stat.S_IMODE(secrets.file.stat().st_mode) == 0o600
    tiers = read_tiers(json.loads(text)["tiers"])
    tiers, folders = secrets.store.with_folders(tiers, "", write=False)
    request = secrets.cluster.request(tiers={**tiers, "shop": dataclasses.replace(tiers["shop"], nodes=3)})
    request = dataclasses.replace(request, secrets=folders, store=secrets.store)
    outcome = reconcile(request, secrets.cluster.ports, clock=secrets.cluster.clock)
    assert [action.kind for action in outcome.actions] == ["start"]
    assert outcome.secrets == []
    assert secrets.values() == [f"{CANARY}2"]


def test_nodes_whose_folder_was_removed_by_hand_are_replaced(secrets: Secrets) -> None:
    secrets.run("one")
    dates = secrets.of("dates")
    shutil.rmtree(secrets.store._tiers)
    predicted, done = secrets.look("one"), secrets.run("one")
    assert predicted["summary"] == done["summary"] != []
    assert done["secrets"] == ["secret pin of shop written again", "secret same of shop written again"]
    assert secrets.of("dates") == dates
    assert secrets.values() == ["one"]
    assert secrets.run("one")["changed"] is False


def test_that_is_told_until_the_nodes_are_replaced_also_after_a_run_that_fails(secrets: Secrets) -> None:
    secrets.run("one")
    assert secrets.drift("one") == []
    shutil.rmtree(secrets.store._tiers)
    told = secrets.drift("one")
    node = secrets.cluster.names()[0]
    assert f"drain {node} (its secrets were removed by hand)" in told
    assert told[0].endswith(" (renews a node, because its secrets were removed by hand)")
    secrets.cluster.engine.fails = lambda call: call.startswith("start ")
    with pytest.raises(RunFailedError):
        secrets.run("one")
    secrets.cluster.engine.fails = lambda call: False
    assert secrets.values() == ["one"], "the folder is there again, which nodes that run do not see"
    assert secrets.drift("one") == secrets.look("one")["summary"] == told
    # A run that knows no values, as from the console, has the folder to give to new nodes.
    tiers, _ = secrets.store.with_folders(secrets.request("one").tiers, "", write=False)
    assert secrets.store.lost({}, tiers, secrets.cluster.engine) == ["shop"]
    assert secrets.run("one")["summary"] == told
    assert secrets.drift("one") == []
    shutil.rmtree(secrets.store._tiers)
    assert secrets.store.lost({}, tiers, secrets.cluster.engine) == [], "and without both, it can do nothing"


def test_nodes_find_their_secrets_when_they_start(secrets: Secrets) -> None:
    found: list[bool] = []
    start = secrets.cluster.engine.start

    def spy(name: str, build: Any) -> None:
        found.extend(Path(mount["source"], "pin").is_file() for mount in build.options.mounts)
        start(name, build)

    secrets.cluster.engine.start = spy  # type: ignore[method-assign]
    secrets.run("one")
    assert found == [True, True]


def test_without_room_for_secrets_nothing_is_begun(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.run("one")
    nodes = secrets.of("shop")

    def fail(*_arguments: object) -> None:
        raise WriteError("no room")

    monkeypatch.setattr(SecretStore, "write", fail)
    with pytest.raises(WriteError) as caught:
        secrets.run("two")
    assert not isinstance(caught.value, RunFailedError)
    assert secrets.of("shop") == nodes


def test_a_run_that_fails_keeps_the_version_of_the_nodes_that_stay(secrets: Secrets) -> None:
    secrets.run("one")
    secrets.cluster.engine.fails = lambda call: call.startswith("start ")
    with pytest.raises(RunFailedError) as caught:
        secrets.run("two")
    assert list(map(str, caught.value.outcome.secrets)) == ["secret pin of shop changed"]
    assert secrets.values() == ["one", "two"]
    secrets.cluster.engine.fails = lambda call: False
    assert secrets.run("one")["actions"] == []
    assert secrets.values() == ["one"]


def test_a_removal_needs_no_secrets(secrets: Secrets) -> None:
    secrets.run("one")
    done = secrets.run("one", absent=True, tiers={}, secrets={})
    assert done["secrets"] == []
    assert not secrets.cluster.engine.nodes()
