"""Docker as our role has installed it on a machine that had none."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests
from testinfra.host import Host
from tests.molecule.conftest import Cluster


def test_docker_is_started_now_and_at_boot(host: Host) -> None:
    assert host.check_output("systemctl is-active docker") == "active"
    assert host.check_output("systemctl is-enabled docker") == "enabled"


def test_no_service_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_docker_is_configured(host: Host) -> None:
    configuration = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert configuration["log-opts"] == {"max-file": "3", "max-size": "10m"}
    assert host.check_output("docker info --format={{.LoggingDriver}}") == "json-file"


def test_the_machine_does_not_rotate_the_access_log(host: Host) -> None:
    """The edge does; both would cut it."""
    assert not host.file("/etc/logrotate.d/evenkeel-evenkeel").exists


def test_a_restart_of_docker_refuses_no_connection(host: Host, cluster: Cluster) -> None:
    """As an upgrade of Docker does; each request opens a connection of its own, from another machine."""
    failed: list[str] = []
    asked: list[int] = []
    over = threading.Event()

    def ask() -> None:
        try:
            asked.append(cluster.get("/api/dates/").status_code)
        except requests.RequestException as error:
            failed.append(str(error))

    def ask_on() -> None:
        while not over.is_set():
            ask()

    with ThreadPoolExecutor(8) as clients:
        runs = [clients.submit(ask_on) for _ in range(8)]
        host.check_output("systemctl restart docker")
        time.sleep(2)
        over.set()
    assert [run.exception() for run in runs] == [None] * len(runs)
    assert failed == []
    assert set(asked) == {requests.codes.ok}
    assert len(asked) > 100
    assert "EVENKEEL-HOLD" not in host.check_output("iptables --list-rules")
