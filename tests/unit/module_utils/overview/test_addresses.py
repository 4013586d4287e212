"""Published addresses: what is asked, from where, and what counts as an answer."""

from __future__ import annotations

import os

import pytest
from tests.unit.servers import ScriptedServer, ok, say

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.http_client import Answer, first_answer, health
from ansible_collections.evenkeel.cluster.plugins.module_utils.overview import look
from ansible_collections.evenkeel.cluster.plugins.module_utils.overview.addresses import (
    NAMESPACE,
    OWN_ADDRESS,
    Question,
    address_part,
    questions_of,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.overview.neighbour import ask_as_neighbour

WEB = Question("web", "0.0.0.0", 8080, serves=True)


def test_options_become_questions() -> None:
    (question,) = questions_of([{"name": "web", "address": "0.0.0.0", "port": "8080", "path": "/a/", "serves": True}])
    assert question == Question("web", "0.0.0.0", 8080, "/a/", "", True)
    assert question.url == "http://127.0.0.1:8080/a/"


@pytest.mark.parametrize(
    "address, local", [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("192.0.2.1", False)]
)
def test_the_loopback_has_no_neighbours(address: str, local: bool) -> None:
    assert Question("web", address, 1).is_local is local


def test_both_sides_are_told() -> None:
    found = address_part(WEB, Answer(200), Answer(0, reason="connection refused"), NAMESPACE, "mend it")
    assert found["part"] == "web address"
    assert found["state"] == "status 200 from this machine, connection refused from another network"
    assert found["lines"] == [
        "web http://127.0.0.1:8080/: got connection refused from another network, want an answer (fix: mend it)"
    ]
    assert address_part(WEB, Answer(404), None, "", "mend it")["lines"] == []


@pytest.mark.parametrize("status, serves, lines", [(503, True, 1), (503, False, 0), (401, True, 0), (500, True, 0)])
def test_an_answer_without_a_node_is_none_where_nodes_are_declared(status: int, serves: bool, lines: int) -> None:
    question = Question("web", "0.0.0.0", 8080, serves=serves)
    assert len(address_part(question, Answer(status), None, "", "mend it")["lines"]) == lines


def test_only_the_headers_are_waited_for() -> None:
    server = ScriptedServer(say(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999999\r\n\r\n"))
    try:
        answer = first_answer(f"{server.url}/a", host="shop.example.org")
    finally:
        server.close()
    assert (answer.status, answer.headers["location"]) == (302, "/x")
    assert server.requests[0].startswith(b"GET /a HTTP/1.1\r\n")
    assert b"\r\nHost: shop.example.org\r\n" in server.requests[0]
    assert first_answer(server.url).reason == "connection refused"
    assert first_answer("ftp://x").status == 0


def test_a_nodes_health_is_the_status_alone_and_no_redirect_is_followed() -> None:
    server = ScriptedServer(say(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999999\r\n\r\n"))
    try:
        assert health(f"{server.url}/up?a=1", {"Host": "shop.example.org", "X-Probe": "b"}) == 302
    finally:
        server.close()
    (request,) = server.requests
    assert request.startswith(b"GET /up?a=1 HTTP/1.1\r\n")
    assert request.count(b"Host: ") == 1
    assert b"\r\nHost: shop.example.org\r\n" in request
    assert b"\r\nX-Probe: b\r\n" in request
    assert health(server.url) == 0


def test_a_neighbour_gets_an_answer_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that may make no network namespace asks the machine's own address; the loopback stands for it here."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    server = ScriptedServer(say(ok()))
    questions = [Question("web", "0.0.0.0", server.port), Question("other", "127.0.0.1", server.port)]
    try:
        assert [answer.status for answer in ask_as_neighbour(questions, "127.0.0.1")[1]] == [200, 200]
        # What is published everywhere is asked at the machine's own address, where this server does not listen.
        (other, same) = ask_as_neighbour(questions, "127.0.0.2")[1]
        assert (other.reason, same.status) == ("connection refused", 200)
    finally:
        server.close()
    way, answers = ask_as_neighbour(questions, "127.0.0.1")
    assert (way, [answer.reason for answer in answers]) == (OWN_ADDRESS, ["connection refused"] * 2)
    assert ask_as_neighbour(questions, "") == ask_as_neighbour([], "127.0.0.1") == ("", [])


def test_what_the_edge_does_not_publish_is_not_mended_by_its_restart() -> None:
    questions = [Question(name, "127.0.0.1", 1) for name in ("web", "console", "portainer")]
    lines = [part["lines"][0] for part in look._address_parts(questions, "", "docker restart shop-edge")]
    fixes = ["docker restart shop-edge", "ansible-playbook site.yml", "ansible-playbook site.yml"]
    assert [line.partition("(fix: ")[2].removesuffix(")") for line in lines] == fixes


def test_a_console_with_a_certificate_is_asked_over_tls() -> None:
    (question,) = questions_of([{"name": "console", "address": "::", "port": 9080, "path": "/healthz", "tls": True}])
    assert question.url == "https://[::1]:9080/healthz"
