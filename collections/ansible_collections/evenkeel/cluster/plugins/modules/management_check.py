#!/usr/bin/python
# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Ansible module: prove that the cluster's management answers those who have the password, and nobody else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: management_check
short_description: Check that dashboard, API and Portainer answer, and only with the password
version_added: 0.1.0
description:
  - Sends requests to the balancer's dashboard and API, and to Portainer if O(portainer_url) is set. Changes nothing.
  - With the password they must answer. The control repeats the requests without a password and with a wrong one; these
    must be refused.
options:
  portainer_url:
    description: Address of Portainer, such as V(http://127.0.0.1:9090). Empty means that it is not checked.
    type: str
    default: ""
  portainer_password_file:
    description: >-
      File with the password of Portainer's user C(admin). Without it, no login with the right password is checked.
    type: path
  timeout:
    description: Seconds to wait for each answer.
    type: float
    default: 5.0
extends_documentation_fragment:
  - evenkeel.cluster.api
  - evenkeel.cluster.read_only
requirements:
  - requests
author:
  - Evenkeel contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Check that the management asks for its password
  evenkeel.cluster.management_check:
    api_url: http://127.0.0.1:9000
    api_password_file: /var/lib/evenkeel/evenkeel/secrets/dashboard_password
"""

RETURN = r"""
verdict:
  description: V(pass) or V(fail).
  returned: after a measurement, also when it fails
  type: str
  sample: pass
message:
  description: The verdict in one line; the same as RV(ignore:msg) if it fails.
  returned: after a measurement, also when it fails
  type: str
  sample: "management: dashboard, API let the password in; 4 of 4 questions without it refused, as they must"
problems:
  description: What is wrong, one line each.
  returned: after a measurement, also when it fails
  type: list
  elements: str
  sample: []
aspects:
  description: RV(problems) by part - V(access) (with the password) and V(control) (without it).
  returned: after a measurement, also when it fails
  type: dict
  sample: {access: [], control: []}
checks:
  description: >-
    Each request with its credentials (V(right), V(wrong) or V(none)), the status wanted and got (null if there was no
    answer), and whether it belongs to the control.
  returned: after a measurement, also when it fails
  type: list
  elements: dict
  sample:
    - {what: API, url: "http://127.0.0.1:9000/api/version", credentials: none, want: [401], got: 401, ok: true,
       control: true, error: ""}
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.core.errors import Finding, message
from ..module_utils.core.results import ManagementQuestion, ManagementResult
from ..module_utils.core.verdict import verdict_from
from ..module_utils.measure.http_load import HttpLoadError, Target, check_target
from ..module_utils.measure.options import MAX_TIMEOUT, CheckInputError, in_range, outcome
from ..module_utils.traefik.api import read_password

with contextlib.suppress(ImportError):  # reported by check_target
    import requests

NONE = "none"
WRONG = "wrong"
RIGHT = "right"
_REFUSED = (int(HTTPStatus.UNAUTHORIZED), int(HTTPStatus.FORBIDDEN))
# Where both answer: a page for people, and one for programs.
_DASHBOARD = (("dashboard", "/dashboard/"), ("API", "/api/version"))


def argument_spec() -> dict[str, Any]:
    """The module's options."""
    return {
        "api_url": {"type": "str", "required": True},
        "api_user": {"type": "str", "default": "admin"},
        # The path is no secret, what is in the file is.
        "api_password_file": {"type": "path", "required": True, "no_log": False},
        "portainer_url": {"type": "str", "default": ""},
        "portainer_password_file": {"type": "path", "no_log": False},
        "timeout": {"type": "float", "default": 5.0},
    }


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        what: who was asked.
        url: where.
        credentials: ``right``, ``wrong`` or ``none``.
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
        return self.credentials != RIGHT

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
        asked = {NONE: "without a password", WRONG: "with a wrong password", RIGHT: "with the password"}
        return Finding(
            f"{got} from {self.url} {asked[self.credentials]}",
            f"status {' or '.join(map(str, self.want))}",
            "check the password file" if not self.control and self.got in _REFUSED else "ansible-playbook site.yml",
        )


def judge(checks: Sequence[Check]) -> ManagementResult:
    """The module's result from the answers."""
    aspects = {
        "access": [check.problem() for check in checks if not check.control and not check.ok],
        "control": [check.problem() for check in checks if check.control and not check.ok],
    }
    problems = [*aspects["access"], *aspects["control"]]
    asked = list(dict.fromkeys(check.what for check in checks if not check.control))
    refused = [check for check in checks if check.control]
    text = (
        f"{', '.join(asked)} let the password in; {sum(check.ok for check in refused)} of {len(refused)} questions"
        " without it refused, as they must"
    )
    return {
        "verdict": verdict_from(problems),
        "message": message("management", problems) if problems else f"management: {text}",
        "problems": [str(problem) for problem in problems],
        "aspects": {name: [str(problem) for problem in found] for name, found in aspects.items()},
        "checks": [check.as_result() for check in checks],
    }


# --------------------------------------------------------------------------
# I/O
# --------------------------------------------------------------------------


def ask(what: str, url: str, credentials: str, want: Iterable[int], send: Callable[[], Any]) -> Check:
    """Ask one question; an answer that does not come is one, too."""
    got, error = None, ""
    try:
        got = int(send().status_code)
    except requests.Timeout:
        error = "no answer in time"
    except requests.RequestException as exc:
        error = "connection refused" if "refused" in str(exc) else exc.__class__.__name__
    return Check(what, url, credentials, tuple(want), got, error)


def dashboard_checks(session: Any, url: str, user: str, password: str, timeout: float) -> list[Check]:
    """Ask the balancer's dashboard and API, with and without the password."""
    found = []
    for what, path in _DASHBOARD:
        for credentials, auth in ((RIGHT, (user, password)), (NONE, None), (WRONG, (user, f"{password}x"))):
            want = (int(HTTPStatus.OK),) if credentials == RIGHT else _REFUSED

            def send(path: str = path, auth: Any = auth) -> Any:
                # Bytes: a password need not be Latin-1.
                encoded = tuple(part.encode() for part in auth) if auth else None
                return session.get(url + path, auth=encoded, timeout=timeout, allow_redirects=False)

            found.append(ask(what, url + path, credentials, want, send))
    return found


def portainer_checks(session: Any, url: str, password: str, timeout: float) -> list[Check]:
    """Ask Portainer for what it manages without a login, and log in."""
    what = "Portainer"
    listing, login = f"{url}/api/endpoints", f"{url}/api/auth"
    found = [ask(what, listing, NONE, _REFUSED, lambda: session.get(listing, timeout=timeout, allow_redirects=False))]
    if password:
        body = {"Username": "admin", "Password": password}
        found.append(
            ask(what, login, RIGHT, (int(HTTPStatus.OK),), lambda: session.post(login, json=body, timeout=timeout))
        )
    return found


def check(params: Mapping[str, Any]) -> ManagementResult:
    """Ask, judge, and give the module's result.

    Raises:
        CheckInputError: a parameter cannot be used.
        TraefikApiError: a password file cannot be read.
    """
    in_range(params, "timeout", 0.01, MAX_TIMEOUT)
    for name in ("api_url", "portainer_url"):
        if params[name] or name == "api_url":
            try:
                check_target(Target(params[name]), name)
            except HttpLoadError as exc:
                raise CheckInputError(str(exc)) from exc
    session = requests.Session()
    # Neither a proxy nor a .netrc of the environment may stand between us and what we ask.
    session.trust_env = False
    password = read_password(params["api_password_file"])
    api = params["api_url"].rstrip("/")
    checks = dashboard_checks(session, api, params["api_user"], password, params["timeout"])
    if params["portainer_url"]:
        file = params["portainer_password_file"]
        secret = read_password(file) if file else ""
        checks += portainer_checks(session, params["portainer_url"].rstrip("/"), secret, params["timeout"])
    return judge(checks)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    failed, result = outcome("management", check, module.params)
    if failed:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
