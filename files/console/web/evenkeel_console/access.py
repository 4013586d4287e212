"""Which person or program asks: users, sessions, tokens, passwords, and what ends them."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import settings as web_settings
from .passwords import Passwords, refusal_of
from .problems import RefusedError, line
from .record import Record
from .sessions import Halves, Sessions, digest
from .settings import ROLES, Settings, SettingsError, read_settings
from .store import read_json, stamp, write_json
from .throttle import Throttle, cases_of
from .tokens import Token, Tokens


@dataclass(frozen=True)
class Identity:
    """The one that asks.

    Attributes:
        name: of the user.
        role: what it may do.
        key: names the session or the token.
        by_token: whether it is a program with a token.
    """

    name: str
    role: str
    key: str
    by_token: bool = False


@dataclass(frozen=True)
class Proof:
    """What a request has to show.

    Attributes:
        cookies: the session cookies, one as a rule; a page of another port may have set more.
        key: the other half.
        authorization: that header; None if there is none.
    """

    cookies: Sequence[str]
    key: str
    authorization: str | None


@dataclass(frozen=True)
class Client:
    """Where a try to log in comes from.

    Attributes:
        address: the client's.
        devices: the device cookies, one as a rule.
        cookies: session cookies that it has already.
    """

    address: str
    devices: Sequence[str] = ()
    cookies: Sequence[str] = ()


class Access:
    """Knows the users, and what each may show to be one of them.

    Args:
        settings: the process's.
        path: of the same, which is looked at again; None if it cannot change.
        now: seconds of a clock that goes forward only.
        wall: seconds since the epoch.

    Raises:
        StoreError: a file in the data folder cannot be used.
        OSError: it cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Read the files."""
        self.users = dict(settings.users)
        self._path = path
        self._stamp = stamp(path) if path else (0, 0, 0)
        self._wall = wall
        self.sessions = Sessions(now)
        self.throttle = Throttle(now)
        self.tokens = Tokens(settings.data_dir / "tokens.json", wall)
        self.record = Record(settings.data_dir / "access.jsonl")
        self.passwords = Passwords(settings.data_dir / "passwords.json", self._end_all)
        # A password may have been replaced while this process did not run.
        self.tokens.keep_only(self.users, self.passwords.mark)
        self._device_key = _device_key(settings.data_dir / "device.json")

    # -- who it is ---------------------------------------------------------------------

    def look_again(self) -> None:
        """See whether users or passwords have changed in the files; end what those had that did."""
        self.tokens.write_again()
        self.passwords.look_again()
        if self._path is None or stamp(self._path) == self._stamp:
            return
        self._stamp = stamp(self._path)
        try:
            found = dict(read_settings(self._path).users)
        except SettingsError as error:
            print(error, file=sys.stderr)
            return
        before, self.users = self.users, found
        others = {name for name, role in before.items() if found.get(name) != role}
        if others:
            self._end_all(others)

    def identify(self, proof: Proof, *, use: bool = True) -> Identity | None:
        """The user, if a token or both halves of a session are shown.

        Args:
            proof: what is shown.
            use: whether this prolongs the session.
        """
        self.look_again()
        if proof.authorization is not None:
            return self._by_token(proof.authorization)
        for cookie in proof.cookies:
            session = self.sessions.of(cookie, proof.key, use=use)
            if session is not None and session.user in self.users:
                return Identity(session.user, self.users[session.user], digest(cookie).hex())
        return None

    def _by_token(self, authorization: str) -> Identity | None:
        scheme, _, text = authorization.partition(" ")
        token = self.tokens.of(text.strip()) if scheme.lower() == "bearer" else None
        if token is None or token.user not in self.users or token.password != self.passwords.mark(token.user):
            return None
        role = min(token.role, self.users[token.user], key=ROLES.index)
        return Identity(token.user, role, token.id, by_token=True)

    def _end_all(self, users: Collection[str]) -> None:
        # All sessions before the file of the tokens, which a full disk may refuse.
        for user in users:
            self.sessions.end_all(user)
        self.tokens.end_all(users)

    def note(self, kind: str, actor: str, **more: str) -> None:
        """Put it on record."""
        self.record.add(self._wall(), kind, actor, **more)

    # -- login -------------------------------------------------------------------------

    async def login(self, name: str, password: str, client: Client) -> tuple[Identity, Halves, str]:
        """Begin a session.

        Returns:
            The user, both halves, and the device cookie.

        Raises:
            RefusedError: wrong name or password, or too many tries.
        """
        self.look_again()
        if web_settings.USER_NAME.fullmatch(name) is None:
            # It may be long, or a password: no more than its digest is counted.
            name = f"?{hashlib.sha256(name.encode(errors='replace')).hexdigest()}"
        device = next(filter(None, (self._device(cookie, name) for cookie in client.devices)), "")
        right = await self._try(name, password, client.address, device)
        if not right or name not in self.users:
            # A password may have been typed as the name: names of no user are not kept.
            known = name if name in self.users else ""
            self.note("login failed", known, address=client.address)
            raise RefusedError(401, line("login", "a name and a password", "those of a user", "try again"))
        for cookie in client.cookies:
            self.sessions.end(cookie)
        halves = self.sessions.begin(name)
        self.note("login", name, address=client.address)
        identity = Identity(name, self.users[name], digest(halves.cookie).hex())
        return identity, halves, self._signed(device or secrets.token_hex(16), name)

    async def _try(self, name: str, password: str, address: str, device: str) -> bool:
        ways = [cases_of(name, address, device)] if device else []
        ways.append(cases_of(name, address, ""))
        counted: list[str] = []

        def way() -> list[str]:
            wait, cases = min(((self.throttle.wait(cases), cases) for cases in ways), key=lambda item: item[0])
            if wait > 0:
                seconds = str(math.ceil(wait))
                text = line("login", "too many wrong passwords", "a pause", f"try again in {seconds} s")
                raise RefusedError(429, text, headers={"Retry-After": seconds})
            return cases

        def begin() -> None:
            # Counted before the answer is known: one that does not wait for it has tried as well.
            counted.extend(way())
            self.throttle.failed(counted)

        way()
        right = await self.passwords.check(name if name in self.users else "", password, begin, known=bool(device))
        if right:
            self.throttle.passed(counted)
        return right

    async def change_password(self, identity: Identity, old: str, new: str, address: str) -> None:
        """Keep another password, and end all sessions and tokens of the user.

        Raises:
            RefusedError: the old one is wrong, or the new one cannot be used.
        """
        wrong = refusal_of(new)
        if wrong:
            raise RefusedError(422, wrong)
        if not await self._try(identity.name, old, address, f"session {identity.key}"):
            self.note("password refused", identity.name, address=address)
            raise RefusedError(403, line("old", "another password", "the one until now", "try again"))
        await self.passwords.set(identity.name, new)
        self._end_all({identity.name})
        self.note("password changed", identity.name, address=address)

    def logout(self, identity: Identity) -> None:
        """End all sessions of the user; tokens stay, because programs that have them do not log out."""
        self.sessions.end_all(identity.name)
        self.note("logout", identity.name)

    # -- tokens ------------------------------------------------------------------------

    def make_token(self, identity: Identity, role: str, name: str, days: int) -> tuple[Token, str]:
        """A new token.

        Raises:
            RefusedError: its role is above the user's, or there are too many.
            OSError: it cannot be kept.
        """
        if ROLES.index(role) > ROLES.index(identity.role):
            raise RefusedError(403, line("role", role, f"at most {identity.role}", "choose that"))
        made = self.tokens.make(identity.name, role, name, days, self.passwords.mark(identity.name))
        self.note("token made", identity.name, token=made[0].id, role=role)
        return made

    def remove_token(self, identity: Identity, key: str) -> None:
        """End a token: one's own, or as an operator any.

        Raises:
            RefusedError: there is none of this name.
        """
        token = self.tokens.by_id(key)
        if token is None or (token.user != identity.name and identity.role != web_settings.OPERATOR):
            raise RefusedError(404, line("token", "none of this name", "one of the list", "look at the tokens"))
        self.tokens.remove(key)
        self.note("token removed", identity.name, token=key, user=token.user)

    # -- devices -----------------------------------------------------------------------

    def _signed(self, device: str, name: str) -> str:
        return f"{device}.{hmac.new(self._device_key, f'{device} {name}'.encode(), hashlib.sha256).hexdigest()}"

    def _device(self, cookie: str, name: str) -> str:
        """The device's name, if this user has logged in there before; else empty."""
        device = cookie.partition(".")[0]
        right = hmac.compare_digest(self._signed(device, name).encode(), cookie.encode(errors="replace"))
        return device if right else ""


def _device_key(path: Path) -> bytes:
    """The key of the device cookies, made at the first start."""
    found = read_json(path).get("key")
    if not isinstance(found, str) or len(found) < 64:
        found = secrets.token_hex(32)
        write_json(path, {"key": found})
    return found.encode()
