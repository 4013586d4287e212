"""Guesses of a password from many networks at the login: how many are compared, and whether its owner gets in.

The guesses come through a proxy that the console knows, which names the networks they come from.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests
from tests.bench import common
from tests.bench.console_client import CONSOLE, PASSWORD_FILE, USER
from tests.bench.console_cost import CONTAINERS, processes, pss_bytes

NETWORKS, AT_ONCE = 50, 8
CHECKED_GOAL, GROWTH_GOAL = 150, 5e6
_NETWORK = CONTAINERS[1]


def gateway() -> str:
    """The address from which Docker passes on what comes to the published port."""
    words = ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", _NETWORK]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def behind_a_proxy() -> Iterator[None]:
    """The console believes what this machine says of clients."""
    common.play("playbooks/console.yml", "-e", json.dumps({"console_proxies": [f"{gateway()}/32"]}))
    try:
        yield
    finally:
        common.play("playbooks/console.yml")


def attempt(password: str, network: int, cookies: Any = None) -> requests.Response:
    """One login from a network of its own, the address in it being another one each time."""
    return requests.post(
        f"{CONSOLE}/api/login",
        json={"name": USER, "password": password},
        headers={"X-Forwarded-For": f"198.51.{network}.7"},
        cookies=cookies,
        proxies={"http": ""},
        timeout=60,
    )


def measure(count: int) -> tuple[dict[str, Any], str, dict[str, bool]]:
    """All of it: data, a table, and the goals with whether they were met."""
    right = PASSWORD_FILE.read_text(encoding="utf-8").strip()
    with behind_a_proxy():
        known = attempt(right, 250)
        before = pss_bytes(processes(CONTAINERS[1]))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda number: attempt(f"guess {number}", number % NETWORKS), range(count)))
        grown = pss_bytes(processes(CONTAINERS[1])) - before
        owner = attempt(right, 250, known.cookies)
        # Control: from one network, without a browser that is known, the right password is not compared any more.
        guessed = attempt(right, 0)
    statuses = Counter(answer.status_code for answer in answers)
    checked = statuses[401]
    goals = {
        f"fewer than {CHECKED_GOAL} of {count} guesses are compared (got {checked})": 0 < checked < CHECKED_GOAL,
        f"all others are refused (got {dict(statuses)})": checked + statuses[429] == count,
        f"memory grows by 5 MB at most (got {grown / 1e6:.1f})": grown <= GROWTH_GOAL,
        f"the owner's browser gets in meanwhile (got {owner.status_code})": (known.status_code, owner.status_code)
        == (200, 200),
        f"control: the right password from a network that guessed is not compared (got {guessed.status_code})": (
            guessed.status_code == 429
        ),
    }
    rows = [[count, checked, statuses[429], round(grown / 1e6, 1)]]
    return {"statuses": dict(statuses), "grown": grown}, common.table(["guesses", "compared", "429", "MB"], rows), goals
