# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ask the management with the password, and without it as the control, which must be refused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ..core.errors import Finding
from ..core.http_client import Answer, Client, basic_auth
from ..core.results import ManagementQuestion, ManagementResult
from ..traefik.api import read_password
from .http_load import check_url
from .observer import conclude
from .options import TIMEOUT, check_numbers

MANAGEMENT_NUMBERS = {"timeout": TIMEOUT}
NONE = "none"
WRONG = "wrong"
RIGHT = "right"
#: Asked without credentials, and wants none.
PUBLIC = "not needed"
_LET_IN = (int(HTTPStatus.OK),)
_REFUSED = (int(HTTPStatus.UNAUTHORIZED), int(HTTPStatus.FORBIDDEN))
# Where both answer: a page for people, and one for programs.
_DASHBOARD = (("dashboard", "/dashboard/"), ("API", "/api/version"))
_PORTAINER = "Portainer"
_CONSOLE = "console"
_MAX_BODY_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        what: what was asked.
        url: where.
        credentials: ``right``, ``wrong``, ``none`` or ``not needed``.
        want: statuses that are as they must be.
        got: the status; None when nothing answered.
        error: why nothing answered.
    """

    what: str
    url: str
    credentials: str
    want: tuple[int, ...]
    got: int | None
    error: str = ""

    @property
    def ok(self) -> bool:
        """It was answered as it must be."""
        return self.got in self.want

    @property
    def control(self) -> bool:
        """It was asked without the right credentials, and had to be refused."""
        return self.credentials in {NONE, WRONG}

    def as_result(self) -> ManagementQuestion:
        """As the module returns it."""
        return {
            "what": self.what,
            "url": self.url,
            "credentials": self.credentials,
            "want": self.want,
            "got": self.got,
            "error": self.error,
            "ok": self.ok,
            "control": self.control,
        }

    def problem(self) -> Finding:
        """What is wrong with the answer."""
        got = f"status {self.got}" if self.got is not None else self.error
        asked = {
            NONE: "without a password",
            WRONG: "with a wrong password",
            RIGHT: "with the password",
            PUBLIC: "as its health check",
        }
        return Finding(
            f"{got} from {self.url} {asked[self.credentials]}",
            f"status {' or '.join(map(str, self.want))}",
            "check the password file"
            if self.credentials == RIGHT and self.got in _REFUSED
            else "ansible-playbook site.yml",
        )


def judge(checks: Sequence[Check]) -> ManagementResult:
    """The module's result from the answers."""
    aspects = {
        "access": [check.problem() for check in checks if not check.control and not check.ok],
        "control": [check.problem() for check in checks if check.control and not check.ok],
    }
    asked = list(dict.fromkeys(check.what for check in checks if check.credentials == RIGHT))
    refused = [check for check in checks if check.control]
    text = (
        f"{', '.join(asked)} let the password in; {sum(check.ok for check in refused)} of {len(refused)} questions"
        " without it refused, as they must"
    )
    return {
        **conclude("management", [*aspects["access"], *aspects["control"]], text),
        "aspects": {name: [str(problem) for problem in found] for name, found in aspects.items()},
        "checks": [check.as_result() for check in checks],
    }


def _asked(what: str, url: str, credentials: str, want: Sequence[int], answer: Answer) -> Check:
    """One question with its answer; an answer that does not come is one, too."""
    return Check(what, url, credentials, tuple(want), answer.status or None, answer.reason)


def dashboard_checks(url: str, user: str, password: str, seconds: float) -> list[Check]:
    """Ask the balancer's dashboard and API, with and without the password."""
    headers = {RIGHT: basic_auth(user, password), NONE: {}, WRONG: basic_auth(user, f"{password}x")}
    with contextlib.closing(Client(url, seconds, _MAX_BODY_BYTES)) as client:
        return [
            _asked(what, url + path, credentials, _LET_IN if credentials == RIGHT else _REFUSED, client.get(path, sent))
            for what, path in _DASHBOARD
            for credentials, sent in headers.items()
        ]


def portainer_checks(url: str, password: str, seconds: float) -> list[Check]:
    """Ask Portainer for what it manages without a login, and log in."""
    listing, login = "/api/endpoints", "/api/auth"
    with contextlib.closing(Client(url, seconds, _MAX_BODY_BYTES)) as client:
        found = [_asked(_PORTAINER, url + listing, NONE, _REFUSED, client.get(listing))]
        if password:
            answer = client.post_json(login, {"Username": "admin", "Password": password})
            found.append(_asked(_PORTAINER, url + login, RIGHT, _LET_IN, answer))
    return found


def console_checks(url: str, seconds: float) -> list[Check]:
    """Ask the console whether it is well, and for what it shows to people who have logged in."""
    health, listing = "/healthz", "/api/tiers"
    # Its certificate names another address than the machine's own.
    with contextlib.closing(Client(url, seconds, _MAX_BODY_BYTES, verify=False)) as client:
        return [
            _asked(_CONSOLE, url + health, PUBLIC, _LET_IN, client.get(health)),
            _asked(_CONSOLE, url + listing, NONE, _REFUSED, client.get(listing)),
        ]


def check(params: Mapping[str, Any]) -> ManagementResult:
    """Ask, judge, and give the module's result.

    Raises:
        InputError: a parameter cannot be used.
        TraefikApiError: a password file cannot be read.
    """
    check_numbers(params, MANAGEMENT_NUMBERS)
    check_url(params["api_url"], "api_url")
    for name in ("portainer_url", "console_url"):
        if params[name]:
            check_url(params[name], name)
    password = read_password(params["api_password_file"])
    checks = dashboard_checks(params["api_url"].rstrip("/"), params["api_user"], password, params["timeout"])
    if params["console_url"]:
        checks += console_checks(params["console_url"].rstrip("/"), params["timeout"])
    if params["portainer_url"]:
        file = params["portainer_password_file"]
        secret = read_password(file) if file else ""
        checks += portainer_checks(params["portainer_url"].rstrip("/"), secret, params["timeout"])
    return judge(checks)
