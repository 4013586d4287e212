"""What the tests of Molecule's scenarios share: the cluster on the instance, seen from outside."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from testinfra.host import Host

ROOT = Path(__file__).parents[2]
TIMEOUT = 10


@dataclasses.dataclass(frozen=True)
class Tier:
    """What a scenario declares about a tier."""

    name: str
    path: str
    nodes: frozenset[str]
    sticky: bool
    cookie: str


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The cluster as its users reach it."""

    address: str
    name: str
    domain: str
    any_host: bool
    web: str
    dashboard: str
    state: str
    tiers: dict[str, Tier]
    user: str
    password: str

    def get(self, path: str, *, host: str = "", session: requests.Session | None = None) -> requests.Response:
        """Send a request to the web entry point; follow no redirect."""
        with session or client() as one:
            return one.get(
                self.web + path, headers={"Host": host or self.domain}, timeout=TIMEOUT, allow_redirects=False
            )

    def ask_dashboard(self, path: str, password: str = "") -> requests.Response:
        """Send a request to the dashboard's entry point."""
        with client() as one:
            auth = (self.user, password) if password else None
            return one.get(self.dashboard + path, auth=auth, timeout=TIMEOUT)

    def reloads(self) -> float:
        """How often the balancer has taken a new configuration."""
        metrics = self.ask_dashboard("/metrics", self.password).text
        found = re.search(r"^traefik_config_reloads_total (\S+)$", metrics, re.MULTILINE)
        assert found, metrics[:500]
        return float(found[1])

    def sequence(self, tier: Tier, requests_per_node: int) -> list[str]:
        """Who answers clients without cookies, measured while the balancer keeps its configuration."""
        for _ in range(3):
            before = self.reloads()
            answers = [self.get(tier.path) for _ in range(requests_per_node * len(tier.nodes))]
            if self.reloads() == before:
                assert {answer.status_code for answer in answers} == {200}
                return [answer.headers["X-Served-By"] for answer in answers]
        pytest.fail("the balancer never kept its configuration while it was measured")


def client() -> requests.Session:
    """A client that goes through no proxy."""
    session = requests.Session()
    session.trust_env = False
    return session


def declared_tiers(variables: dict[str, Any]) -> dict[str, Tier]:
    """The tiers of the scenario's inventory, else the project's defaults."""
    defaults: dict[str, Any] = {
        "static": {"path": "/", "nodes": 3, "sticky": True},
        "dynamic": {"path": "/api/dates/", "nodes": 3, "sticky": False},
    }
    cluster = variables.get("cluster_name", "evenkeel")
    # Nodes of another cluster than the default one carry its name.
    prefix = "" if cluster == "evenkeel" else f"{cluster}-"
    return {
        name: Tier(
            name=name,
            path=tier["path"],
            nodes=frozenset(f"{prefix}{name}-{number}" for number in range(1, tier["nodes"] + 1)),
            sticky=tier["sticky"],
            cookie=tier.get("cookie", {}).get("name", f"evenkeel_{name}"),
        )
        for name, tier in variables.get("cluster_tiers", defaults).items()
    }


@pytest.fixture(scope="module")
def cluster(host: Host) -> Cluster:
    """The cluster that the scenario has brought up."""
    variables = host.ansible.get_variables()
    name = variables.get("cluster_name", "evenkeel")
    state = variables.get("cluster_state_dir", f"/var/lib/evenkeel/{name}")
    address = host.interface("eth0").addresses[0]
    return Cluster(
        address=address,
        name=name,
        domain=variables.get("cluster_domain", "labo-http.res.ch"),
        any_host=variables.get("cluster_hosts") == [],
        web=f"http://{address}:{variables.get('cluster_web_port', 8080)}",
        dashboard=f"http://{address}:{variables.get('cluster_dashboard_port', 9000)}",
        state=state,
        tiers=declared_tiers(variables),
        user=variables.get("cluster_dashboard_user", "admin"),
        password=host.file(f"{state}/secrets/dashboard_password").content_string.strip(),
    )


def play(playbook: str) -> str:
    """Run a playbook of this repository on the instance and return what it printed."""
    inventory = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory"
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"--inventory={inventory}", playbook]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
