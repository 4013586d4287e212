"""Tokens for programs. A token is shown once; only its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from .problems import RefusedError, line
from .settings import ROLES
from .store import StoreError, read_json, write_json

MOST_PER_USER = 20
_PREFIX = "evk_"
_DAY = 86400


@dataclass(frozen=True)
class Token:
    """What is kept.

    Attributes:
        id: names it.
        sha256: of the token.
        user: whose.
        role: at most the user's.
        name: what its user calls it.
        expires: seconds since the epoch.
        password: digest of what was kept of the user's password when the token was made; another password ends it.
    """

    id: str
    sha256: str
    user: str
    role: str
    name: str
    expires: float
    password: str = ""

    def shown(self) -> dict[str, str | float]:
        """Without the digests."""
        return {name: value for name, value in asdict(self).items() if name not in {"sha256", "password"}}


class Tokens:
    """All tokens.

    Args:
        path: of the file.
        wall: seconds since the epoch.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        """Read the file."""
        self._path = path
        self._wall = wall
        # Whether the file may still have tokens that were ended.
        self._behind = False
        try:
            self._tokens = {key: Token(id=key, **value) for key, value in read_json(path).items()}
        except TypeError as error:
            raise StoreError(line(str(path), "tokens of another version", "this version's", "remove it")) from error

    def make(self, user: str, role: str, name: str, days: int, password: str) -> tuple[Token, str]:
        """A new token, and its text, which is not kept.

        Args:
            user: whose.
            role: what it may do.
            name: what the user calls it.
            days: until it expires.
            password: digest of what is kept of the user's password.

        Raises:
            RefusedError: the user has too many.
            OSError: the file cannot be written.
        """
        self._forget_over()
        own = sum(1 for token in self._tokens.values() if token.user == user)
        if own >= MOST_PER_USER:
            raise RefusedError(409, line("tokens", f"{own} already", f"at most {MOST_PER_USER}", "delete one"))
        text = _PREFIX + secrets.token_urlsafe(32)
        token = Token(secrets.token_hex(8), _digest(text), user, role, name, self._wall() + days * _DAY, password)
        self._keep({**self._tokens, token.id: token})
        return token, text

    def of(self, text: str) -> Token | None:
        """The token of this text, if it is one and not expired. Digests are compared, so the time tells nothing."""
        wanted = _digest(text)
        found = next((token for token in self._tokens.values() if token.sha256 == wanted), None)
        return found if found is not None and found.expires > self._wall() else None

    def by_id(self, key: str) -> Token | None:
        """The token of this name."""
        return self._tokens.get(key)

    def listed(self, user: str | None) -> list[Token]:
        """A user's tokens, or all."""
        return [token for token in self._tokens.values() if user in {None, token.user} and token.expires > self._wall()]

    def remove(self, key: str) -> None:
        """End one; it may be gone already.

        Raises:
            OSError: the file cannot be written; the token is ended, and the file is written at a later chance.
        """
        self._keep({name: token for name, token in self._tokens.items() if name != key})

    def end_all(self, users: Collection[str]) -> None:
        """End all of these users. A file that cannot be written is written at a later chance."""
        self._end({name: token for name, token in self._tokens.items() if token.user not in users})

    def keep_only(self, users: Mapping[str, str], password: Callable[[str], str]) -> None:
        """End what no user of now could have made.

        Args:
            users: name to role; tokens with more rights than their user has end.
            password: digest of what is kept of a user's password; tokens of another one end.
        """
        self._end(
            {
                name: token
                for name, token in self._tokens.items()
                if token.user in users
                and ROLES.index(token.role) <= ROLES.index(users[token.user])
                and token.password == password(token.user)
            }
        )

    def write_again(self) -> None:
        """Write the file if that failed before."""
        self._end(self._tokens)

    def _end(self, tokens: dict[str, Token]) -> None:
        try:
            self._keep(tokens)
        except OSError as error:
            print(f"{self._path}: got '{error.strerror}', want ended tokens off it (fix: free space)", file=sys.stderr)

    def _forget_over(self) -> None:
        self._keep({name: token for name, token in self._tokens.items() if token.expires > self._wall()})

    def _keep(self, tokens: dict[str, Token]) -> None:
        if tokens == self._tokens and not self._behind:
            return
        # In memory first: a token that was ended opens nothing, even if the disk is full.
        gone = self._tokens.keys() - tokens.keys()
        self._tokens = {name: token for name, token in self._tokens.items() if name not in gone}
        self._behind = True
        kept = {
            name: {key: value for key, value in asdict(token).items() if key != "id"} for name, token in tokens.items()
        }
        write_json(self._path, kept)
        self._tokens, self._behind = tokens, False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
