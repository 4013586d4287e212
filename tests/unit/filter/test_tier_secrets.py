"""What leaves the controller of the tiers' secrets, and in which of two options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.module_utils.inventory.samples import cluster

from ansible_collections.evenkeel.cluster.plugins.filter.tier_secrets import tier_secrets
from ansible_collections.evenkeel.cluster.plugins.filter.without_secrets import without_secrets
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.secrets import unpack
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.parse import parse_cluster

CANARY = "canary-5d1c"


def test_values_and_the_text_of_files_are_packed(tmp_path: Path) -> None:
    (tmp_path / "x.env").write_text(f"A={CANARY}")
    tiers = {
        "web": {"port": 80, "secrets": {"pin": CANARY}, "secret_environment": {"B": 5}, "env_file": "x.env"},
        "plain": {"port": 80, "environment": {"C": "1"}},
    }
    packed = tier_secrets(tiers, str(tmp_path))
    assert unpack(packed) == {
        "web": {"secrets": {"pin": CANARY}, "secret_environment": {"B": 5}, "env_file": {"text": f"A={CANARY}"}}
    }
    assert CANARY not in packed
    assert tier_secrets({"plain": tiers["plain"]}) == ""
    absolute = {"web": {"env_file": str(tmp_path / "x.env")}}
    assert unpack(tier_secrets(absolute, "/elsewhere"))["web"]["env_file"] == {"text": f"A={CANARY}"}


def test_why_a_file_was_not_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"A=\xe9")
    (tmp_path / "large").write_bytes(b"x" * 1024**2)
    (tmp_path / "folder").mkdir()

    def problem(path: str) -> object:
        return unpack(tier_secrets({"web": {"env_file": path}}, str(tmp_path)))["web"]["env_file"]

    assert problem("none") == {"problem": "no file"}
    assert problem("folder") == {"problem": "a folder"}
    assert problem("large") == {"problem": "1 MiB or more"}
    assert problem("latin") == {"problem": "bytes that are not UTF-8"}


def test_what_removes_a_cluster_needs_no_file(tmp_path: Path) -> None:
    tiers = {"web": {"image": "w", "port": 80, "path": "/", "nodes": 1, "env_file": "gone"}}

    def problems(*, read_files: bool) -> list[str]:
        given = unpack(tier_secrets(tiers, str(tmp_path), read_files=read_files))
        return [str(problem) for problem in parse_cluster({**cluster(tiers=tiers), "tier_secrets": given})[1]]

    for text in (None, "no entry\n"):
        if text:
            (tmp_path / "gone").write_text(text)
        assert len(problems(read_files=True)) == 1
        assert problems(read_files=False) == []


@pytest.mark.parametrize("tiers", [None, [], "x", {"web": None}, {"web": [CANARY]}, {"web": {"env_file": 7}}])
def test_what_cannot_be_read_is_left_to_the_checks(tiers: object) -> None:
    assert tier_secrets(tiers) == ""
    assert CANARY not in repr(without_secrets(tiers))


@pytest.mark.parametrize(
    "tier, left",
    [
        ({"port": 80, "secrets": {"pin": CANARY}}, {"port": 80}),
        ({"secret_environment": [CANARY], "accept_visible": True}, {"accept_visible": True}),
        ({"env_file": "x.env", "environment": {"A": "1"}}, {"env_file": "x.env", "environment": {"A": "1"}}),
        ({"secrts": {"pin": CANARY}, "port": "{{ x }}"}, {"secrts": None, "port": "{{ x }}"}),
        ([CANARY], "a list"),
        (CANARY, "text"),
    ],
)
def test_what_is_left_for_the_option_that_ansible_shows(tier: Any, left: Any) -> None:
    assert without_secrets({"web": tier}) == {"web": left}
