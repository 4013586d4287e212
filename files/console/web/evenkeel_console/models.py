"""What the API takes and gives. The agent checks again all that reaches it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr

_WHOLE = re.compile(r"-?[0-9]{1,16}", re.ASCII)
LARGEST = 2**53
Verb = Literal["scale", "roll", "settle", "drain", "undrain", "start", "stop", "restart", "remove", "kill", "verify"]
VERBS: tuple[str, ...] = Verb.__args__  # type: ignore[attr-defined]
Role = Literal["viewer", "operator"]


def _whole(value: object) -> object:
    """Refuse texts that Python takes for a number and people do not: ``1_0``, `` 3 ``, other digits."""
    if isinstance(value, str) and _WHOLE.fullmatch(value) is None:
        raise ValueError("no whole number")
    return value


_Whole = Annotated[int, BeforeValidator(_whole)]
TierName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
NodeId = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="as in the state")]
ActionId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
TokenId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
Since = Annotated[_Whole, Query(ge=-1, le=LARGEST, description="number of the last change that you have; -1 for none")]
Before = Annotated[_Whole, Query(ge=1, le=LARGEST, description="only entries with a smaller number")]
Count = Annotated[_Whole, Query(ge=1, le=200)]
Tail = Annotated[_Whole, Query(ge=0, le=1000, description="lines from the end")]
Follow = Annotated[_Whole, Query(ge=0, le=1, description="1 to go on with new lines")]
Span = Annotated[_Whole, Query(ge=300, le=3600, description="seconds: 300 or 3600")]
Word = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Kind = Annotated[str, Query(pattern=r"^[a-z_ ]{1,32}$")]
SomeNode = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")]
SomeNodes = Annotated[str, Query(pattern=r"^[0-9a-f]{64}(,[0-9a-f]{64}){0,59}$", description="at most 60, by commas")]


class Body(BaseModel):
    """A request: nothing that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Credentials(Body):
    """To log in."""

    # Any text: whether it could be a name is told by no other answer than that of a wrong password.
    name: StrictStr
    password: StrictStr = Field(min_length=1, max_length=1024)


class NewPassword(Body):
    """To change one's own."""

    old: StrictStr = Field(min_length=1, max_length=1024)
    new: StrictStr = Field(min_length=12, max_length=1024)


class Wish(Body):
    """What is to be planned; which fields a verb wants is told where they lack."""

    verb: Verb
    tier: StrictStr | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{0,64}$")
    node: StrictStr | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    count: StrictInt | None = Field(None, ge=0, le=1000)


class Agreement(Body):
    """A plan to be carried out."""

    plan: StrictStr = Field(pattern=r"^[0-9a-f]{32}$")
    typed: StrictStr = Field("", pattern=r"^[A-Za-z0-9_.-]{0,64}$", description="the tier's name, where it is wanted")


class NewToken(Body):
    """A token for a program."""

    name: StrictStr = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")
    role: Role = "viewer"
    days: StrictInt = Field(90, ge=1, le=366)


class Link(Body):
    """What to open once."""

    to: Literal["report"]


class Problems(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(extra="allow")
    problems: list[str] = Field(description="one line each: what: got X, want Y (fix: ...)")


class Conflict(Problems):
    """What stands against it."""

    plan: dict[str, Any] | None = Field(None, description="what would be done now")
    holder: str = Field("", description="what holds the lock")


class LoggedIn(BaseModel):
    """One half of the session; the other one is a cookie."""

    name: str
    role: Role
    key: str = Field(description="for the header X-Evenkeel-Key; keep it in localStorage")


class Links(BaseModel):
    """Other pages; empty for none."""

    site: str
    dashboard: str
    portainer: str
    report: bool


class Me(BaseModel):
    """The user that asks."""

    name: str
    role: Role
    cluster: str
    links: Links
    verbs: list[str]


class State(BaseModel):
    """The cluster as the agent sees it, see docs/console.md."""

    number: int
    state: dict[str, Any]


class Plan(BaseModel):
    """What would be done."""

    plan: str
    verb: str
    tier: str
    node: str
    actions: list[str]
    warnings: list[str]
    type_name: str = Field(description="the tier's name if it must be typed")


class Begun(BaseModel):
    """An action that goes on."""

    action: str


class Once(BaseModel):
    """An address that opens once, within 30 s."""

    url: str


class User(BaseModel):
    """A user."""

    name: str
    role: Role


class ShownToken(BaseModel):
    """A token without its text."""

    id: str
    user: str
    name: str
    role: Role
    expires: float


class MadeToken(ShownToken):
    """The same with its text, which is shown once."""

    token: str


class Health(BaseModel):
    """That the process answers."""

    ok: bool
