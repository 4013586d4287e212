"""The Docker client: reading over a real Unix socket, changes through the SDK, errors as one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import docker
import docker.errors
import pytest
import requests
from tests.unit.module_utils.engine.docker_socket import DockerSocket, RecordingSdk, gone, refused

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine import docker_client
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.container_spec import ContainerSpec
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import (
    DockerNotFoundError,
    explain_connection_error,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError, Image

ROOT = Path(docker_client.__file__).parents[6]
SPEC = ContainerSpec(name="web-1", image="res/web:1", network="evenkeel", labels={}, hostname="web-1", stop_timeout=30)


def made(address: str, version: str) -> Any:
    """The real SDK's client; with a given version it asks no engine."""
    return docker.APIClient(base_url=address, version="1.41")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DockerSocket]:
    socket = DockerSocket(tmp_path / "docker.sock")
    yield socket
    socket.close()


@pytest.fixture
def sdk() -> RecordingSdk:
    return RecordingSdk()


@pytest.fixture
def client(engine: DockerSocket, sdk: RecordingSdk) -> DockerClient:
    return DockerClient(engine.address, lambda address, version: sdk)


# -- reading -----------------------------------------------------------------------


def test_the_engine_tells_its_version(client: DockerClient) -> None:
    assert client.connect() == "20.10.24"


def test_the_sdk_speaks_the_engines_version_of_the_api(engine: DockerSocket, sdk: RecordingSdk) -> None:
    asked = []

    def made(address: str, version: str) -> RecordingSdk:
        asked.append((address, version))
        return sdk

    client = DockerClient(engine.address, made)
    client.connect()
    assert client.api is client.api is sdk
    assert asked == [(engine.address, "1.41")]


def test_containers_are_asked_for_by_all_labels(engine: DockerSocket, client: DockerClient) -> None:
    engine.answers["/containers/json"] = (200, [{"Id": "a"}])
    assert client.containers(["evenkeel.cluster=x", "evenkeel.role=node"]) == [{"Id": "a"}]
    ((path, query),) = engine.seen
    assert path == "/containers/json"
    assert query["all"] == ["1"]
    assert json.loads(query["filters"][0]) == {"label": ["evenkeel.cluster=x", "evenkeel.role=node"]}


@pytest.mark.parametrize(
    "record, content",
    [
        ({"Config": {"Labels": {"evenkeel.content": "3f2a"}}, "RepoDigests": ["r@sha256:dd"]}, "3f2a"),
        ({"Config": {"Labels": None}, "RepoDigests": ["other@sha256:ee", "res/web@sha256:dd"]}, "sha256:dd"),
        ({"Config": {"Labels": {}}, "RepoDigests": ["other@sha256:ee"]}, "sha256:aa"),
        ({"Config": None, "RepoDigests": []}, "sha256:aa"),
    ],
    ids=["built here", "pulled", "pulled under another name", "loaded"],
)
def test_an_image_is_named_by_its_content(
    engine: DockerSocket, client: DockerClient, record: dict[str, object], content: str
) -> None:
    engine.answers["/images/res/web:1/json"] = (200, {"Id": "sha256:aa", **record})
    image = client.image("res/web:1")
    assert image is not None
    assert (image.id, image.content) == ("sha256:aa", content)


def test_an_image_that_is_not_there_is_none(client: DockerClient) -> None:
    assert client.image("res/none") is None


def test_a_missing_container_has_its_own_error(client: DockerClient) -> None:
    with pytest.raises(DockerNotFoundError, match="got 'No such thing', want success"):
        client.inspect("x")


@pytest.mark.parametrize(
    "answer, told",
    [((500, {"message": "broken"}), "broken"), ((502, b"<html>"), "<html>")],
    ids=["Docker's words", "no JSON"],
)
def test_a_refusal_is_one_line(
    engine: DockerSocket, client: DockerClient, answer: tuple[int, object], told: str
) -> None:
    engine.answers["/containers/json"] = answer
    with pytest.raises(EngineError) as raised:
        client.containers()
    assert str(raised.value) == f"list of containers: got '{told}', want success (fix: see dockerd's log)"


