"""The parts of the web process, one by one: settings, start, TLS, record, assets, odd answers of an agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from asyncio import constants
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from evenkeel_console import agent_client, models
from evenkeel_console.__main__ import main
from evenkeel_console.agent_client import AgentClient
from evenkeel_console.assets import Assets, AssetsError
from evenkeel_console.desk import Memory
from evenkeel_console.gate import check_json
from evenkeel_console.links import OnceLinks
from evenkeel_console.metrics import exposition
from evenkeel_console.problems import RefusedError, quote
from evenkeel_console.record import Record
from evenkeel_console.report import Reports
from evenkeel_console.server import configured
from evenkeel_console.settings import SettingsError, read_settings
from evenkeel_console.store import StoreError, read_json, write_json
from pydantic import ValidationError
from tests.unit.fakes.console import CHEAP, Clock

WEB = Path(__file__).parents[3] / "files/console/web"


def good(folder: Path) -> dict[str, Any]:
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets/index.html").write_text("<!doctype html>")
    return {
        "cluster": "c",
        "listen": "127.0.0.1",
        "port": 0,
        "agent_socket": str(folder / "agent.sock"),
        "data_dir": str(folder),
        "users": [{"name": "alice", "role": "operator"}],
        "links": {"site": "http://localhost/"},
        "assets": str(folder / "assets"),
    }


def written(folder: Path, **changed: Any) -> Path:
    path = folder / "web.json"
    path.write_text(json.dumps(good(folder) | changed))
    return path


def test_settings_are_read(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path))
    assert (found.users, found.certificate, found.origins) == ({"alice": "operator"}, None, ())
    assert found.links == {"site": "http://localhost/", "dashboard": "", "portainer": ""}


BAD: dict[str, tuple[Any, ...]] = {
    "port": ("9080", -1, 65536, True, 1.5, None),
    "listen": ("", 1, None, "a\nb"),
    "data_dir": ("", "relative", 1, ["/x"]),
    "users": (
        {},
        "alice",
        [1],
        [{"name": "alice"}],
        [{"name": "A", "role": "viewer"}],
        [{"name": "alice", "role": "root"}],
        [{"name": "alice", "role": "viewer"}] * 2,
        [{"name": 1, "role": "viewer"}],
        [{"name": "console", "role": "viewer"}],
    ),
    "links": ([], {"other": ""}, {"site": 1}, {"site": "javascript:alert(1)"}),
    "hosts": ("a", [1], [""]),
    "origins": ("a", [1], ["null"], ["https://a/b"], ["console.example.org"]),
    "proxies": ("10.0.0.1", [1], [""], ["10.0.0.1/24"], ["proxy.example.org"], None),
    "certificate": (1, "/only/one"),
    "unknown": (1,),
    "unknown\nline": (1,),
}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in BAD.items() for value in values])
def test_settings_that_cannot_be_used_are_one_line(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(written(tmp_path, **{name: value}))
    text = str(caught.value)
    assert name.partition("\n")[0] in text
    assert text.count("\n") == 0
    assert text.endswith("(fix: ansible-playbook site.yml --tags console)")


def test_a_start_that_fails_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evenkeel_console.passwords._HASHER", CHEAP)

    def started(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["evenkeel_console", *arguments])
        return main(), capsys.readouterr().err

    bad = tmp_path / "bad.json"
    bad.write_text("{")
    tokens = tmp_path / "kept"
    tokens.mkdir()
    (tokens / "tokens.json").write_text("[]")
    (tmp_path / "none").mkdir()
    for code, arguments in (
        (2, []),
        (1, [str(tmp_path / "missing.json")]),
        (1, [str(bad)]),
        (1, [str(written(tmp_path, assets=str(tmp_path / "none")))]),
    ):
        found, text = started(*arguments)
        assert (found, text.count("\n")) == (code, 1), text
        assert "got " in text
        assert "(fix: " in text
    for changed in ({"data_dir": str(tokens)}, {"certificate": "/nothing.pem", "key": "/nothing.key"}):
        found, text = started(str(written(tmp_path, **changed)))
        assert (found, text.count("\n")) == (1, 1), text


def test_it_serves_until_sigterm(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "evenkeel_console", str(written(tmp_path, port=port))], cwd=WEB)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert connection.recv(4096).startswith(b"HTTP/1.1 200")
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()


def certificate(folder: Path, name: str) -> None:
    """A certificate of one's own, in place of what is there."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(folder / "new.key"), "-out", str(folder / "new.pem")]
    subprocess.run([*command, *files, "-subj", f"/CN={name}"], check=True, capture_output=True)
    os.replace(folder / "new.key", folder / "web.key")
    os.replace(folder / "new.pem", folder / "web.pem")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl")
