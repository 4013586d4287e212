"""One look after the other at a cluster in memory: what is asked again, and what is not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from evenkeel_agent import look, pool
from evenkeel_agent.engine import CachingClient
from evenkeel_agent.look import Look
from tests.unit.console.desk import Desk
from tests.unit.fakes.cluster import TIERS

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import pack
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import BalancerView, Image
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import reconcile_locked, status
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.secret_store import SecretStore
from ansible_collections.evenkeel.cluster.plugins.module_utils.traefik.api import TraefikApiError


class Client(CachingClient):
    """Docker's records of the nodes in memory."""

    def inspect(self, container: str) -> dict[str, Any]:
        return {"State": {"Status": "running", "StartedAt": "2026-01-01T00:00:00Z"}, "Config": {}, "HostConfig": {}}

    def image(self, reference: str) -> Image | None:
        return self._images.setdefault(reference, (0.0, Image(reference, {}, "")))[1]

    def containers(self, *_args: object, **_options: object) -> list[dict[str, Any]]:
        return []


class Sight:
    """A look at a cluster in memory, whose balancer wants the password ``right``."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, tiers: Mapping[str, Mapping[str, Any]] = TIERS) -> None:
        self.desk = Desk(folder, tiers)
        self.cluster = self.desk.cluster
        self.declare(self.cluster.tiers)
        self.password = self.desk.settings.api_password_file
        self.password.write_text("right\n")
        self.right = "right"
        self.asked: list[str] = []
        patch.setattr(pool, "TraefikApi", self._api)
        patch.setattr(look, "ports_of", self._ports)
        self.client = Client(folder / "docker.sock")
        self.look = Look(self.desk.settings, self.client, {})

    def declare(self, tiers: Mapping[str, Tier]) -> None:
        parts = [dataclasses.asdict(tier) for tier in tiers.values()]
        declared = {"cluster": self.desk.name, "hosts": ["localhost"], "images": {}, "tiers": parts}
        self.desk.settings.declaration.write_text(json.dumps(declared))

    def _api(self, _url: str, _user: str, password: str, _timeout: float) -> Api:
        return Api(self, password)

    def _ports(self, _settings: object, _pool: object, _client: object, balancer: BalancerView) -> Ports:
        engine = self.cluster.engine
        return Ports(engine, self.cluster.routes, lambda: balancer)

    def take(self) -> dict[str, Any]:
        found = self.look.take()
        assert found["trouble"] == []
        return found

    def words(self, taken: Mapping[str, Any]) -> dict[str, str]:
        return {self.desk.bare(node["name"]): node["word"] for node in taken["nodes"].values()}


class Api:
    """The balancer's API for one password."""

    def __init__(self, sight: Sight, password: str) -> None:
        self._sight = sight
        self._password = password

    def __getattr__(self, name: str) -> Any:
        if self._password != self._sight.right:
            raise TraefikApiError("status 401", "accepted credentials", "check the password file")
        return getattr(self._sight.cluster.balancer, name)

    def config_reloads(self) -> int:
        return 1

    def close(self) -> None:
        """It has no connection."""


@pytest.fixture
def sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sight]:
    found = Sight(tmp_path, monkeypatch)
    yield found
    discard_lock(found.desk.name)


def test_a_renewed_password_is_read(sight: Sight, tmp_path: Path) -> None:
    assert sight.take()["balancer"]["reachable"]
    sight.right = "renewed"
    assert not sight.take()["balancer"]["reachable"]
    sight.password.unlink()
    assert not sight.take()["balancer"]["reachable"], "between the old file and the new one"
    (tmp_path / "new").write_text("renewed\n")
    (tmp_path / "new").rename(sight.password)
    found = sight.take()
    assert found["balancer"]["reachable"]
    assert set(sight.words(found).values()) == {"in rotation"}


def test_what_a_container_says_of_itself_is_bounded_and_on_one_line() -> None:
    shown = look.text("a\r\n\x1b[31m\u202e" + "x" * 500)
    assert shown.startswith("a\\r\\n\\x1b[31m\\u202e")
    assert (shown.isprintable(), len(shown)) == (True, 200)


def test_the_environment_of_a_tier_is_nowhere(sight: Sight) -> None:
    declared = json.loads(sight.desk.settings.declaration.read_text())
    for tier in declared["tiers"]:
        tier["environment"] = {"CANARY": "canary-value"}
    sight.desk.settings.declaration.write_text(json.dumps(declared))
    assert "canary" not in json.dumps(sight.take()).lower()
    changed = {
        name: dataclasses.replace(tier, environment={"CANARY": "canary-value"})
        for name, tier in sight.cluster.tiers.items()
    }
    sight.cluster.tiers = changed
    action = sight.desk.done("roll", tier="shop")
    told = [action.shown(), sight.desk.audit.page(), dataclasses.asdict(sight.desk.plan("roll", tier="dates"))]
    assert "canary" not in json.dumps(told).lower()


