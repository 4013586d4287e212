"""The end of a run: addresses, table, measurements, claims."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.made_measurements import drill, measurements, part, spec

from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claim import Measurements
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claims import claims_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.summary import (
    claim_lines,
    failure_text,
    summary_lines,
)

PAGE = "/home/me/evidence/20260601T101500Z-shop/report.html"


def summary(measured: Measurements, page: str = PAGE) -> list[str]:
    return summary_lines(measured, claims_of(measured), page)


def test_all_is_well() -> None:
    lines = summary(measurements(drill()))
    assert lines[:12] == [
        "Cluster shop is up.",
        "  Web        http://shop.example.org:8080/  http://localhost:8080/",
        "  Dashboard  http://localhost:9000/dashboard/  (user admin, password in"
        " /var/lib/evenkeel/shop/secrets/dashboard_password)",
        "  TIER     DESIRED  RUNNING  IN ROTATION  GUESTS  REVISION      DRIFT",
        "  static   3        3        3            0       0c1d2e3f4a5b  none",
        "  dynamic  3        3        3            0       0c1d2e3f4a5b  none",
        "Measured:",
        "  balance of static: fine",
        "  balance of dynamic: fine",
        "  sticky sessions of static: fine",
        "  sticky sessions of dynamic: fine",
        "  management: fine",
    ]
    assert lines[12:15] == [
        "  drill stop of static, dynamic: 0 requests failed",
        "Claims: 6 of 6 claims proved",
        "  proved: Each tier has several nodes, and declaration, Docker and balancer agree about them",
    ]
    assert lines[-1] == f"Report: {PAGE}"


def test_without_a_page_there_is_no_line_of_it() -> None:
    assert not [line for line in summary(measurements(), "") if line.startswith("Report")]


@pytest.mark.parametrize(
    "users, shown",
    [
        (["admin"], "user admin, password in /var/lib/evenkeel/shop/secrets/console_admin"),
        (["ann", "bob"], "users ann, bob, passwords in /var/lib/evenkeel/shop/secrets/console_<user>"),
    ],
)
def test_the_console_is_shown_with_its_users(users: list[str], shown: str) -> None:
    console = {
        "console": True,
        "console_port": 9080,
        "console_tls": True,
        "console_users": [{"name": n} for n in users],
    }
    measured = dataclasses.replace(measurements(), spec={**spec(), **console})
    assert f"  Console    https://localhost:9080/  ({shown})" in summary(measured)


@pytest.mark.parametrize(
    "file, shown",
    [("", "/var/lib/evenkeel/shop/secrets/portainer_password"), ("/etc/mine", "/etc/mine")],
)
def test_portainer_is_shown_where_it_is(file: str, shown: str) -> None:
    measured = dataclasses.replace(measurements(), spec={**spec(), "portainer": True}, portainer_password=file)
    assert f"  Portainer  http://localhost:9090/  (user admin, password in {shown})" in summary(measured)


def test_what_was_not_measured_has_no_line() -> None:
    gone = dataclasses.replace(
        measurements(), pool={"msg": "Docker: got no answer"}, balance={"static": {"skipped": True}}, management={}
    )
    lines = summary(gone)
    assert lines[0] == "Cluster shop is NOT as declared."
    assert lines[3:6] == ["Measured:", "  sticky sessions of static: fine", "  sticky sessions of dynamic: fine"]


def test_claims_for_a_terminal() -> None:
    measured = measurements()
    part(measured, "balance", "static", "aspects")["sides"].append("got less")
    lines = claim_lines(claims_of(measured))
    assert lines[1:3] == [
        "NOT PROVED: The load balancer distributes HTTP requests between these nodes",
        "  static: got less",
    ]
    assert any(line.startswith("  a quick verification changes nothing") for line in lines)


def test_a_failure_names_claims_page_and_problems() -> None:
    measured = measurements()
    assert failure_text(claims_of(measured), PAGE) == ""
    part(measured, "balance", "static", "aspects")["answers"].append("got 1 of 60 requests lost")
    assert failure_text(claims_of(measured), PAGE) == (
        "3 of 6 claims proved; not proved: distribution, round-robin; not measured: membership"
        f" (see {PAGE})\nstatic: got 1 of 60 requests lost"
    )
    assert "(see" not in failure_text(claims_of(measured), "")
