"""What the knobs of role load_balancer become in the balancer's static configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = Path(__file__).parents[3] / "roles/load_balancer"


def timeouts(**knobs: str) -> dict[str, Any]:
    """The time-outs of the web's entry point, as Traefik reads them."""
    loader = DataLoader()
    variables = {"cluster_spec": {"name": "unit", "network": "unit"}}
    for file in ("defaults/main.yml", "vars/main.yml"):
        variables |= loader.load_from_file(str(ROLE / file), trusted_as_template=True)
    static = Templar(loader, variables={**variables, **knobs}).template(variables["_load_balancer_static"])
    return dict(static["entryPoints"]["web"]["transport"]["respondingTimeouts"])


def test_uploads_and_downloads_may_take_any_time() -> None:
    """Traefik's own default for reading is 60 s, so it must be written, not left out."""
    assert (timeouts()["readTimeout"], timeouts()["writeTimeout"]) == ("0s", "0s")


@pytest.mark.parametrize(
    "knob, name",
    [
        ("load_balancer_read_timeout", "readTimeout"),
        ("load_balancer_write_timeout", "writeTimeout"),
        ("load_balancer_client_idle_timeout", "idleTimeout"),
    ],
)
def test_a_limit_is_a_knob(knob: str, name: str) -> None:
    assert timeouts(**{knob: "61s"}) == {**timeouts(), name: "61s"}
