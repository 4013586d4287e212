"""The table of connections is read on the host, or in the container where the host's processes cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.module_utils.engine.docker_socket import DockerSocket, RecordingSdk

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_tables import open_tables
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError

EDGE = "e" * 64


@pytest.fixture
def sdk() -> RecordingSdk:
    return RecordingSdk()


@pytest.fixture
def client(tmp_path: Path, sdk: RecordingSdk) -> Iterator[DockerClient]:
    socket = DockerSocket(tmp_path / "docker.sock")
    socket.answers[f"/containers/{EDGE}/json"] = (200, {"State": {"Pid": 71}})
    yield DockerClient(socket.address, lambda *_: sdk)
    socket.close()


def process(folder: Path, cgroup: str) -> Path:
    (folder / "71/net").mkdir(parents=True)
    (folder / "71/cgroup").write_text(cgroup)
    (folder / "71/net/tcp").write_text("four\n")
    (folder / "71/net/tcp6").write_text("six\n")
    return folder


@pytest.mark.parametrize("cgroup", [f"0::/docker/{EDGE}\n", f"0::/system.slice/docker-{EDGE}.scope\n"])
def test_both_tables_are_read_on_the_host(client: DockerClient, sdk: RecordingSdk, tmp_path: Path, cgroup: str) -> None:
    assert open_tables(client, EDGE, process(tmp_path / "proc", cgroup)) == "four\nsix\n"
    assert sdk.calls == []


def test_a_kernel_without_ipv6_has_one_table(client: DockerClient, sdk: RecordingSdk, tmp_path: Path) -> None:
    folder = process(tmp_path / "proc", f"0::/docker/{EDGE}\n")
    (folder / "71/net/tcp6").unlink()
    assert open_tables(client, EDGE, folder) == "four\n"
    assert sdk.calls == []


def test_another_process_of_that_number_is_not_asked(client: DockerClient, sdk: RecordingSdk, tmp_path: Path) -> None:
    assert open_tables(client, EDGE, process(tmp_path / "proc", "0::/user.slice\n")) == "said\n"
    assert sdk.calls[0] == ("exec_create", (EDGE, ["sh", "-c", "cat /proc/net/tcp6 2>/dev/null; cat /proc/net/tcp"]))


def test_where_no_process_can_be_seen_the_container_is_asked(
    client: DockerClient, sdk: RecordingSdk, tmp_path: Path
) -> None:
    assert open_tables(client, EDGE, tmp_path) == "said\n"
    sdk.exit_codes = [1]
    with pytest.raises(EngineError, match=r"connections of eeeeeeeeeeee: got 'said', want its tables \(fix: "):
        open_tables(client, EDGE, tmp_path)