def test_tls_is_modern_and_takes_a_renewed_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenkeel_console.passwords._HASHER", CHEAP)
    monkeypatch.setattr(constants, "SSL_HANDSHAKE_TIMEOUT", 60.0)
    certificate(tmp_path, "first")
    paths = {"certificate": str(tmp_path / "web.pem"), "key": str(tmp_path / "web.key")}
    settings = read_settings(written(tmp_path, **paths))

    async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
        return None

    config = configured(settings, nothing)
    assert config.ssl is not None
    assert constants.SSL_HANDSHAKE_TIMEOUT == 10.0
    assert config.ssl.minimum_version == ssl.TLSVersion.TLSv1_2
    assert {item["name"].partition("-")[0] for item in config.ssl.get_ciphers()} <= {
        "ECDHE",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
    }

    async def renewed() -> None:
        assert config.callback_notify is not None
        await config.callback_notify()

    def name() -> bytes:
        """Of the certificate that a client is shown, from a handshake in memory."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
        client = client_context.wrap_bio(incoming, outgoing)
        assert config.ssl is not None
        server = config.ssl.wrap_bio(outgoing, incoming, server_side=True)
        for _ in range(4):
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        return client.getpeercert(binary_form=True) or b""

    assert b"first" in name()
    certificate(tmp_path, "second")
    asyncio.run(renewed())
    assert b"second" in name()
    (tmp_path / "web.pem").write_text("broken")
    asyncio.run(renewed())
    assert b"second" in name()


def test_files_are_replaced_whole_and_for_the_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    assert path.stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            write_json(path, {"a": 2})
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]
    path.write_text("{")
    with pytest.raises(StoreError, match="fix: remove the file"):
        read_json(path)


def test_the_record_is_bounded_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    record = Record(path, limit=20_000)
    for number in range(1000):
        record.add(float(number), "login", "alice", address="192.0.2.1\nX")
    assert sum(item.stat().st_size for item in tmp_path.iterdir()) <= 20_000
    Record(path).add(1.0, "logout", "bob")
    newest = Record(path).page(before=2**53, count=2)
    assert [(entry["number"], entry["actor"]) for entry in newest] == [(1001, "bob"), (1000, "alice")]
    assert Record(path).page(before=2**53, count=9, actor="bob")[0]["kind"] == "logout"


def test_assets_are_a_table(tmp_path: Path) -> None:
    with pytest.raises(AssetsError, match=r"no index\.html"):
        Assets(tmp_path)
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "index.html").write_text("x")
    (folder / "style-0A1B2C3D.css").write_text("x")
    (folder / "plain.js").write_text("x")
    (folder / "notes.sh").write_text("x")
    (tmp_path / "outside.js").write_text("x")
    (folder / "link.js").symlink_to(tmp_path / "outside.js")
    found = Assets(folder)
    for name in ("notes.sh", "link.js", "../outside.js", "index.html", "", "plain.js/", "PLAIN.js"):
        assert found.of(name) is None
    plain, hashed = found.of("plain.js"), found.of("style-0A1B2C3D.css")
    assert plain is not None
    assert hashed is not None
    assert (plain.cache, "immutable" in hashed.cache) == ("no-cache", True)


def test_links_are_bounded() -> None:
    clock = Clock()
    links = OnceLinks(clock)
    made = [links.make("vera") for _ in range(200)]
    assert len(set(made)) == 200
    assert [links.use(name) for name in (made[0], made[-1], made[-1], "")] == [None, "vera", None, None]


@pytest.mark.parametrize("count", [-1, 1001, 2.0, True, "3", [3]])
def test_the_web_process_passes_no_odd_count_on(count: object) -> None:
    with pytest.raises(ValidationError):
        models.Wish.model_validate({"verb": "scale", "tier": "shop", "count": count})


@pytest.mark.parametrize("new", ["x" * 11, "x" * 1025])
def test_passwords_that_are_too_short_or_long_are_not_computed(new: str) -> None:
    with pytest.raises(ValidationError):
        models.NewPassword.model_validate({"old": "x", "new": new})


@pytest.mark.parametrize(
    "content", [b'{"a":"\xff"}', b'{"a":1,"a":2}', b"[" * 5000, b"[NaN]", b'{"a":{"b":1,"b":2}}', b"{} {}", b"{"]
)
def test_json_that_two_programs_may_read_in_two_ways(content: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        check_json(content)
    assert caught.value.status == 400


def test_what_is_kept_of_plans_is_bounded() -> None:
    memory = Memory()
    for number in range(1000):
        memory.keep(str(number), None)
    assert (len(memory), "999" in memory, "0" in memory) == (500, True, False)


def test_a_report_that_is_no_file_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none", None):
        with pytest.raises(RefusedError) as caught:
            asyncio.run(Reports().answer(path, "vera"))
        assert caught.value.status == 404


def test_labels_of_figures_are_escaped() -> None:
    text = exposition(
        {"tiers": {'a"b\\c\nd': {"desired": 3, "in_rotation": None, "drift": ["x", "y"], "running": "9"}}}
    )
    assert 'evenkeel_tier_desired{tier="a\\"b\\\\c\\nd"} 3' in text.splitlines()
    assert 'evenkeel_tier_drift{tier="a\\"b\\\\c\\nd"} 2' in text.splitlines()
    assert "in_rotation{" not in text
    assert "running{" not in text


@pytest.mark.parametrize(
    "value, shown",
    [
        (None, "nothing"),
        ("a\r\n\x1b[31m\u202e", "'a\\r\\n\\x1b[31m\\u202e'"),
        ("\ud800", "'\\ud800'"),
        ("x" * 100, "'" + "x" * 77 + "...'"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "an object of 1"),
        (True, "true"),
        (10**1000, "a number of very many digits"),
    ],
)
def test_values_in_lines(value: object, shown: str) -> None:
    assert quote(value) == shown


@pytest.mark.parametrize(
    "status, content, wanted",
    [
        (200, b"no JSON", 502),
        (500, b"<h1>", 502),
        (400, b"[]", 502),
        (403, b'{"problems": ["agent: no"]}', 502),
        (302, b"", 502),
        (404, b'{"problems": ["a\\nb"]}', 404),
        (200, b"[" + b"1," * 3000 + b"1]", 502),
    ],
)
def test_odd_answers_of_an_agent(
    tmp_path: Path, status: int, content: bytes, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_client, "MAX_ANSWER", 5000)
    settings = read_settings(written(tmp_path))

    async def answered(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=content, headers={"Location": "http://192.0.2.1/"})

    async def elsewhere(_request: web.Request) -> web.Response:
        return web.json_response({})

    async def asked() -> RefusedError:
        app = web.Application()
        app.router.add_get("/v1/state", answered)
        # Where a redirect would lead to: it is not followed.
        app.router.add_get("/", elsewhere)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, settings.agent_socket).start()
        client = AgentClient(settings)
        try:
            with pytest.raises(RefusedError) as caught:
                await client.get_json("/v1/state")
            return caught.value
        finally:
            await client.close()
            await runner.cleanup()

    error = asyncio.run(asked())
    assert error.status == wanted
    assert all(line.isprintable() for line in error.lines)
