"""Guesses of passwords: few are checked, memory does not grow, users cannot be told apart, owners get in."""

from __future__ import annotations

import asyncio
import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest
from evenkeel_console import passwords
from evenkeel_console.access import Access, Client, Identity, _device_key
from evenkeel_console.passwords import Passwords, hashed, refusal_of
from evenkeel_console.problems import RefusedError
from evenkeel_console.queue import MOST_KNOWN, MOST_WAITING, Queue
from evenkeel_console.settings import Settings
from tests.unit.fakes.console import CHEAP, PASSWORD, Browser, Clock, Console

WEB = Path(__file__).parents[3] / "files/console/web"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Access:
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)
    (tmp_path / "passwords.json").write_text(json.dumps({"alice": hashed(PASSWORD)}))
    settings = Settings(
        cluster="c",
        listen="127.0.0.1",
        port=0,
        agent_socket=tmp_path / "socket",
        data_dir=tmp_path,
        users={"alice": "operator", "nora": "viewer"},
        hosts=(),
        origins=(),
        proxies=(),
        certificate=None,
        key=None,
        links={},
        report=None,
        assets=tmp_path,
    )
    return Access(settings, now=clock, wall=clock)


def test_a_planted_device_cookie_hides_no_right_one(access: Access, clock: Clock) -> None:
    async def tried() -> None:
        _, _, device = await access.login("alice", PASSWORD, Client("192.0.2.1"))
        for _ in range(10):
            await refused(access, "alice", "guess", Client("10.0.0.7"))
        planted = [f"planted{number}" for number in range(20)]
        await access.login("alice", PASSWORD, Client("10.0.0.7", [*planted, device]))

    asyncio.run(tried())


async def refused(access: Access, name: str, word: str, client: Client) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await access.login(name, word, client)
    return caught.value


def test_of_2000_guesses_from_50_networks_few_are_checked(access: Access, clock: Clock) -> None:
    async def attacked() -> None:
        _, _, device = await access.login("alice", PASSWORD, Client("192.0.2.1"))
        before = access.passwords.computed
        for number in range(2000):
            clock.at += 1
            await refused(access, "alice", f"guess {number}", Client(f"10.0.{number % 50}.{number % 200}"))
        checked = access.passwords.computed - before
        assert 5 <= checked < 150
        assert len(access.throttle._cases) <= 51
        # The owner at a browser that is known gets in at once, also from the network of the guesses.
        identity, _, _ = await access.login("alice", PASSWORD, Client("10.0.3.3", [device]))
        assert identity.name == "alice"
        # At another one there is a wait, and it is short.
        late = await refused(access, "alice", PASSWORD, Client("192.0.2.9"))
        assert late.status == 429
        assert 0 < int(late.headers["Retry-After"]) <= 60
        clock.at += 60
        await access.login("alice", PASSWORD, Client("192.0.2.9"))

    asyncio.run(attacked())


def test_guesses_at_many_names_from_one_network_wait_too(access: Access, clock: Clock) -> None:
    async def attacked() -> None:
        for number in range(500):
            clock.at += 1
            await refused(access, f"user{number}", "guess", Client("10.0.0.7"))
        assert access.passwords.computed < 30

    asyncio.run(attacked())


def test_a_stolen_device_cookie_gives_few_more_tries_and_locks_no_owner_out(access: Access, clock: Clock) -> None:
    async def attacked() -> None:
        _, _, device = await access.login("alice", PASSWORD, Client("192.0.2.1"))
        for number in range(500):
            clock.at += 1
            await refused(access, "alice", f"guess {number}", Client("10.0.0.7", [device]))
        assert access.passwords.computed < 60
        clock.at += 60
        await access.login("alice", PASSWORD, Client("192.0.2.1", [device]))

    asyncio.run(attacked())


def test_the_old_password_is_not_found_out_with_a_stolen_session(access: Access, clock: Clock) -> None:
    async def attacked() -> None:
        thief = Identity("alice", "operator", "key")
        statuses = set()
        for number in range(500):
            clock.at += 1
            with pytest.raises(RefusedError) as caught:
                await access.change_password(thief, f"guess {number}", "quite another one", "10.0.0.7")
            statuses.add(caught.value.status)
        assert statuses == {403, 429}
        assert access.passwords.computed < 60

    asyncio.run(attacked())


@pytest.mark.parametrize("cookie", ["", "x", "a.b", "0" * 32 + "." + "0" * 64, "\u00e9.x"])
def test_a_device_cookie_that_was_made_up_is_none(access: Access, cookie: str) -> None:
    assert access._device(cookie, "alice") == ""