def test_no_daemon_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as raised:
        DockerClient().connect()
    assert str(raised.value) == (
        f"Docker daemon: got no answer at unix://{tmp_path}/none.sock, want a running daemon"
        " (fix: ansible-playbook site.yml starts it)"
    )


def test_a_remote_engine_is_refused() -> None:
    with pytest.raises(EngineError, match="DOCKER_HOST: got 'tcp://x:1', want a socket of this machine"):
        DockerClient("tcp://x:1").connect()


@pytest.mark.parametrize(
    "error, line",
    [
        (PermissionError(13, "Permission denied"), "got no permission for user"),
        (docker.errors.DockerException("... PermissionError(13, 'Permission denied')"), "got no permission for user"),
        (ConnectionRefusedError(111, "Connection refused"), "got no answer at"),
        (requests.ConnectionError("FileNotFoundError(2, ...)"), "got no answer at"),
        (TimeoutError("timed out"), "got 'timed out', want an answer"),
    ],
)
def test_why_docker_is_not_reached(error: Exception, line: str) -> None:
    assert line in str(explain_connection_error(error))


def test_reading_loads_neither_the_sdk_nor_requests(engine: DockerSocket) -> None:
    code = (
        "import sys\n"
        "from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_nodes import DockerEngine\n"
        f"from {docker_client.__name__} import DockerClient\n"
        f"engine = DockerEngine('c', 'n', {{}}, DockerClient({engine.address!r}))\n"
        "engine.connect(); engine.nodes(); engine.image('x')\n"
        "print(sorted({'docker', 'requests'} & set(sys.modules)))\n"
    )
    engine.answers["/containers/json"] = (200, [])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# -- changing ------------------------------------------------------------------------


def test_a_container_is_created_and_started(client: DockerClient, sdk: RecordingSdk) -> None:
    assert client.run(SPEC) == "c" * 64
    assert [name for name, _ in sdk.calls] == ["create_container", "start"]
    created = sdk.calls[0][1][0]
    assert created["stop_timeout"] == 30
    assert created["host_config"]["CapDrop"] == ["ALL"]


