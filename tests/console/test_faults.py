"""Parts of the cluster end or hang while a page is open: the page says what, and goes on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import expect
from tests.console.reader import Reader

AGENT, WEB, BALANCER = "evenkeel-console-agent", "evenkeel-console", "label=evenkeel.role=balancer"
# Docker starts an ended process again at once; it is up after a second or two on a calm machine.
RECOVERY_MS = 20_000
NOTICE_MS = 15_000

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may end processes of containers")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def process(container: str) -> int:
    return int(docker("inspect", "--format", "{{.State.Pid}}", container))


@contextmanager
def stopped(container: str) -> Iterator[None]:
    """All its processes do nothing any more, and then go on."""
    pids = [int(pid) for pid in docker("top", container, "-eo", "pid").split()[1:]]
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # the list may have one that lived for a moment
            os.kill(pid, number)


def test_an_agent_that_is_killed_comes_back_and_the_page_says_so(reader: Reader) -> None:
    """A crash, not ``docker kill``, which Docker takes for the wish of a person."""
    tier = reader.tier()
    os.kill(process(AGENT), signal.SIGKILL)
    expect(reader.page.locator(".not-live")).to_be_visible(timeout=NOTICE_MS)
    reader.live(RECOVERY_MS)
    expect(reader.page.get_by_label(f"Roll {tier}", exact=True)).to_be_enabled(timeout=RECOVERY_MS)


def test_after_the_end_of_the_web_process_people_log_in_and_go_on(reader: Reader) -> None:
    """Sessions are in its memory alone. What was typed stays."""
    page, tier = reader.page, reader.tier()
    reader.go(f"tier/{tier}")
    page.locator("[data-filter]").fill("no-such-node")
    os.kill(process(WEB), signal.SIGKILL)
    dialog = page.locator("dialog.login")
    expect(dialog).to_be_visible(timeout=RECOVERY_MS)
    reader.log_in()
    reader.live(RECOVERY_MS)
    expect(page.locator("[data-filter]")).to_have_value("no-such-node")


def test_a_node_that_hangs_has_its_reason_and_advice(reader: Reader) -> None:
    tier = reader.tier()
    node = next(item for item in reader.state()["nodes"].values() if item["tier"] == tier and item["managed"])
    reader.go(f"tier/{tier}")
    row = reader.page.locator(f"[data-node='{node['id']}']")
    with stopped(node["id"]):
        expect(row).to_contain_text("hangs", timeout=NOTICE_MS)
        expect(row).to_contain_text("no answer to its health check")
    expect(row).to_contain_text("in rotation", timeout=RECOVERY_MS)


def test_a_balancer_that_does_not_answer_is_told_and_nothing_is_changed_meanwhile(reader: Reader) -> None:
    """Without it, nothing could tell when a node is out of rotation."""
    tier = reader.tier()
    balancer = docker("ps", "--quiet", "--filter", BALANCER).split()[0]
    facts = reader.page.get_by_label("Balancer and lock")
    with stopped(balancer):
        expect(facts).to_contain_text("rotation unknown", timeout=NOTICE_MS)
        expect(reader.page.get_by_label(f"Roll {tier}", exact=True)).to_be_disabled()
    expect(facts).not_to_contain_text("rotation unknown", timeout=RECOVERY_MS)
    expect(reader.page.get_by_label(f"Roll {tier}", exact=True)).to_be_enabled(timeout=RECOVERY_MS)
