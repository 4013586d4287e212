"""The balancer's configuration: what differs per slot, and what tells which slot drains."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.config import (
    SLOTS,
    draining_slot,
    edge_config,
    reload_config,
    static_config,
)


def test_reload_config_differs_but_in_nothing_that_is_used() -> None:
    text = reload_config()
    assert draining_slot(text) == ""
    assert text.startswith(edge_config(""))
    strip = '{{ if eq (env "EVENKEEL_SLOT") "none" }}evenkeel-draining, {{ end }}'
    loaded, usual = (yaml.safe_load(each.replace(strip, ""))["http"]["middlewares"] for each in (text, edge_config("")))
    assert loaded == {**usual, "evenkeel-reload": {"headers": {"customResponseHeaders": {"X-Reload": "1"}}}}


def test_static_config_adds_what_only_the_slot_has() -> None:
    web = {"address": ":8000", "reusePort": True}
    config = {"entryPoints": {"web": web}, "api": {}}
    assert static_config(config, "green") == {
        "entryPoints": {
            "web": web,
            "own": {
                "address": ":9002",
                "observability": {"accessLogs": False, "metrics": False, "tracing": False},
            },
        },
        "api": {},
    }
    assert config == {"entryPoints": {"web": web}, "api": {}}
    assert static_config({}, "blue")["entryPoints"]["own"]["address"] == ":9001"


@pytest.mark.parametrize("draining", ["", *SLOTS])
def test_edge_config_tells_which_slot_drains(draining: str) -> None:
    text = edge_config(draining)
    assert draining_slot(text) == draining
    assert f'(env "EVENKEEL_SLOT") "{draining or "none"}"' in text
    # What Traefik's template leaves of it, in the slot that drains and in the other.
    condition = f'{{{{ if eq (env "EVENKEEL_SLOT") "{draining or "none"}" }}}}'
    inside = text.replace(condition, "").replace("{{ end }}", "")
    outside = text[: text.index(condition)] + text[text.index("{{ end }}") + len("{{ end }}") :]
    chains = [
        yaml.safe_load(each)["http"]["middlewares"]["evenkeel-edge"]["chain"]["middlewares"]
        for each in (inside, outside)
    ]
    assert chains == [["evenkeel-draining", "evenkeel-retry"], ["evenkeel-retry"]]


def test_draining_slot_of_another_text() -> None:
    assert draining_slot("") == draining_slot("http: {}") == ""