def test_a_container_gets_no_proxy_of_the_users_docker_configuration(
    tmp_path: Path, engine: DockerSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real SDK reads the file; only what it would send to Docker is caught."""
    proxies = {"httpProxy": "http://127.0.0.1:3128", "noProxy": "localhost"}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": proxies}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    sent: list[dict[str, Any]] = []

    def caught(api: Any, config: dict[str, Any], *_: object) -> dict[str, str]:
        sent.append(config)
        return {"Id": "c" * 64}

    monkeypatch.setattr(docker.APIClient, "create_container_from_config", caught)
    DockerClient(engine.address, made).create(image="i", environment={"A": "1"})
    made(engine.address, "1.41").create_container("i")
    assert [config.get("Env") for config in sent] == [["A=1"], ANY]
    assert "HTTP_PROXY=http://127.0.0.1:3128" in sent[1]["Env"], "control: the SDK adds them unless it is told not to"


def test_every_container_is_created_in_one_place() -> None:
    """Where it is said that the user's proxies are not wanted."""
    plugins = Path(docker_client.__file__).parents[2]
    places = [path.name for path in plugins.rglob("*.py") if ".create_container(" in path.read_text(encoding="utf-8")]
    assert places == ["docker_client.py"]


def test_a_second_network_is_joined_before_the_start(client: DockerClient, sdk: RecordingSdk) -> None:
    client.run(ContainerSpec(name="edge", image="i", network="n", labels={}, also_in=("bridge",)))
    assert [name for name, _ in sdk.calls] == ["create_container", "connect_container_to_network", "start"]
    assert sdk.calls[1][1] == ("c" * 64, "bridge")


def test_nothing_half_made_is_left(client: DockerClient, sdk: RecordingSdk) -> None:
    sdk.failures["start"] = refused("port is taken")
    with pytest.raises(EngineError) as raised:
        client.run(SPEC)
    assert str(raised.value) == "node web-1: got 'port is taken', want success (fix: see dockerd's log)"
    assert sdk.calls[-1] == ("remove_container", ("c" * 64, {"force": True, "v": True}))


def test_a_stop_gives_the_seconds_that_it_is_told(
    engine: DockerSocket, client: DockerClient, sdk: RecordingSdk
) -> None:
    engine.answers["/containers/web-1/json"] = (200, {"State": {"ExitCode": 137}})
    assert client.stop("web-1", 33) == 137
    assert sdk.calls == [("stop", ("web-1", {"timeout": 33}))]


@pytest.mark.parametrize("running", [False, True], ids=["it ends", "it does not"])
def test_another_signal_is_sent_and_its_end_awaited(
    engine: DockerSocket, client: DockerClient, sdk: RecordingSdk, running: bool
) -> None:
    engine.answers["/containers/web-1/json"] = (200, {"State": {"ExitCode": 0, "Running": running}})
    sdk.failures["kill"] = refused("is not running")
    assert client.stop("web-1", 0, "SIGQUIT") == 0
    assert sdk.calls == [("kill", ("web-1", "SIGQUIT")), ("stop", ("web-1", {"timeout": 0}))]


def test_a_container_that_is_removed_during_its_stop_has_no_exit_code(client: DockerClient, sdk: RecordingSdk) -> None:
    assert client.stop("web-1", 3) is None
    sdk.failures["stop"] = gone()
    assert client.stop("web-1", 3) is None


def test_a_removed_container_cannot_be_started_again(client: DockerClient, sdk: RecordingSdk) -> None:
    client.start_again("web-1")
    assert sdk.calls == [("start", ("web-1",))]
    sdk.failures["start"] = gone()
    with pytest.raises(EngineError) as raised:
        client.start_again("web-1")
    assert str(raised.value) == "start of web-1: got no container, want it there (fix: see what removed it)"


@pytest.mark.parametrize("failure", [None, gone(), refused("removal of container x is already in progress")])
def test_a_removal_that_another_process_makes_is_no_error(
    client: DockerClient, sdk: RecordingSdk, failure: Exception | None
) -> None:
    if failure:
        sdk.failures["remove_container"] = failure
    client.remove("web-1")
    assert sdk.calls == [("remove_container", ("web-1", {"force": True, "v": True}))]


def test_a_removal_that_is_refused_is_an_error(client: DockerClient, sdk: RecordingSdk) -> None:
    sdk.failures["remove_container"] = refused("device is busy")
    with pytest.raises(EngineError, match="removal of web-1: got 'device is busy'"):
        client.remove("web-1")


def test_log_lines_are_joined_to_one(client: DockerClient, sdk: RecordingSdk) -> None:
    assert client.logs("web-1") == "first | second"
    sdk.failures["logs"] = refused()
    assert client.logs("web-1") == ""


def test_a_connection_that_breaks_is_one_line(client: DockerClient, sdk: RecordingSdk) -> None:
    sdk.failures["start"] = requests.ConnectionError("Connection aborted")
    with pytest.raises(EngineError, match="got 'Connection aborted', want an answer"):
        client.start_again("web-1")


def test_images_compare_by_value() -> None:
    assert Image("a", {"x": "y"}, "c") == Image("a", {"x": "y"}, "c")


@pytest.mark.parametrize("codes", [[0], [None, 0], [None, None, 3]])
def test_a_command_has_its_exit_code_also_when_docker_tells_it_late(
    client: DockerClient, sdk: RecordingSdk, codes: list[int | None]
) -> None:
    expected = codes[-1]
    sdk.exit_codes = codes
    assert client.execute("edge", ["true"]) == (expected, "said\n")


def test_a_command_that_does_not_end_is_one_line(
    client: DockerClient, sdk: RecordingSdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_client, "_EXEC_SECONDS", 0.1)
    sdk.exit_codes = [None]
    with pytest.raises(EngineError, match="command in edge: got no exit code, want its end"):
        client.execute("edge", ["sleep", "9"])
