"""No secret of a tier is in what a module shows: its result, its diff, the options that Ansible repeats, its errors."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from tests.unit.fakes.cluster import parsed_tiers
from tests.unit.modules.test_node_pool import CLUSTER, Host

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import pack
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.lock import discard_lock
from ansible_collections.evenkeel.cluster.plugins.modules import (
    cluster_info,
    drill,
    node_pool,
    node_pool_info,
    preflight,
)

CANARY = "canary-5d1c"
RAW: dict[str, Any] = {
    "image": "res/web:1",
    "port": 8080,
    "path": "/",
    "nodes": 2,
    "secrets": {"db_password": CANARY, "port": "8080"},
    "secret_environment": {"TOKEN": CANARY},
}
PACKED = pack({"web": {key: RAW[key] for key in ("secrets", "secret_environment")}})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    found = Host(tmp_path)
    found.tier = parsed_tiers({"web": RAW}, CLUSTER)["web"]
    monkeypatch.setenv("DOCKER_HOST", found.socket.address)
    yield found
    found.socket.close()
    discard_lock(CLUSTER)


def options(host: Host, folder: Path, **differs: Any) -> dict[str, Any]:
    more = {"tier_secrets": PACKED, "secrets_dir": str(folder / "secrets"), **differs}
    return host.options(tiers=[dataclasses.asdict(host.tier)], **more)


def shown(module: Any, arguments: dict[str, Any], capsys: pytest.CaptureFixture[str], *, check: bool = False) -> str:
    """All that a module prints."""
    with patch_module_args({**arguments, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_verbosity": 3}):
        with pytest.raises(SystemExit):
            module.main()
        captured = capsys.readouterr()
    return captured.out + captured.err


DRILL = {"scenario": "steady", "url": "http://127.0.0.1:9", "duration": 3, "rate": 20, "clients": 10}


def test_no_module_shows_a_value(host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    left = tmp_path / "declaration.json"
    arguments = options(host, tmp_path)
    host.socket.answers["/info"] = (200, {"DockerRootDir": str(tmp_path)})
    texts = [
        shown(node_pool, {**arguments, "declaration_file": str(left)}, capsys, check=True),
        shown(node_pool, {**arguments, "declaration_file": str(left)}, capsys),
        shown(node_pool_info, arguments, capsys),
        shown(node_pool_info, {**arguments, "require_agreement": True, "settle_timeout": 0}, capsys),
        shown(cluster_info, {**arguments, "state_dir": str(tmp_path)}, capsys),
        shown(drill, {**arguments, **DRILL}, capsys),
    ]
    assert [CANARY in text for text in texts] == [False] * len(texts)
    assert [PACKED in text for text in texts] == [False] * len(texts)
    assert "secret db_password of web added" in texts[0]
    assert json.loads(texts[2])["tiers"]["web"]["drift"] != []
    # A secret that is like a port does not remove ports from the result.
    assert '"port": 8080' in texts[2]


def test_the_control_shows_it(host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    visible = dataclasses.replace(host.tier, path=f"/{CANARY}/", labels={"x": CANARY})
    arguments = host.options(tiers=[dataclasses.asdict(visible)], tier_secrets=PACKED, secrets_dir=str(tmp_path))
    assert CANARY in shown(node_pool_info, arguments, capsys)


def test_without_a_value_the_line_names_it(host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for packed in ("", pack({"web": {"secrets": {"port": CANARY}}}), CANARY):
        text = shown(node_pool, options(host, tmp_path, tier_secrets=packed), capsys)
        message = json.loads(text)["msg"]
        assert "got no value of db_password" in message or "tier_secrets: got another text" in message
        assert CANARY not in text


def test_only_a_run_makes_the_key(host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown(node_pool, options(host, tmp_path), capsys, check=True)
    shown(node_pool_info, options(host, tmp_path), capsys)
    assert not (tmp_path / "secrets").exists()
    shown(node_pool, options(host, tmp_path), capsys)
    assert (tmp_path / "secrets/key").stat().st_size > 60


@pytest.mark.parametrize(
    "raw, packed, line",
    [
        (RAW, PACKED, ""),
        ({**RAW, "secrets": {"a/b": CANARY}}, "", "cluster_tiers.web.secrets: got 'a/b'"),
        (
            RAW,
            pack({"web": {"secret_environment": {"A": [CANARY]}}}),
            "cluster_tiers.web.secret_environment.A: got 'a list'",
        ),
        (RAW, CANARY, "tier_secrets: got another text"),
        ({**RAW, "env_file": "x"}, pack({"web": {"env_file": {"text": CANARY}}}), "env_file: got line 1 of 'x'"),
    ],
)
def test_preflight_shows_no_value(
    host: Host, capsys: pytest.CaptureFixture[str], raw: dict[str, Any], packed: str, line: str
) -> None:
    arguments = {
        "name": CLUSTER,
        "domain": "localhost",
        "hosts": [],
        "engine": "docker",
        "web_port": 8080,
        "dashboard_port": 9000,
        "portainer": False,
        "portainer_port": 9090,
        "image_source": "registry",
        "tiers": {"web": raw},
        "tier_secrets": packed,
        "check_machine": False,
        "may_become": False,
    }
    text = shown(preflight, arguments, capsys)
    assert CANARY not in text
    assert line in text
    assert "db_password" in text or line
