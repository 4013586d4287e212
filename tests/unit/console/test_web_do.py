"""Changes: plans, actions, and the agent's refusals, through both processes."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from evenkeel_agent.changes import Changes
from evenkeel_agent.verbs import ChangedError
from tests.unit.fakes.console import Browser, Console


def test_a_plan_is_shown_and_done_and_on_record(console: Console) -> None:
    alice = console.login()
    plan = alice.plan("scale", tier="shop", count=3)
    assert [console.bare(line) for line in plan.json["actions"]] == ["start shop-3 (scale up)"]
    assert console.audit.page() == []
    answer = alice.act(plan.json["plan"])
    assert answer.status == 202
    action = answer.json["action"]
    console.ended(console.actions.action(action))
    assert console.names() == ["shop-1", "shop-2", "shop-3"]
    shown = alice.get(f"/api/actions/{action}").json
    assert (shown["state"], shown["actor"]) == ("done", "alice")
    assert [entry["kind"] for entry in alice.get("/api/audit").json] == ["result", "intent"]
    assert alice.get("/api/actions").json[0]["id"] == action
    assert alice.get("/api/audit?actor=bob").json == []
    assert alice.post(f"/api/actions/{action}/halt").status == 422


def test_the_same_key_twice_is_one_action(console: Console) -> None:
    alice, bob = console.login("alice"), console.login("bob")
    plan = alice.plan("scale", tier="shop", count=3).json["plan"]
    first = alice.act(plan, key="click-0001").json["action"]
    assert alice.act(plan, key="click-0001").json["action"] == first
    console.ended(console.actions.action(first))
    assert alice.act(plan, key="click-0001").json["action"] == first
    assert alice.act(plan, key="click-0002").status == 404
    other = bob.plan("scale", tier="shop", count=2).json["plan"]
    second = bob.act(other, key="click-0001").json["action"]
    assert second != first
    third = alice.plan("roll", tier="dates").json["plan"]
    refused = alice.act(third, key="click-0001")
    assert (refused.status, "another plan" in refused.problems[0]) == (422, True)
    console.ended(console.actions.action(second))


def test_a_key_without_an_answer_is_that_of_its_plan(console: Console) -> None:
    alice = console.login()
    first = alice.plan("scale", tier="shop", count=3).json["plan"]
    console.call(console.stop_agent())
    assert alice.act(first, key="click-0001").status == 503
    console.call(console.start_agent())
    second = alice.plan("roll", tier="dates").json["plan"]
    refused = alice.act(second, key="click-0001")
    assert (refused.status, "another plan" in refused.problems[0]) == (422, True)
    answer = alice.act(first, key="click-0001")
    assert answer.status == 202
    console.ended(console.actions.action(answer.json["action"]))
    assert len(console.names()) == 3


def test_a_key_of_a_refused_plan_is_free(console: Console) -> None:
    alice = console.login()
    assert alice.act("0" * 32, key="click-0001").status == 404
    plan = alice.plan("scale", tier="shop", count=3).json["plan"]
    answer = alice.act(plan, key="click-0001")
    assert answer.status == 202
    console.ended(console.actions.action(answer.json["action"]))


def test_a_cluster_that_moved_gives_the_new_plan(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = console.login()
    plan = alice.plan("scale", tier="shop", count=3).json["plan"]
    console.cluster.engine.remove(console.node("shop-2"))

    def moved(*_arguments: object) -> None:
        raise ChangedError("plan: got another plan now (start shop-2), want the one that was shown (fix: agree again)")

    with monkeypatch.context() as patch:
        patch.setattr(console.actions, "do", moved)
        answer = alice.act(plan)
    assert answer.status == 409
    assert answer.problems[0].startswith("plan: got another plan now")
    assert len(answer.json["plan"]["actions"]) == 2
    action = alice.act(answer.json["plan"]["plan"]).json["action"]
    console.ended(console.actions.action(action))
    assert len(console.names()) == 3


def test_the_last_node_wants_its_tier_typed(console: Console) -> None:
    alice = console.login()
    plan = alice.plan("scale", tier="shop", count=0).json
    assert plan["type_name"] == "shop"
    assert alice.act(plan["plan"]).status == 422
    action = alice.act(plan["plan"], typed="shop").json["action"]
    console.ended(console.actions.action(action))
    assert console.names() == []


def test_what_is_shown_of_tiers_and_nodes(console: Console) -> None:
    vera = console.login("vera")
    node = console.node("shop-1")
    assert vera.get("/api/tiers").json["shop"]["desired"] == 2
    tier = vera.get("/api/tiers/shop").json
    assert (tier["name"], len(tier["nodes"]), node in tier["nodes"]) == ("shop", 2, True)
    assert vera.get(f"/api/nodes/{node}").json["tier"] == "shop"
    assert vera.get("/api/events?count=5").json == []


def test_figures_for_prometheus(console: Console) -> None:
    answer = console.login("vera").get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    for line in ("evenkeel_agent_up 1", 'evenkeel_tier_desired{tier="shop"} 2', 'evenkeel_tier_drift{tier="dates"} 0'):
        assert line in lines
    assert Browser(console).get("/metrics").status == 401


def test_a_report_is_opened_once_and_in_time_without_a_session(console: Console) -> None:
    vera, other = console.login("vera"), Browser(console)
    assert vera.get("/api/me").json["links"]["report"] is True
    first = vera.post("/api/links", {"to": "report"})
    assert first.status == 201
    url = first.json["url"]
    assert len(url) >= len("/r/") + 22
    answer = other.get(url)
    assert (answer.status, answer.content) == (200, b"<h1>Report</h1>")
    policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert answer.headers.get_all("Content-Security-Policy") == [policy]
    assert answer.headers.get_all("Cross-Origin-Opener-Policy") == ["unsafe-none"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert other.get(url).status == 404
    late = vera.post("/api/links", {"to": "report"}).json["url"]
    console.now.at += 31
    assert other.get(late).status == 404
    assert other.post("/api/links", {"to": "report"}).status == 401


def test_before_the_first_look_a_node_is_not_told_as_missing(console: Console) -> None:
    assert console.agent is not None
    alice, node = console.login(), console.node("shop-1")
    paths = [f"/api/nodes/{node}/log", f"/api/samples?nodes={node}", "/api/history?tier=shop"]
    for state in ({}, {**console.state(), "trouble": ["docker"], "nodes": {}, "tiers": {}}):
        console.agent.changes = Changes()
        if state:
            console.agent.changes.set(state)
        answers = [alice.get(path) for path in paths]
        assert [answer.status for answer in answers] == [503] * 3
        assert answers[0].problems == ["nodes: got no look at the cluster yet, want one (fix: try again in a moment)"]
    console.agent.changes.set({**console.state(), "nodes": {}, "tiers": {}})
    assert [alice.get(path).status for path in paths] == [404] * 3


def test_a_report_comes_in_pieces_and_one_at_a_time(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    vera, bob, other = console.login("vera"), console.login("bob"), Browser(console)
    path = Path(console.web_settings["report"])
    content = b"0123456789abcdef" * 65536 * 16
    path.write_bytes(content)
    monkeypatch.setattr(Path, "read_bytes", lambda _path: 1 / 0)
    monkeypatch.setattr("evenkeel_console.server.UNREAD_SECONDS", 60.0)

    def link(browser: Browser) -> str:
        return str(browser.post("/api/links", {"to": "report"}).json["url"])

    first = http.client.HTTPConnection("127.0.0.1", console.port, timeout=30)
    first.request("GET", link(vera))
    answer = first.getresponse()
    # Its client does not read on: the user's next one is refused, another user's is not.
    assert other.get(link(vera)).status == 429
    assert other.get(link(bob)).content == content
    assert answer.read() == content
    first.close()
    again = other.get(link(vera))
    assert (again.status, again.headers["Content-Length"]) == (200, str(len(content)))
    path.write_bytes(content + b"x")
    for _ in range(2):
        assert other.get(link(vera)).status == 404


def test_the_page_and_its_parts(console: Console) -> None:
    browser = Browser(console)
    page = browser.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    part = browser.get("/assets/app-A1B2C3D4.js")
    assert part.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Content-Encoding" not in part.headers
    zipped = browser.get("/assets/app-A1B2C3D4.js", **{"Accept-Encoding": "br, gzip;q=0.8"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert len(zipped.content) < len(part.content)


def test_a_full_disk_is_one_line(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = console.login()

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evenkeel_console.tokens.write_json", full)
    answer = alice.post("/api/tokens", {"name": "a"})
    assert answer.status == 503
    assert answer.problems == [
        "data folder: got 'No space left on device', want room to write (fix: free space on the disk)"
    ]
    assert alice.get("/api/tokens").json == []


def test_a_fault_is_one_line_without_details(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = console.login()
    monkeypatch.setattr("evenkeel_console.metrics.exposition", lambda _state: 1 / 0)
    answer = alice.get("/metrics")
    assert answer.status == 500
    assert answer.problems[0].startswith("console: got a fault of its own (ZeroDivisionError)")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
