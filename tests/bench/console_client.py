"""The console as a client of its API sees it: plans, actions, and how long they take."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import requests
from tests.bench.common import STATE, BenchError

CONSOLE = "http://localhost:9080"
USER = "admin"
PASSWORD_FILE: Path = STATE / f"secrets/console_{USER}"
_POLL_SECONDS = 0.05
_END_SECONDS = 300.0
_TIMEOUT_SECONDS = 30.0


class Console:
    """A logged-in session.

    Args:
        url: of the console.
        name: of the user.
        password: of the same.

    Raises:
        BenchError: it cannot log in.
    """

    def __init__(self, url: str = CONSOLE, name: str = USER, password: str = "") -> None:
        self._url = url
        self._session = requests.Session()
        # Proxies of the environment are for other networks.
        self._session.trust_env = False
        secret = password or PASSWORD_FILE.read_text(encoding="utf-8").strip()
        answer = self._session.post(
            f"{url}/api/login", json={"name": name, "password": secret}, timeout=_TIMEOUT_SECONDS
        )
        if answer.status_code != 200:
            raise BenchError(f"console: got status {answer.status_code}, want a login (fix: ansible-playbook site.yml)")
        self._session.headers["X-Evenkeel-Key"] = answer.json()["key"]

    def get(self, path: str) -> Any:
        """What the API answers.

        Raises:
            BenchError: with a status other than 200.
        """
        answer = self._session.get(f"{self._url}{path}", timeout=_TIMEOUT_SECONDS)
        if answer.status_code != 200:
            raise BenchError(f"{path}: got status {answer.status_code}: {answer.text[:200]}, want 200 (fix: none)")
        return answer.json()

    def nodes(self, tier: str) -> list[dict[str, Any]]:
        """The tier's managed nodes, by name."""
        found = [node for node in self.get("/api/state")["state"]["nodes"].values() if node["tier"] == tier]
        return sorted((node for node in found if node["managed"]), key=lambda node: str(node["name"]))

    def await_serving(self, tier: str, count: int) -> None:
        """Wait until this number of nodes of the tier is in rotation.

        Raises:
            BenchError: not in time.
        """
        deadline = time.monotonic() + _END_SECONDS
        while sum(node["shape"] == "serves" for node in self.nodes(tier)) != count:
            if time.monotonic() > deadline:
                raise BenchError(
                    f"tier {tier}: got {self.nodes(tier)}, want {count} in rotation (fix: see the console)"
                )
            time.sleep(_POLL_SECONDS)

    def do(self, verb: str, typed: str = "", **wish: Any) -> float:
        """Plan, agree and wait for the end; its seconds.

        Args:
            verb: what is asked for.
            typed: the tier's name, where no node would serve.
            wish: ``tier`` or ``node``, and ``count``.

        Raises:
            BenchError: it is refused or fails.
        """
        began = time.monotonic()
        action = self._begin(verb, typed, wish)
        while (found := self.get(f"/api/actions/{action}"))["state"] == "running":
            if time.monotonic() - began > _END_SECONDS:
                raise BenchError(f"{verb}: got no end in {_END_SECONDS:g} s, want one (fix: see the console)")
            time.sleep(_POLL_SECONDS)
        if found["state"] != "done":
            raise BenchError(
                f"{verb} {wish}: got {found['state']}: {found['result']}, want it done (fix: see the console)"
            )
        return time.monotonic() - began

    def _begin(self, verb: str, typed: str, wish: dict[str, Any]) -> str:
        planned = self._post("/api/plans", {"verb": verb, **wish})
        agreed = {"plan": planned["plan"], **({"typed": typed} if typed else {})}
        return str(self._post("/api/actions", agreed, {"Idempotency-Key": uuid.uuid4().hex})["action"])

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
        answer = self._session.post(f"{self._url}{path}", json=body, headers=headers, timeout=_TIMEOUT_SECONDS)
        if not answer.ok:
            raise BenchError(
                f"{path} {body}: got status {answer.status_code}: {answer.text[:200]}, want it done (fix: none)"
            )
        return answer.json()