def test_a_device_cookie_is_compared_in_constant_time(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert access._device(access._signed("device", "alice"), "alice") == "device"
    assert access._device("planted.x", "alice") == ""
    assert compared[-1] == b"planted.x"
    assert len(compared) == 2


@pytest.mark.parametrize("kept", [{}, {"key": ""}, {"key": "short"}, {"key": 1}])
def test_a_key_of_device_cookies_that_could_be_guessed_is_made_again(tmp_path: Path, kept: dict[str, object]) -> None:
    (tmp_path / "device.json").write_text(json.dumps(kept))
    made = _device_key(tmp_path / "device.json")
    assert len(made) == 64
    assert _device_key(tmp_path / "device.json") == made


def test_a_device_cookie_counts_for_its_user_and_after_a_restart(access: Access) -> None:
    cookie = access._signed("device", "alice")
    assert access._device(cookie, "alice") == "device"
    assert access._device(cookie, "nora") == ""


def test_one_that_does_not_wait_for_the_answer_has_tried_as_well(access: Access) -> None:
    async def attacked() -> None:
        tries = [asyncio.create_task(access.login("alice", "guess", Client("10.0.0.7"))) for _ in range(8)]
        await asyncio.sleep(0)
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)
        for _ in range(10):
            last = await refused(access, "alice", "guess", Client("10.0.0.7"))
        assert last.status == 429

    asyncio.run(attacked())
    assert access.passwords.computed <= 8


def test_users_cannot_be_told_from_names_of_no_user(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    real = passwords.matches

    def matches(kept: str, word: str) -> bool:
        compared.append(kept.rpartition("$")[0].rpartition("$")[0])
        return real(kept, word)

    monkeypatch.setattr(passwords, "matches", matches)

    async def tried() -> None:
        # A user, a user without a password, and no user; each as often, up to the refusals.
        told: dict[str, list[tuple[int, str]]] = {}
        for number, name in enumerate(("alice", "nora", "eve", "Alice")):
            client = Client(f"10.{number}.0.1")
            found = [await refused(access, name, "guess", client) for _ in range(8)]
            told[name] = [(error.status, str(error)) for error in found]
        assert told["alice"] == told["nora"] == told["eve"] == told["Alice"]

    asyncio.run(tried())
    # The same work, with the same parameters, for each.
    assert len(compared) == 4 * 5
    assert len(set(compared)) == 1


def test_no_user_gets_in_by_the_password_of_the_dummy(access: Access) -> None:
    async def tried() -> None:
        for name in ("eve", "nora"):
            await refused(access, name, "no password of any user", Client("10.0.0.1"))

    asyncio.run(tried())


@pytest.mark.parametrize("seen", [True, False])
def test_a_password_that_is_replaced_while_it_is_compared_is_right_no_more(
    access: Access, tmp_path: Path, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, real = access.sessions, passwords.matches
    other = hashed("quite another one")

    def slow(kept: str, word: str) -> bool:
        right = real(kept, word)
        (tmp_path / "passwords.json").write_text(json.dumps({"alice": other}))
        if seen:
            # As another request does meanwhile.
            access.look_again()
        return right

    async def tried() -> None:
        monkeypatch.setattr(passwords, "matches", slow)
        assert (await refused(access, "alice", PASSWORD, Client("192.0.2.1"))).status == 401
        (tmp_path / "passwords.json").write_text(json.dumps({"alice": hashed(PASSWORD)}))
        identity = Identity("alice", "operator", "key")
        with pytest.raises(RefusedError) as caught:
            await access.change_password(identity, PASSWORD, "a third one of alice", "192.0.2.1")
        assert caught.value.status == 403

    asyncio.run(tried())
    assert begun._sessions == {}
    assert json.loads((tmp_path / "passwords.json").read_text()) == {"alice": other}


def test_passwords_are_computed_one_by_one_and_few_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)
    at_once = [0, 0]

    def matches(_kept: str, _word: str) -> bool:
        at_once[0] += 1
        at_once[1] = max(at_once)
        at_once[0] -= 1
        return False

    monkeypatch.setattr(passwords, "matches", matches)

    async def tried() -> list[object]:
        found = Passwords(tmp_path / "passwords.json", lambda _name: None)
        tries = [found.check("alice", "x", lambda: None) for _ in range(40)]
        return list(await asyncio.gather(*tries, return_exceptions=True))

    results = asyncio.run(tried())
    assert results.count(False) == MOST_WAITING
    errors = [result for result in results if isinstance(result, RefusedError)]
    assert {error.status for error in errors} == {429}
    assert len(errors) == 40 - MOST_WAITING
    assert at_once[1] == 1


def test_strangers_keep_no_known_device_or_session_out(access: Access, clock: Clock) -> None:
    async def tried() -> None:
        _, _, device = await access.login("alice", PASSWORD, Client("192.0.2.1"))
        flood = [access.login("eve", "guess", Client(f"10.{number}.0.1")) for number in range(40)]
        strangers = [asyncio.create_task(work) for work in flood]
        await asyncio.sleep(0)
        known = Identity("alice", "operator", "key")
        await access.login("alice", PASSWORD, Client("192.0.2.1", [device]))
        assert sum(not task.done() for task in strangers) >= MOST_WAITING - 2
        strangers += [asyncio.create_task(access.login("eve", "guess", Client("10.99.0.1"))) for _ in range(40)]
        await access.change_password(known, PASSWORD, "quite another one", "192.0.2.1")
        await asyncio.gather(*strangers, return_exceptions=True)

    asyncio.run(tried())


def test_the_known_come_first_and_are_bounded_too() -> None:
    async def tried() -> list[str]:
        queue, told, end = Queue(), [], asyncio.Event()

        async def work(name: str, *, known: bool) -> None:
            async with queue.turn(known=known):
                await end.wait()
                told.append(name)

        tasks = [asyncio.create_task(work(f"stranger {number}", known=False)) for number in range(3)]
        tasks += [asyncio.create_task(work(f"known {number}", known=True)) for number in range(MOST_KNOWN + 1)]
        await asyncio.sleep(0)
        # One that goes away while it waits holds up none.
        tasks[1].cancel()
        tasks[4].cancel()
        end.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, RefusedError) for result in results) == 1
        async with queue.turn(known=False):
            return told

    assert asyncio.run(tried()) == ["stranger 0", "known 0", "known 2", "known 3", "stranger 2"]


