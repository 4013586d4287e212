"""What an application itself answers reaches the client as it is, once, and moves no session of another client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest
import requests
import yaml

from .conftest import ROOT, WEB, Declared, nodes, played

LAB = f"{WEB}/lab/"
CONTEXT = "tests/integration/statuses"
STATUSES = (500, 502, 503, 504)


def deployed(*words: str, **options: Any) -> None:
    """The declared tiers and one that answers what it is asked for; *words* are further arguments of the run."""
    tiers = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))["cluster_tiers"]
    lab = {"image": "res/statuses", "context": CONTEXT, "port": 8000, "path": "/lab/", "strip_path": True, "nodes": 3}
    declared = {"cluster_tiers": {**tiers, "lab": {**lab, "sticky": True, **options}}}
    words = ("--skip-tags", "verify", "-e", "node_pool_surge_percent=100", *words)
    played("site.yml", "-e", json.dumps(declared), *words)


@pytest.fixture(scope="module")
def lab(engine: docker.DockerClient, declared: Declared) -> Iterator[docker.DockerClient]:
    deployed()
    yield engine
    played("site.yml", "--skip-tags", "verify")
    engine.images.remove("res/statuses:latest", force=True)


def executed(engine: docker.DockerClient, status: int) -> int:
    """How often the nodes have answered this status, by their own count."""
    addresses = [
        node.attrs["NetworkSettings"]["Networks"]["evenkeel"]["IPAddress"] for node in nodes(engine, "lab").values()
    ]
    return sum(int(requests.get(f"http://{address}:8000/count/{status}", timeout=5).text) for address in addresses)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("status", STATUSES)
def test_an_application_is_asked_once_whatever_it_answers(
    lab: docker.DockerClient, status: int, delay: int, method: str
) -> None:
    before = executed(lab, status)
    began = time.monotonic()
    answer = requests.request(method, f"{LAB}status/{status}?delay={delay}", timeout=60)
    assert time.monotonic() - began < delay + 0.5
    assert (answer.status_code, answer.text) == (status, answer.headers["X-Served-By"])
    assert executed(lab, status) == before + 1


class Page:
    """One client whose browser sends 30 requests over six connections, again and again."""

    def __init__(self, url: str) -> None:
        self.answers: list[int] = []
        self._url = url
        self._cookies = requests.get(LAB, timeout=5).cookies
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(6)]

    def _ask(self) -> None:
        with requests.Session() as session:
            session.cookies.update(self._cookies)
            while not self._over.is_set():
                self.answers.extend(session.get(self._url, timeout=30).status_code for _ in range(5))
                self._over.wait(0.7)

    def __enter__(self) -> Page:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("delay", [0, 0.2])
@pytest.mark.parametrize("status", STATUSES)
def test_a_page_whose_requests_all_fail_moves_no_session_of_others(
    lab: docker.DockerClient, status: int, delay: float
) -> None:
    sessions = [requests.Session() for _ in range(9)]
    homes = [session.get(LAB, timeout=5).text for session in sessions]
    assert len(set(homes)) == 3
    with Page(f"{LAB}status/{status}?delay={delay}") as page:
        seen = []
        for _ in range(8):
            time.sleep(0.4)
            answers = [session.get(LAB, timeout=5) for session in sessions]
            assert {answer.status_code for answer in answers} == {200}
            seen.append([answer.text for answer in answers])
    # Two whole pages at least, however long an answer takes.
    assert len(page.answers) >= 60
    assert set(page.answers) == {status}
    assert seen == [homes] * 8


@pytest.fixture(scope="module")
def repeating(lab: docker.DockerClient) -> docker.DockerClient:
    """The tier repeats from now on, as where the inventory says that a 502 is never the application's own."""
    deployed("-e", "load_balancer_repeat_limit=1s", repeat=True)
    return lab


def test_a_tier_that_repeats_asks_twice_at_most(repeating: docker.DockerClient) -> None:
    """Also the control of the count."""
    before = executed(repeating, 502)
    requests.get(f"{LAB}status/502", timeout=60)
    assert executed(repeating, 502) == before + 2
    requests.post(f"{LAB}status/502", timeout=60)
    assert executed(repeating, 502) == before + 3


def test_an_answer_after_the_limit_is_not_asked_for_again(repeating: docker.DockerClient) -> None:
    before = executed(repeating, 502)
    began = time.monotonic()
    answer = requests.get(f"{LAB}status/502?delay=2", timeout=60)
    assert time.monotonic() - began < 2.5
    assert (answer.status_code, answer.text) == (502, answer.headers["X-Served-By"])
    assert executed(repeating, 502) == before + 1
