"""management_check against a server that plays the dashboard and Portainer."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evenkeel.cluster.plugins.modules import management_check

ENTRY = "päss-word"


class Desk:
    """Answers like Traefik's dashboard and Portainer; a test may make it careless."""

    def __init__(self) -> None:
        self.open = False
        self.down = False
        self.wrong_lets_in = False
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(desk.status(self.path, self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply(200 if body == {"Username": "admin", "Password": ENTRY} else 422)

            def reply(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def status(self, path: str, sent: str) -> int:
        if self.down:
            return 502
        if self.open or path == "/healthz":
            return 200
        right = sent == "Basic " + base64.b64encode(f"admin:{ENTRY}".encode()).decode()
        return 200 if right or (sent and self.wrong_lets_in and path != "/api/endpoints") else 401


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.server.shutdown()
    made.server.server_close()


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    file = tmp_path / "password"
    file.write_text(ENTRY + "\n")

    def runner(**options: Any) -> dict[str, Any]:
        arguments = {"api_url": desk.url, "api_password_file": str(file), **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            management_check.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert result.get("failed", False) == (result.get("verdict") != "pass")
        return result

    return runner


def test_the_password_lets_in_and_its_absence_does_not(run: Run) -> None:
    result = run()
    assert result["message"] == (
        "management: dashboard, API let the password in; 4 of 4 questions without it refused, as they must"
    )
    assert [(check["credentials"], check["got"]) for check in result["checks"][:3]] == [
        ("right", 200),
        ("none", 401),
        ("wrong", 401),
    ]
    assert ENTRY not in json.dumps(result, ensure_ascii=False)


def test_portainer_is_asked_where_it_is_wanted(run: Run, desk: Desk, tmp_path: Path) -> None:
    result = run(portainer_url=desk.url, portainer_password_file=str(tmp_path / "password"))
    assert "dashboard, API, Portainer let the password in; 5 of 5" in result["message"]
    assert run(portainer_url=desk.url)["verdict"] == "pass"


def test_the_console_is_well_and_shows_nothing_without_a_login(run: Run, desk: Desk) -> None:
    result = run(console_url=desk.url)
    assert "dashboard, API let the password in; 5 of 5" in result["message"]
    assert [(check["credentials"], check["got"]) for check in result["checks"] if check["what"] == "console"] == [
        ("not needed", 200),
        ("none", 401),
    ]
    desk.open = True
    assert f"got status 200 from {desk.url}/api/tiers without a password" in str(run(console_url=desk.url)["aspects"])
    desk.open, desk.down = False, True
    assert f"got status 502 from {desk.url}/healthz as its health check" in str(run(console_url=desk.url)["aspects"])


def test_a_dashboard_that_is_open_to_all_fails_its_control_only(run: Run, desk: Desk) -> None:
    desk.open = True
    aspects = run()["aspects"]
    assert aspects["access"] == []
    assert aspects["control"][0] == (
        f"got status 200 from {desk.url}/dashboard/ without a password, want status 401 or 403"
        " (fix: ansible-playbook site.yml)"
    )
    assert len(aspects["control"]) == 4


def test_a_dashboard_that_takes_any_password(run: Run, desk: Desk) -> None:
    desk.wrong_lets_in = True
    assert [line.split(",")[0] for line in run()["aspects"]["control"]] == [
        f"got status 200 from {desk.url}/dashboard/ with a wrong password",
        f"got status 200 from {desk.url}/api/version with a wrong password",
    ]


def test_a_dashboard_that_is_down_is_not_refusal(run: Run, desk: Desk) -> None:
    desk.down = True
    result = run()
    assert len(result["aspects"]["access"]) == 2
    assert len(result["aspects"]["control"]) == 4


def test_nothing_listens(run: Run) -> None:
    assert run(api_url="http://127.0.0.1:1")["msg"] == (
        "management: got connection refused from http://127.0.0.1:1/dashboard/ with the password, want status 200"
        " (fix: ansible-playbook site.yml); and 5 more, see problems"
    )


@pytest.mark.parametrize(
    "options, text",
    [
        ({"api_url": "localhost"}, "api_url: got 'localhost', want an http(s) URL (fix: http://127.0.0.1:8080/)"),
        (
            {"portainer_url": "ftp://x"},
            "portainer_url: got 'ftp://x', want an http(s) URL (fix: http://127.0.0.1:8080/)",
        ),
        ({"timeout": 0}, "timeout: got 0.0, want a number from 0.01 to 600 (fix: timeout: 5)"),
        (
            {"api_password_file": "/nowhere"},
            "management: balancer API: got No such file or directory for /nowhere, want a readable password file"
            " (fix: run site.yml, or pass the file which load_balancer wrote)",
        ),
    ],
)
def test_bad_input(run: Run, options: dict[str, Any], text: str) -> None:
    assert run(**options)["msg"] == text
