"""What a person types: curl and docker only, the same in the report and in the documentation."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.made_measurements import spec, tier

from ansible_collections.evenkeel.cluster.plugins.module_utils.report.addresses import ClusterAddresses, addresses_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.report.procedures import PROCEDURES, as_markdown

ROOT = Path(__file__).parents[4]
DOCUMENT = ROOT / "docs/validation.md"


def default_addresses() -> ClusterAddresses:
    """The cluster of the role's defaults, as root has it."""
    defaults = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text())
    tiers = []
    for name, options in defaults["cluster_tiers"].items():
        usual: dict[str, Any] = {"strategy": "wrr", "cookie": {"name": f"evenkeel_{name}"}, "strip_path": False}
        tiers.append({**usual, **options, "name": name, "nodes": 3})
    return addresses_of(
        {
            "name": defaults["cluster_name"],
            "web_port": defaults["cluster_web_port"],
            "dashboard_port": defaults["cluster_dashboard_port"],
            "hosts": ["labo-http.res.ch", "localhost", "127.0.0.1"],
            "console": defaults["cluster_console"],
            "console_port": defaults["cluster_console_port"],
            "console_tls": False,
            "console_users": [{"name": "admin", "role": "operator"}],
            "portainer": defaults["cluster_portainer"],
            "state_dir": "/var/lib/evenkeel/evenkeel",
            "tiers": tiers,
        }
    )


@pytest.mark.parametrize("claim", PROCEDURES)
def test_the_documentation_says_what_the_report_says(claim: str) -> None:
    text = DOCUMENT.read_text()
    (written,) = re.findall(rf"<!-- steps: {claim} -->\n\n(.*?)\n<!-- end of steps -->", text, re.DOTALL)
    assert written == as_markdown(PROCEDURES[claim](default_addresses()))


def test_the_documentation_has_the_order_of_the_claims() -> None:
    assert re.findall(r"<!-- steps: (\S+) -->", DOCUMENT.read_text()) == list(PROCEDURES)


def commands(addresses: ClusterAddresses) -> list[str]:
    return [command for steps in PROCEDURES.values() for step in steps(addresses) for command in step.commands]


CLUSTERS = [
    default_addresses(),
    addresses_of({**spec(), "portainer": True}),
    addresses_of({**spec(tier("web", True, nodes=1)), "hosts": ["shop.example.org"]}),
    addresses_of(spec(tier("a b$(reboot)'\"", True))),
    addresses_of(spec(), unnamed={"static"}),
    addresses_of(spec(), unnamed={"static", "dynamic"}),
]
IDS = ["default", "portainer", "one node", "nasty", "one unnamed", "all unnamed"]


@pytest.mark.parametrize("addresses", CLUSTERS, ids=IDS)
def test_nothing_but_curl_and_docker(addresses: ClusterAddresses) -> None:
    for command in commands(addresses):
        # What is between $( and ) starts with docker, too.
        outer = re.sub(r"\$\(docker [^()]*(?:\([^()]*\)[^()]*)*\)", "X", command)
        assert shlex.split(outer)[0] in {"curl", "docker"}, command
        assert not re.search(r"[|;&]", re.sub(r"'[^']*'", "", outer)), command


@pytest.mark.parametrize("addresses", CLUSTERS, ids=IDS)
def test_commands_are_correct_shell(addresses: ClusterAddresses) -> None:
    for command in commands(addresses):
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command


def test_each_procedure_has_a_control() -> None:
    for claim, steps in PROCEDURES.items():
        if claim != "nodes":
            assert any("Control, which must" in step.text for step in steps(default_addresses())), claim


@pytest.mark.parametrize("unnamed", [{"static"}, {"static", "dynamic"}])
def test_answers_that_do_not_name_their_node_are_looked_up_in_the_log(unnamed: set[str]) -> None:
    addresses = addresses_of(spec(), unnamed=unnamed)
    for claim, steps in PROCEDURES.items():
        for step in steps(addresses):
            for command in step.commands:
                if any(f"/{name}/" in command for name in unnamed):
                    assert "x-served-by" not in command or claim == "membership"
        if claim in {"distribution", "round-robin", "sticky"}:
            assert any("ServiceAddr does" in step.shows for step in steps(addresses)), claim
            assert any("Control, which must" in step.text for step in steps(addresses)), claim
    membership = as_markdown(PROCEDURES["membership"](addresses))
    assert ("the first terminal shows it" in membership) is ("dynamic" not in unnamed)


def test_a_host_name_is_sent_where_localhost_is_not_answered() -> None:
    addresses = addresses_of({**spec(), "hosts": ["shop.example.org"]})
    assert addresses.header == "-H 'Host: shop.example.org' "
    assert addresses_of({**spec(), "hosts": []}).header == ""


def test_a_guest_runs_what_is_derived_from_the_image_of_its_tier() -> None:
    held = tier("web", False, context=None, image="nginx:1.27", derived="evenkeel/web")
    text = as_markdown(PROCEDURES["membership"](addresses_of(spec(held), unnamed={"web"})))
    assert "docker run -d --name shop-web-guest evenkeel/web" in text
    assert "nginx" not in text


def test_a_tier_that_is_not_built_here_gets_no_guest() -> None:
    addresses = addresses_of(spec(tier("web", False, context="")))
    assert "docker run" not in as_markdown(PROCEDURES["membership"](addresses))
    assert "docker stop shop-web-1" in as_markdown(PROCEDURES["membership"](addresses))