def test_what_is_kept_is_argon2id_with_the_least_that_is_advised() -> None:
    kept = hashed(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.matches(kept, PASSWORD)
    assert not passwords.matches(kept, PASSWORD + " ")
    assert not passwords.matches("no hash", PASSWORD)
    # The same letters, typed at another keyboard.
    assert passwords.matches(hashed("caf\u00e9 caf\u00e9 caf\u00e9"), "cafe\u0301 cafe\u0301 cafe\u0301")


@pytest.mark.parametrize("word", ["", "x" * 11, "x" * 1025, "with a\nline break", "NUL\0NUL\0NUL\0", "\ud800" * 12])
def test_passwords_that_cannot_be_used(word: str) -> None:
    wrong = refusal_of(word)
    assert wrong.startswith("password: got ")
    assert "\n" not in wrong
    assert not word or word not in wrong


def run(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "evenkeel_console.passwords", *arguments],
        input=given,
        capture_output=True,
        cwd=WEB,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_command_prints_the_hash_of_its_input() -> None:
    code, printed, wrong = run("hash", given=f"{PASSWORD}\n".encode())
    assert (code, wrong) == (0, "")
    assert passwords.matches(printed.strip(), PASSWORD)


@pytest.mark.parametrize("given", [b"", b"short\n", b"\xff" * 20, b"x" * 20000, b"two\nlines of it\n"])
def test_the_command_refuses_in_one_line(given: bytes) -> None:
    code, printed, wrong = run("hash", given=given)
    assert (code, printed) == (1, "")
    assert wrong.startswith("password: got ")
    assert wrong.count("\n") == 1
    assert run()[0] == 2


def test_too_many_wrong_ones_are_told_with_the_time_to_wait(console: Console) -> None:
    browser = Browser(console)
    body = {"name": "alice", "password": "wrong"}
    assert [browser.post("/api/login", body).status for _ in range(6)] == [401] * 5 + [429]
    assert browser.post("/api/login", body).headers["Retry-After"] == "1"
    assert browser.post("/api/login", {"name": "alice", "password": PASSWORD}).status == 429


def test_the_mark_of_a_reset_is_no_password_and_stays(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    file.write_text(json.dumps({"alice": hashed(PASSWORD), "nora": None}))

    async def tried() -> None:
        access.look_again()
        for word in ("null", "", "no password of any user", PASSWORD):
            await refused(access, "nora", word, Client("192.0.2.1"))
        await access.passwords.set("alice", "quite another one")
        await access.login("alice", "quite another one", Client("192.0.2.2"))
        await refused(access, "nora", "guess", Client("192.0.2.2"))

    asyncio.run(tried())
    assert json.loads(file.read_text())["nora"] is None
