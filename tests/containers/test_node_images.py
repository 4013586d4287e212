"""The node image contract, point by point, on both images: as a guest without options and as a managed node.

The images are `res/apache_php:latest` and `res/express:latest`; `EVENKEEL_STATIC_IMAGE` and
`EVENKEEL_DYNAMIC_IMAGE` name others.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import (
    DRAIN_SECONDS,
    INTERNAL_PORT,
    TIERS,
    Start,
    ask,
    until,
)


def test_every_answer_names_the_node(start: Start) -> None:
    node = start()
    for path, status in ((node.tier.page, 200), ("/healthz", 200), ("/no/such/path", 404), (node.tier.slow + "x", 400)):
        answer = node.get(path)
        assert (answer.status, answer.headers["X-Served-By"]) == (status, node.name), path
    assert node.get("/healthz").body == b""
    assert node.get("/healthz", method="HEAD").status == 200


def test_answers_disclose_no_versions_and_forbid_sniffing(start: Start) -> None:
    answer = start().get("/")
    assert answer.headers["X-Powered-By"] is None
    assert answer.headers["Server"] in {None, "Apache"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_malformed_request_is_answered_by_name_too(start: Start) -> None:
    node = start()
    connection = node.connect()
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(b"GET / HTTP/1.1\r\nno colon here\r\n\r\n")
    received = b""
    while chunk := connection.sock.recv(4096):
        received += chunk
    connection.close()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert f"X-Served-By: {node.name}\r\n".encode() in received


def test_requests_are_counted_exactly_and_probes_not(start: Start) -> None:
    node = start()
    before = node.stats()
    assert (before["node"], before["requests"], before["draining"]) == (node.name, 0, False)
    with ThreadPoolExecutor(50) as pool:
        paths = [node.tier.page, "/healthz"] * 200
        assert {answer.status for answer in pool.map(node.get, paths)} == {200}
    # Apache writes its record when the last byte has left, which the client may see first.
    until(lambda: node.stats()["requests"] >= 200, 2, f"{node.stats()}: no 200 requests")
    time.sleep(0.2)
    assert node.stats()["requests"] == 200


def test_a_key_is_executed_once(start: Start) -> None:
    node = start()
    with ThreadPoolExecutor(20) as pool:
        results = [answer.json() for answer in pool.map(node.post, ["one"] * 20)]
    assert [(result["node"], result["key"], result["executions"]) for result in results] == [(node.name, "one", 1)] * 20
    assert sum(not result["replayed"] for result in results) == 1
    assert node.post("two").status == 200
    assert node.post("two", '{"a": 2}').status == 422
    assert node.get(node.tier.post, method="POST").status in {400, 415}
    executions = node.get("/executions", INTERNAL_PORT).json()
    assert executions["keys"] == [
        {"key": "one", "executions": 1, "replays": 19},
        {"key": "two", "executions": 1, "replays": 0},
    ]
    stats = node.stats()
    assert (stats["executed"], stats["replayed"]) == (2, 19)


def test_sigterm_is_a_lame_duck(start: Start) -> None:
    node = start()
    kept = [node.connect() for _ in range(100)]  # as many idle connections as a balancer keeps
    for connection in kept:
        answer = ask(connection, "/healthz")
        assert answer.status == 200
        assert answer.headers.get("Connection", "keep-alive").lower() == "keep-alive"
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(node.get, f"{node.tier.slow}{1000 * DRAIN_SECONDS + 1500}")
        time.sleep(0.3)
        began = time.monotonic()
        node.container.kill("SIGTERM")
        until(lambda: node.get("/healthz").status == 503, 1, "healthz did not turn 503")
        for connection in kept:  # politely ended, never cut
            answer = ask(connection, node.tier.page)
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert node.get("/healthz").body.strip() == b"draining"
        assert node.stats()["draining"] is True
        node.container.kill("SIGTERM")  # does not shorten the drain
        assert node.run("drain", "off")[0] == 1  # nor does anything cancel it
        while time.monotonic() - began < DRAIN_SECONDS - 0.5:
            answer = node.get(node.tier.page)
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            time.sleep(0.05)
        last = slow.result()
        assert (last.status, last.headers["Connection"]) == (200, "close")
    assert node.exit_code() == 0
    assert time.monotonic() - began < 9  # a guest gets 10 s


def test_docker_stop_ends_well_within_its_time(start: Start) -> None:
    node = start()
    node.get(node.tier.page)
    began = time.monotonic()
    node.container.stop()
    assert DRAIN_SECONDS <= time.monotonic() - began < 8
    assert node.exit_code() == 0


def test_the_drain_time_is_a_setting(start: Start) -> None:
    node = start(environment={"EVENKEEL_DRAIN_SECONDS": "0"})
    began = time.monotonic()
    node.container.kill("SIGTERM")
    assert node.exit_code() == 0
    assert time.monotonic() - began < 3


def test_a_stop_during_the_start_ends_well(start: Start) -> None:
    node = start(wait=False, environment={"EVENKEEL_DRAIN_SECONDS": "1"})
    if node.tier.name == "dynamic":  # until Node.js runs JavaScript, the kernel keeps signals from PID 1
        until(lambda: b"serving" in node.container.logs(), 10, "no start")
    node.container.kill("SIGTERM")
    assert node.exit_code() == 0


def test_a_bad_setting_is_one_clear_line(start: Start) -> None:
    node = start(wait=False, environment={"EVENKEEL_DRAIN_SECONDS": "soon"})
    assert node.exit_code() == 1
    log = node.container.logs().decode()
    assert "EVENKEEL_DRAIN_SECONDS: got 'soon', want a whole number" in log
    assert log.count("\n") == 1


def test_drain_on_and_off(start: Start) -> None:
    node = start()
    assert node.run("drain", "on")[0] == 0
    answer = node.get("/healthz")
    assert (answer.status, answer.headers["Connection"]) == (503, "close")
    assert node.get(node.tier.page).status == 200
    assert node.run("drain", "off")[0] == 0
    answer = node.get("/healthz")
    assert (answer.status, answer.headers.get("Connection", "keep-alive").lower()) == (200, "keep-alive")
    assert node.run("drain", "maybe")[0] == 2
    for method in ("POST", "DELETE"):  # from outside the container
        assert node.get("/drain", INTERNAL_PORT, method).status == 403
    assert node.stats()["draining"] is False


def test_the_image_is_plain(start: Start) -> None:
    node = start()
    assert node.container.image is not None
    config = node.container.image.attrs["Config"]
    assert config["ExposedPorts"] == {f"{node.tier.port}/tcp": {}}
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config.get("Healthcheck") is None
    code, status = node.run("cat", "/proc/1/status")
    assert code == 0
    assert "Uid:\t10001\t10001\t10001\t10001" in status
    assert "ca-bundle" not in node.run("find", "/app", "/srv", "/etc", "-name", "ca-bundle*")[1]


def test_nothing_is_written_outside_run_and_tmp(start: Start) -> None:
    node = start()
    node.get(node.tier.page)
    node.post("one")
    node.stats()
    changes = [str(change["Path"]) for change in node.container.diff() or []]
    assert [path for path in changes if path != "/run" and not path.startswith(("/run/", "/tmp"))] == []


@pytest.mark.parametrize("tier", [TIERS[0]], ids=["static"], indirect=True)
@pytest.mark.parametrize("process", ["apache2", "php-fpm"])
def test_a_node_ends_when_one_of_its_servers_does(start: Start, process: str) -> None:
    node = start()
    script = (  # the server itself, not a process of its own: those it starts again
        'for p in /proc/[0-9]*; do grep -q "^PPid:.1$" "$p/status" || continue; '
        f'case $(tr "\\0" " " <"$p/cmdline") in {process}*) kill -KILL "${{p#/proc/}}"; exit;; esac; done; exit 9'
    )
    # 137: the container ended, and this shell with it, before the shell could
    assert node.run("sh", "-c", script)[0] in (0, 137)
    assert node.exit_code(5) == 1
    assert "ended by itself" in node.container.logs().decode()


@pytest.mark.parametrize("tier", [TIERS[0]], ids=["static"], indirect=True)
def test_busy_scripts_stop_neither_probes_nor_counters(start: Start) -> None:
    node = start()
    with ThreadPoolExecutor(40) as pool:
        slow = [pool.submit(node.get, "/slow.php?delay_ms=1500") for _ in range(40)]
        time.sleep(0.5)
        began = time.monotonic()
        assert node.get("/healthz").status == 200
        assert node.stats()["draining"] is False
        assert time.monotonic() - began < 0.5
        assert {answer.result().status for answer in slow} == {200}


@pytest.mark.parametrize("tier", [TIERS[0]], ids=["static"], indirect=True)
def test_the_page_is_whole_and_its_own(start: Start) -> None:
    node = start()
    page = node.get("/").body.decode()
    assert f'data-page-node="{node.name}"' in page
    assert "http://" not in page
    assert "https://" not in page
    for path, kind in (("style.css", "text/css"), ("app.js", "text/javascript"), ("favicon.svg", "image/svg+xml")):
        answer = node.get(f"/{path}")
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, kind)
    assert node.get("/whoami.php").json() == {"node": node.name}
    assert node.get("/broken.php").status == 500
    for hidden in ("/stats", "/stats.php", "/lib/node.php", "/../lib/node.php", "/server-status"):
        assert node.get(hidden).status in {400, 403, 404}, hidden


@pytest.mark.parametrize("tier", [TIERS[0]], ids=["static"], indirect=True)
def test_php_files_have_no_syntax_errors(start: Start) -> None:
    node = start()
    command = 'set -e; for f in $(find /srv/evenkeel -name "*.php"); do php8.4 -n -d opcache.enable_cli=0 -l "$f"; done'
    code, output = node.run("sh", "-c", command)
    assert code == 0, output
    assert output.count("No syntax errors") >= 8
