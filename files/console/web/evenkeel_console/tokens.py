"""Tokens for programs. A token is shown once; only its digest is kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
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
    """

    id: str
    sha256: str
    user: str
    role: str
    name: str
    expires: float

    def shown(self) -> dict[str, str | float]:
        """Without the digest."""
        return {name: value for name, value in asdict(self).items() if name != "sha256"}


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
        try:
            self._tokens = {key: Token(id=key, **value) for key, value in read_json(path).items()}
        except TypeError as error:
            raise StoreError(line(str(path), "tokens of another version", "this version's", "remove it")) from error

    def make(self, user: str, role: str, name: str, days: int) -> tuple[Token, str]:
        """A new token, and its text, which is not kept.

        Raises:
            RefusedError: the user has too many.
            OSError: the file cannot be written.
        """
        self._forget_over()
        own = sum(1 for token in self._tokens.values() if token.user == user)
        if own >= MOST_PER_USER:
            raise RefusedError(409, line("tokens", f"{own} already", f"at most {MOST_PER_USER}", "delete one"))
        text = _PREFIX + secrets.token_urlsafe(32)
        token = Token(secrets.token_hex(8), _digest(text), user, role, name, self._wall() + days * _DAY)
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
        """End one; it may be gone already."""
        self._keep({name: token for name, token in self._tokens.items() if name != key})

    def end_all(self, user: str) -> None:
        """End all of a user."""
        self._keep({name: token for name, token in self._tokens.items() if token.user != user})

    def keep_only(self, users: Mapping[str, str]) -> None:
        """End tokens of users that are gone, and those with more rights than their user has now."""
        self._keep(
            {
                name: token
                for name, token in self._tokens.items()
                if token.user in users and ROLES.index(token.role) <= ROLES.index(users[token.user])
            }
        )

    def _forget_over(self) -> None:
        self._keep({name: token for name, token in self._tokens.items() if token.expires > self._wall()})

    def _keep(self, tokens: dict[str, Token]) -> None:
        if tokens == self._tokens:
            return
        # In memory first: a token that was ended opens nothing, even if the disk is full.
        gone = self._tokens.keys() - tokens.keys()
        self._tokens = {name: token for name, token in self._tokens.items() if name not in gone}
        kept = {
            name: {key: value for key, value in asdict(token).items() if key != "id"} for name, token in tokens.items()
        }
        write_json(self._path, kept)
        self._tokens = tokens


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
