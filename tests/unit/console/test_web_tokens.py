"""What ends tokens for good: a restart and a full disk bring none back."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest
from evenkeel_console import passwords
from evenkeel_console.access import Access, Identity, Proof
from evenkeel_console.passwords import hashed
from evenkeel_console.problems import RefusedError
from evenkeel_console.settings import Settings
from tests.unit.fakes.console import CHEAP, PASSWORD, Clock

ALICE = Identity("alice", "operator", "key")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)
    reset(tmp_path, "alice", "bob")
    return Settings(
        cluster="c",
        listen="127.0.0.1",
        port=0,
        agent_socket=tmp_path / "socket",
        data_dir=tmp_path,
        users={"alice": "operator", "bob": "operator"},
        hosts=(),
        origins=(),
        proxies=(),
        certificate=None,
        key=None,
        links={},
        report=None,
        assets=tmp_path,
    )


def reset(folder: Path, *names: str) -> None:
    """As another program does."""
    path = folder / "passwords.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(kept | {name: hashed(PASSWORD) for name in names}))


def started(settings: Settings) -> Access:
    return Access(settings, now=Clock(), wall=Clock())


def opens(access: Access, text: str) -> bool:
    return access.identify(Proof([], "", f"Bearer {text}")) is not None


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    patch.setattr("evenkeel_console.tokens.write_json", full)


@pytest.mark.parametrize("restarted", [True, False])
def test_a_reset_of_the_password_ends_tokens_also_across_a_restart(settings: Settings, restarted: bool) -> None:
    access = started(settings)
    token, text = access.make_token(ALICE, "viewer", "a", 9)
    assert opens(access, text)
    assert opens(started(settings), text)
    assert token.shown().keys() == {"id", "user", "role", "name", "expires"}
    assert len(text) >= len("evk_") + 43, "256 bits"
    assert access.identify(Proof([], "", f"Basic {text}")) is None
    assert access.identify(Proof([], "", text)) is None
    reset(settings.data_dir, "alice")
    access = started(settings) if restarted else access
    assert not opens(access, text)
    assert json.loads((settings.data_dir / "tokens.json").read_text()) == {}


def test_tokens_of_a_version_without_the_digest_end(settings: Settings) -> None:
    _, text = started(settings).make_token(ALICE, "viewer", "a", 9)
    path = settings.data_dir / "tokens.json"
    kept = json.loads(path.read_text())
    for token in kept.values():
        del token["password"]
    path.write_text(json.dumps(kept))
    assert not opens(started(settings), text)


def test_what_a_token_opens_is_looked_at_again_with_each_request(settings: Settings) -> None:
    """Beside what ends it: nothing in between lets one through."""
    access = started(settings)
    text = access.make_token(ALICE, "operator", "a", 9)[1]
    proof = Proof([], "", f"Bearer {text}")
    access.users["alice"] = "viewer"
    found = access.identify(proof)
    assert found is not None
    assert found.role == "viewer", "at most the user's"
    access.passwords._kept["alice"] = hashed("quite another one")
    assert access.identify(proof) is None


def test_a_session_of_no_user_opens_nothing(settings: Settings) -> None:
    access = started(settings)
    halves = access.sessions.begin("eve")
    assert access.identify(Proof([halves.cookie], halves.key, None)) is None


@pytest.mark.parametrize("changed", [{"role": "viewer"}, {"name": "eve"}])
def test_tokens_that_no_user_could_have_made_end_at_the_start(settings: Settings, changed: dict[str, str]) -> None:
    started(settings).make_token(ALICE, "operator", "a", 9)
    users = {changed.get("name", "alice"): changed.get("role", "operator")}
    started(dataclasses.replace(settings, users=users))
    assert json.loads((settings.data_dir / "tokens.json").read_text()) == {}


def test_a_token_that_is_ended_while_the_disk_is_full_does_not_come_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = started(settings)
    token, text = access.make_token(ALICE, "viewer", "a", 9)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        with pytest.raises(OSError, match="No space"):
            access.remove_token(ALICE, token.id)
        assert not opens(access, text)
    access.look_again()
    assert not opens(started(settings), text)


def test_a_full_disk_keeps_no_sessions_of_further_users(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    access = started(settings)
    users = {name: access.sessions.begin(name) for name in settings.users}
    texts = [access.make_token(Identity(name, "operator", ""), "viewer", "a", 9)[1] for name in users]
    with monkeypatch.context() as patch:
        fill_disk(patch)
        reset(settings.data_dir, *users)
        access.look_again()
        assert not any(access.sessions.of(halves.cookie, halves.key) for halves in users.values())
        assert not any(opens(access, text) for text in texts)


def test_a_reset_while_a_password_is_changed_is_noticed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    access = started(settings)
    bob = access.sessions.begin("bob")
    real, names = passwords.hashed, ["bob"]

    def slow(word: str) -> str:
        reset_by = real(PASSWORD)
        path = settings.data_dir / "passwords.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | dict.fromkeys(names, reset_by)))
        return real(word)

    monkeypatch.setattr(passwords, "hashed", slow)
    asyncio.run(access.change_password(ALICE, PASSWORD, "quite another one", ""))
    assert access.sessions.of(bob.cookie, bob.key) is None
    # A reset of one's own is not overwritten.
    names.append("alice")
    with pytest.raises(RefusedError) as caught:
        asyncio.run(access.change_password(ALICE, "quite another one", "a third one of it", ""))
    assert caught.value.status == 409
