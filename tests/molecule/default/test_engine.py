"""Docker as our role has installed it on a machine that had none."""

from __future__ import annotations

import json

from testinfra.host import Host


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