def test_images_are_asked_for_again_after_another_declaration(sight: Sight) -> None:
    sight.take()
    sight.client.image("shop")
    sight.take()
    assert sight.client._images
    declared = json.loads(sight.desk.settings.declaration.read_text())
    sight.desk.settings.declaration.write_text(json.dumps({**declared, "images": {"shop": "res/shop"}}))
    sight.take()
    assert not sight.client._images


def test_a_node_that_hangs_is_asked_once_in_a_look(sight: Sight) -> None:
    engine = sight.cluster.engine
    node = engine.by_name(f"{sight.desk.name}-shop-1")
    node.health.set(sight.cluster.clock.now(), 0)
    sight.cluster.clock.sleep(60)
    asked: list[str] = []

    def note(call: str) -> bool:
        asked.append(call)
        return False

    engine.fails = note
    assert sight.words(sight.take())["shop-1"] == "hangs"
    assert len([call for call in asked if call.startswith("health")]) == 1
    assert set(sight.look.statuses.values()) == {"running"}


def test_what_changes_is_told_with_its_time_and_looks_in_trouble_forget_nothing(sight: Sight) -> None:
    first = sight.take()
    assert {node["changed"] for node in first["nodes"].values()} == {None}
    assert {tier["drift_since"] for tier in first["tiers"].values()} == {None}
    node = sight.cluster.engine.by_name(f"{sight.desk.name}-shop-1")
    node.health.set(sight.cluster.clock.now(), 0)
    sight.cluster.clock.sleep(60)
    second = sight.take()
    changed = {item["id"]: item["changed"] for item in second["nodes"].values() if item["changed"]}
    assert changed == {node.node.id: second["at"]}
    assert second["tiers"]["shop"]["drift_since"] == second["at"]
    assert second["tiers"]["dates"]["drift_since"] is None
    declared = sight.desk.settings.declaration.read_text()
    sight.desk.settings.declaration.unlink()
    assert sight.look.take()["trouble"]
    sight.desk.settings.declaration.write_text(declared)
    last = sight.take()
    assert last["nodes"][node.node.id]["changed"] == second["at"] < last["at"]
    assert last["tiers"]["shop"]["drift_since"] == second["at"]


def test_secrets_that_were_removed_by_hand_are_told_in_the_words_of_the_status(sight: Sight, tmp_path: Path) -> None:
    store, cluster = SecretStore(tmp_path / "secrets"), sight.cluster
    shop = cluster.tiers["shop"]
    wanted = dataclasses.replace(shop, secrets=dataclasses.replace(shop.secrets, files=["pin"]))
    packed = pack({"shop": {"secrets": {"pin": "canary"}}})
    tiers, secrets = store.with_folders({**cluster.tiers, "shop": wanted}, packed, write=True)
    request = cluster.request(tiers=tiers, secrets=secrets, store=store)
    reconcile_locked(request, cluster.ports, clock=cluster.clock)
    sight.declare(tiers)
    assert sight.take()["tiers"]["shop"]["drift"] == []
    shutil.rmtree(tmp_path / "secrets" / "tiers")
    found = sight.take()
    told = status(request, cluster.ports)["tiers"]["shop"]["drift"]
    assert found["tiers"]["shop"]["drift"] == told
    assert any("(its secrets were removed by hand)" in line for line in told)
    assert any("its secrets were removed by hand" in line for line in found["drift"])
    assert found["tiers"]["dates"]["drift"] == []


def test_secrets_that_cannot_be_looked_for_are_no_reason_to_tell_nothing(
    sight: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> list[str]:
        raise PermissionError("secrets")

    monkeypatch.setattr(SecretStore, "missing", refused)
    assert set(sight.words(sight.take()).values()) == {"in rotation"}


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sight]:
    """The nodes of ``shop`` are behind hold."""
    tier = {"image": "res/shop", "leaving": "held", "port": 8080, "path": "/", "nodes": 2}
    found = Sight(tmp_path, monkeypatch, {**TIERS, "shop": tier})
    yield found
    discard_lock(found.desk.name)


def test_an_application_that_hangs_behind_hold_does_not_drain(held: Sight) -> None:
    node = held.cluster.engine.by_name(f"{held.desk.name}-shop-1")
    node.health.set(held.cluster.clock.now(), 503)
    held.cluster.clock.sleep(60)
    assert held.words(held.take())["shop-1"] == "not ready"
    node.draining = True
    assert held.words(held.take())["shop-1"] == "draining"
    node.draining = False
    node.health.set(held.cluster.clock.now(), 0)
    assert held.words(held.take())["shop-1"] == "draining", "it has closed its door"
