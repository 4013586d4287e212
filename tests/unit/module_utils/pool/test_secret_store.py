"""The folders of secrets: how they are written, what a run changes about them, and when they go."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import SecretFolder, pack
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.files import WriteError
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.secret_file import SecretFileError
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool import secret_store
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.secret_store import SecretInputError, SecretStore

CANARY = "canary-5d1c"
TIERS: dict[str, dict[str, Any]] = {
    "web": {
        "image": "res/web:1",
        "port": 80,
        "path": "/",
        "nodes": 2,
        "secrets": {"pin": CANARY, "cert": "a\nb\n"},
        "secret_environment": {"A": CANARY},
    },
    "shop": {"image": "res/shop:1", "port": 80, "path": "/shop/", "nodes": 1, "secrets": {"pin": CANARY}},
    "plain": {"image": "res/plain:1", "port": 80, "path": "/plain/", "nodes": 1},
}


class Place:
    """A state folder, a cluster without nodes, and what is declared."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state/secrets"
        self.cluster = FakeCluster(folder, tiers={name: {**tier, "nodes": 0} for name, tier in TIERS.items()})
        self.engine = self.cluster.engine
        self.store = SecretStore(self.folder)
        self.given: dict[str, dict[str, Any]] = {
            name: {key: dict(tier[key]) for key in ("secrets", "secret_environment") if key in tier}
            for name, tier in TIERS.items()
        }

    def declare(self, *, write: bool = True) -> tuple[dict[str, Tier], dict[str, SecretFolder]]:
        return self.store.with_folders(self.cluster.tiers, pack(self.given), write=write)

    def changes(self) -> list[str]:
        tiers, folders = self.declare(write=False)
        return [str(change) for change in self.store.changes(folders, tiers, self.engine)]

    def run(self, *, nodes: bool = True) -> dict[str, Tier]:
        """What a run does: write, replace the nodes, clean."""
        tiers, folders = self.declare()
        self.store.write(folders.values())
        old = self.engine.nodes()
        if nodes:
            for name, build in self.cluster.declaration(tiers).builds.items():
                self.engine.start(f"{name}-{len(self.engine.calls)}", build)
        for node in old:
            self.engine.remove(node.id)
        self.store.clean(tiers, self.engine)
        return tiers

    def files(self) -> dict[str, str]:
        """Path below the folder of tiers -> content, without the digest."""
        paths = [path for path in (self.folder / "tiers").rglob("*") if path.is_file()]
        return {f"{path.parts[-3]}/{path.name}": path.read_text() for path in paths}

    def versions(self) -> list[str]:
        return sorted(str(path) for path in (self.folder / "tiers").glob("*/*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_folders_above_are_closed_and_what_nodes_see_is_open_to_them(place: Place) -> None:
    mask = os.umask(0o077)
    try:
        tiers = place.run()
    finally:
        os.umask(mask)
    assert place.files() == {
        "web/pin": CANARY,
        "web/cert": "a\nb\n",
        "web/.env": f"A={CANARY}\0",
        "shop/pin": CANARY,
    }
    assert {mode(path) for path in place.folder.rglob("*") if path.is_file() and path.name != "key"} == {0o444}
    assert mode(place.folder / "key") == 0o400
    assert [mode(path) for path in (place.folder, place.folder / "tiers", place.folder / "tiers/web")] == [0o700] * 3
    assert mode(tiers["web"].secrets.folder) == 0o755
    assert {len(Path(version).name) for version in place.versions()} == {64}
    assert tiers["plain"].secrets.folder == ""


def test_all_callers_come_to_the_same_folder_and_another_cluster_to_another(place: Place, tmp_path: Path) -> None:
    tiers, _ = place.declare()
    assert place.declare(write=False)[0] == tiers
    assert CANARY not in repr(place.declare())
    assert tiers["web"].secrets.folder != tiers["shop"].secrets.folder.replace("/shop/", "/web/")
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    assert Path(other.declare()[0]["web"].secrets.folder).name != Path(tiers["web"].secrets.folder).name


def test_only_a_run_makes_the_key(place: Place) -> None:
    tiers, folders = place.declare(write=False)
    assert not place.folder.exists()
    # Nothing that a guess could be checked against.
    assert {Path(folder.path).name for folder in folders.values()} == {"no-key"}
    assert tiers["web"].secrets.folder.endswith("/web/no-key")
    (place.folder / "key").parent.mkdir(parents=True)
    (place.folder / "key").write_text("")
    with pytest.raises(SecretFileError, match="an empty file"):
        place.declare()


def test_a_cluster_without_secrets_has_no_key_and_asks_nobody(place: Place) -> None:
    tiers = {"plain": place.cluster.tiers["plain"]}
    place.engine.fails = lambda call: call == "mounted"
    assert place.store.with_folders(tiers, "", write=True) == (tiers, {})
    assert place.store.changes({}, tiers, place.engine) == []
    place.store.write([])
    place.store.clean(tiers, place.engine)
    assert not place.folder.exists()
    assert SecretStore().changes({}, tiers, place.engine) == []


def test_a_value_that_is_missing_is_told_by_name(place: Place) -> None:
    place.given["web"]["secrets"].pop("pin")
    for given, name in ((place.given, "pin"), ({}, "cert"), ({"web": {"secrets": None}}, "cert")):
        with pytest.raises(SecretInputError) as caught:
            place.store.with_folders({"web": place.cluster.tiers["web"]}, pack(given), write=True)
        assert str(caught.value).startswith(f"secrets of tier web: got no value of {name}, want ")
        assert CANARY not in str(caught.value)


def test_the_declaration_on_the_target_needs_no_values(place: Place) -> None:
    declared = place.run()
    tiers, folders = place.store.with_folders(declared, "", write=False)
    assert (tiers, folders) == (declared, {})
    assert place.store.changes(folders, tiers, place.engine) == []
    place.store.clean(tiers, place.engine)
    assert len(place.versions()) == 2


def test_a_run_tells_what_it_changes_and_the_next_has_nothing_to_do(place: Place) -> None:
    first = ["secret pin of shop added", "secret cert of web added", "secret pin of web added"]
    assert place.changes() == [*first, "secret variable A of web added"]
    place.run()
    assert place.changes() == []
    old = place.versions()
    place.given["web"]["secrets"]["pin"] = "other"
    assert place.changes() == ["secret pin of web changed"]
    place.run()
    assert place.changes() == []
    new = place.versions()
    assert len(new) == 2
    assert len(set(old) & set(new)) == 1, "the other tier keeps its folder"
    assert place.files()["web/pin"] == "other"


def test_a_version_goes_with_its_last_user(place: Place) -> None:
    before = place.run()
    guest = place.engine.nodes()[-1]
    place.given["web"]["secrets"]["pin"] = "two"
    place.given["shop"]["secrets"]["pin"] = "two"
    tiers, folders = place.declare()
    place.store.write(folders.values())
    place.store.clean(tiers, place.engine)
    assert len(place.versions()) == 4, "its nodes have not left yet"
    assert place.changes() == ["secret pin of shop changed", "secret pin of web changed"]
    shop = next(node for node in place.engine.nodes() if node.tier == "shop")
    place.engine.remove(shop.id)
    place.store.clean(tiers, place.engine)
    assert before["web"].secrets.folder in place.versions()
    assert before["shop"].secrets.folder not in place.versions()
    assert guest.tier == "plain"


def test_a_roll_that_was_cut_off_is_told_until_it_is_done(place: Place) -> None:
    place.run()
    place.given["web"]["secrets"]["pin"] = "two"
    tiers, folders = place.declare()
    place.store.write(folders.values())
    place.engine.start("web-9", place.cluster.declaration(tiers).builds["web"])
    assert place.changes() == ["secret pin of web changed"]
    assert place.store.lost(folders, tiers, place.engine) == []
    place.run()
    assert place.changes() == []


def test_a_tier_that_has_no_secrets_any_more_leaves_none(place: Place) -> None:
    place.run()
    place.cluster.tiers = {
        "web": dataclasses.replace(place.cluster.tiers["plain"], name="web"),
        "plain": place.cluster.tiers["plain"],
    }
    assert sorted(place.changes()) == [
        "secret cert of web removed",
        "secret pin of shop removed",
        "secret pin of web removed",
        "secret variable A of web removed",
    ]
    place.cluster.add_image(place.cluster.tiers["web"])
    place.run()
    assert place.changes() == []
    assert not (place.folder / "tiers").exists()
    assert (place.folder / "key").exists()


def test_a_tier_without_nodes_has_its_folder_ready(place: Place) -> None:
    place.run(nodes=False)
    assert len(place.versions()) == 2
    assert place.changes() == []


def test_what_was_changed_by_hand_is_written_again_in_the_folder_that_nodes_have(place: Place) -> None:
    tiers = place.run()
    folder = Path(tiers["web"].secrets.folder)
    number = folder.stat().st_ino
    (folder / "pin").unlink()
    (folder / "cert").chmod(0o644)
    (folder / "cert").write_text("other")
    (folder / "more").write_text("x")
    (folder / "more").chmod(0o444)
    assert place.changes() == [
        "secret cert of web written again",
        "secret more of web removed",
        "secret pin of web written again",
    ]
    place.run(nodes=False)
    assert place.changes() == []
    assert place.files()["web/cert"] == "a\nb\n"
    assert (folder.stat().st_ino, mode(folder), mode(folder / "cert")) == (number, 0o755, 0o444)


def test_a_folder_in_the_place_of_a_secret_is_gone_after_two_runs(place: Place) -> None:
    folder = Path(place.run()["web"].secrets.folder)
    (folder / "pin").unlink()
    (folder / "pin").mkdir()
    (folder / "pin" / "x").write_text("x")
    place.run(nodes=False)
    place.run(nodes=False)
    assert place.changes() == []
    assert sorted(item.name for item in folder.iterdir()) == [".env", "cert", "pin"]


def test_what_the_users_of_nodes_cannot_read_any_more_is_written_again(place: Place) -> None:
    folder = Path(place.run()["web"].secrets.folder)
    (folder / "pin").chmod(0o400)
    assert place.changes() == ["secret pin of web written again"]
    folder.chmod(0o700)
    assert len(place.changes()) == 3
    place.run(nodes=False)
    assert (place.changes(), mode(folder), mode(folder / "pin")) == ([], 0o755, 0o444)


def test_only_whole_versions_have_their_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def write(path: Path, text: str, mode: int) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device", str(path))
        path.write_text(text)

    monkeypatch.setattr(secret_store, "write_atomically", write)
    _tiers, folders = place.declare()
    with pytest.raises(WriteError) as caught:
        place.store.write([folders["web"]])
    assert "got 'No space left on device', want a folder that can be written" in str(caught.value)
    assert list((place.folder / "tiers/web").iterdir()) == []


def test_what_a_killed_run_had_begun_is_removed(place: Place) -> None:
    place.run()
    begun = place.folder / "tiers/web/.new-x1"
    begun.mkdir()
    (begun / "pin").write_text(CANARY)
    (place.folder / "tiers/gone").mkdir()
    (place.folder / "tiers/gone/1a").mkdir()
    (place.folder / "tiers/notes").write_text("by hand")
    assert place.changes() == []
    place.run(nodes=False)
    assert not begun.exists()
    assert not (place.folder / "tiers/gone").exists()
    assert (place.folder / "tiers/notes").exists()


def test_nothing_is_removed_when_the_engine_does_not_answer(place: Place) -> None:
    place.run()
    place.given["web"]["secrets"]["pin"] = "two"
    tiers, folders = place.declare()
    place.store.write(folders.values())
    place.engine.fails = lambda call: call == "mounted"
    for ask in (lambda: place.store.clean(tiers, place.engine), place.changes):
        with pytest.raises(EngineError):
            ask()
    assert len(place.versions()) == 3


def test_names_of_files_are_those_of_the_specification(place: Place) -> None:
    given: Mapping[str, Any] = {"web": {**place.given["web"], "secrets": {**TIERS["web"]["secrets"], "../x": "1"}}}
    _tiers, folders = place.store.with_folders({"web": place.cluster.tiers["web"]}, pack(given), write=True)
    assert sorted(folders["web"].content) == [".env", "cert", "pin"]
    assert issubclass(SecretInputError, EvenkeelError)
