"""What is derived from an image of others, and from which images nothing can be."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.derivation import (
    derivation_labels,
    is_outdated,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.health import TCP, HealthCheck
from ansible_collections.evenkeel.cluster.plugins.module_utils.images.derive import (
    Original,
    derived,
    dockerfile,
    original,
    refusal,
)

HOLD = "evenkeel/hold:0123456789ab"
TIER: dict[str, Any] = {
    "name": "web",
    "image": "nginx:1",
    "port": 80,
    "health": dataclasses.asdict(HealthCheck("/", contract=False)),
    "container": {"entrypoint": None, "stop_signal": ""},
    "derived": "evenkeel/web",
    "labels": {"evenkeel.tier": "web"},
}
INSPECTED: dict[str, Any] = {
    "Id": "sha256:" + "1" * 64,
    "Architecture": "amd64",
    "Config": {
        "Entrypoint": ["/docker-entrypoint.sh"],
        "Cmd": ["nginx", "-g", "daemon off;"],
        "StopSignal": "SIGQUIT",
        "ExposedPorts": {"80/tcp": {}},
        "OnBuild": None,
    },
}


def inspected(**config: Any) -> Original:
    return original("nginx:1", {**INSPECTED, "Config": {**INSPECTED["Config"], **config}})


def lines(image: Original, **tier: Any) -> list[str]:
    return dockerfile({**TIER, **tier}, image, HOLD).splitlines()


def test_hold_starts_what_the_image_starts() -> None:
    assert lines(inspected()) == [
        f"FROM sha256:{'1' * 64}",
        f"COPY --from={HOLD} /hold /.evenkeel/hold",
        'ENTRYPOINT ["/.evenkeel/hold", "--port", "80", "--gate-seconds", "3", "--stop-signal", "SIGQUIT", "--",'
        ' "/docker-entrypoint.sh"]',
        'CMD ["nginx", "-g", "daemon off;"]',
        "STOPSIGNAL SIGTERM",
        "HEALTHCHECK NONE",
    ]


def test_an_image_with_a_command_alone_can_still_be_given_another_one() -> None:
    found = lines(inspected(Entrypoint=None, StopSignal=""))
    assert found[2].endswith('"--stop-signal", "SIGTERM", "--"]')
    assert found[3] == 'CMD ["nginx", "-g", "daemon off;"]'


def test_words_of_a_command_stay_as_they_are() -> None:
    odd = ["sh", "-c", "echo \"$A\" 'b' \\ ä\n# x"]
    command = next(line for line in lines(inspected(Cmd=odd)) if line.startswith("CMD "))
    assert json.loads(command.removeprefix("CMD ")) == odd


def test_a_health_path_is_told_and_a_missing_port_exposed() -> None:
    found = lines(inspected(ExposedPorts=None), health=dataclasses.asdict(HealthCheck("/up")), port=3000)
    assert (
        '"--port", "3000", "--gate-seconds", "3", "--stop-signal", "SIGQUIT", "--health-path", "/up", "--"' in found[2]
    )
    assert found[-1] == "EXPOSE 3000"


@pytest.mark.parametrize(
    "health, options",
    [
        (HealthCheck("/", contract=False), []),
        (HealthCheck("/", kind=TCP), ["--health", "tcp"]),
        (HealthCheck("/", status=401), ["--health-path", "/", "--health-status", "401"]),
        (
            HealthCheck("/up?a=1", host="shop.example.org", headers={"X-Probe": "b c"}),
            ["--health-path", "/up?a=1", "--health-host", "shop.example.org", "--health-header", "X-Probe: b c"],
        ),
    ],
)
def test_hold_asks_the_application_as_the_tier_says(health: HealthCheck, options: list[str]) -> None:
    first = next(line for line in lines(inspected(), health=dataclasses.asdict(health)) if "ENTRYPOINT" in line)
    words = json.loads(first.removeprefix("ENTRYPOINT "))
    assert words[words.index("SIGQUIT") + 1 : words.index("--")] == options


def test_a_tiers_own_entry_point_and_signal_are_holds_to_know() -> None:
    container = {"entrypoint": ["/serve", "--all"], "stop_signal": "SIGUSR1"}
    found = lines(inspected(), container=container)
    assert found[2].endswith('"--stop-signal", "SIGUSR1", "--", "/serve", "--all"]')
    # As with docker run, another entry point empties the image's command.
    assert found[3] == "CMD []"


def test_the_tag_follows_all_that_goes_into_the_image() -> None:
    def tag(image: Original | None = None, hold: str = HOLD, serial: str = "", **tier: Any) -> str:
        return derived({**TIER, **tier}, image or inspected(), hold, serial).tag

    first = tag()
    assert len(first) == 12
    assert tag() == first
    others = {
        tag(dataclasses.replace(inspected(), image_id="sha256:2")),
        tag(inspected(StopSignal="SIGTERM")),
        tag(hold="evenkeel/hold:ba9876543210"),
        tag(serial="2"),
        tag(labels={"evenkeel.tier": "shop"}),
        tag(health=dataclasses.asdict(HealthCheck("/up"))),
    }
    assert len(others | {first}) == 7


def test_a_derived_image_is_named_after_its_tier() -> None:
    found = derived(TIER, inspected(), HOLD)
    assert (found.name, found.ref, found.latest) == ("web", f"evenkeel/web:{found.tag}", "evenkeel/web:latest")
    assert found.labels == {**TIER["labels"], **derivation_labels(TIER, found.base)}


@pytest.mark.parametrize(
    "changed",
    [
        {"image": "nginx:2"},
        {"port": 81},
        {"health": dataclasses.asdict(HealthCheck("/", kind=TCP))},
        {"health": dataclasses.asdict(HealthCheck("/", status=401))},
        {"health": dataclasses.asdict(HealthCheck("/up", contract=False))},
        {"health": dataclasses.asdict(HealthCheck("/", host="shop", contract=False))},
        {"health": dataclasses.asdict(HealthCheck("/", headers={"X": "y"}, contract=False))},
        {"container": {"entrypoint": ["/serve"], "stop_signal": ""}},
        {"container": {"entrypoint": None, "stop_signal": "SIGINT"}},
        {"labels": {"evenkeel.tier": "web", "evenkeel.service": "web-1"}},
    ],
)
def test_a_change_of_what_is_in_the_image_shows_in_its_labels(changed: dict[str, Any]) -> None:
    found = derived(TIER, inspected(), HOLD)
    assert is_outdated({**TIER, **changed}, found.labels, found.base)
    assert derived({**TIER, **changed}, inspected(), HOLD).tag != found.tag


def test_an_image_is_current_until_what_it_was_made_of_changes() -> None:
    labels = derived(TIER, inspected(), HOLD).labels
    assert not is_outdated({**TIER, "nodes": 3, "memory": 1}, labels, inspected().image_id)
    assert not is_outdated(TIER, labels, "")  # its image is not here any more
    assert is_outdated(TIER, labels, "sha256:2")  # another one was pulled
    assert is_outdated(TIER, {"evenkeel.tier": "web"}, "")  # made by an earlier version


@pytest.mark.parametrize(
    "config, machine, got",
    [
        ({"OnBuild": ["RUN make"]}, "x86_64", "got one with ONBUILD, want an image to run"),
        ({"Entrypoint": None, "Cmd": None}, "x86_64", "got no command, want an ENTRYPOINT or a CMD"),
        ({}, "aarch64", "got one for amd64, want one for aarch64"),
    ],
)
def test_an_image_that_nothing_can_be_derived_from_is_one_line(config: dict[str, Any], machine: str, got: str) -> None:
    line = str(refusal("web", inspected(**config), machine))
    assert line.startswith(f"image nginx:1 of tier web: {got}")
    assert " (fix: " in line


@pytest.mark.parametrize("machine", ["x86_64", ""])
def test_other_images_are_not_refused(machine: str) -> None:
    assert refusal("web", inspected(), machine) is None
    assert refusal("web", inspected(Entrypoint=None), machine) is None


def test_what_is_derived_is_built_by_the_file_that_is_written_for_it() -> None:
    """An image that is built says by this key which file of its context it is built by."""
    found = derived(TIER, original("nginx:1", {"Id": "sha256:aa", "Config": {"Cmd": ["nginx"]}}), HOLD)
    assert "dockerfile" not in dataclasses.asdict(found)
    assert found.text.startswith("FROM sha256:aa\n")
