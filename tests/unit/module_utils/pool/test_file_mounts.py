"""Files that nodes read are part of their revision; everything else that they mount is not."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from tests.unit.module_utils.host.machines import PARAMS, spec_of

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool import file_mounts
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.file_mounts import with_contents
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.options import request_of
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.revision import node_options, revision


def tier(source: str, *, read_only: bool = True) -> Tier:
    mounts = [{"source": source, "target": "/run/x/secret", "read_only": read_only}]
    tiers = {"app": {**PARAMS["tiers"]["app"], "mounts": mounts}}
    return spec_of(tiers=tiers).tiers[0]


def revision_of(found: Tier) -> str:
    return revision("image", node_options(found, "shop"))


def test_changed_secret_makes_another_revision(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one")
    before = revision_of(with_contents(tier(str(secret))))
    assert revision_of(with_contents(tier(str(secret)))) == before
    secret.write_text("two")
    assert revision_of(with_contents(tier(str(secret)))) != before
    secret.write_text("one")
    os.utime(secret, (1, 1))
    assert revision_of(with_contents(tier(str(secret)))) == before


@pytest.mark.parametrize("kind", ["written", "folder", "missing", "volume", "pipe", "large"])
def test_what_is_no_setting_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        path.write_text("some")
    if kind == "large":
        monkeypatch.setattr(file_mounts, "_LARGEST", 3)
    declared = tier("volume" if kind == "volume" else str(path), read_only=kind != "written")
    assert with_contents(declared) == declared


def test_modules_of_the_pool_heed_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one")
    params: dict[str, Any] = {
        "cluster": "shop",
        "tiers": [dataclasses.asdict(tier(str(secret)))],
        "images": {},
        "hosts": [],
        "tier_secrets": "",
        "secrets_dir": None,
    }
    (mount,) = request_of(params).tiers["app"].mounts
    assert mount["content"] == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"


def profiled(path: Path) -> Tier:
    tiers = {"app": {**PARAMS["tiers"]["app"], "security_opt": [f"seccomp={path}"]}}
    return with_contents(spec_of(tiers=tiers).tiers[0])


def test_a_profile_is_what_is_in_its_file(tmp_path: Path) -> None:
    """The engine takes no name of a file."""
    path = tmp_path / "web.json"
    path.write_text('{"defaultAction":\n "SCMP_ACT_ALLOW", "a": 1}')
    found = profiled(path)
    assert found.container.security_opt == ["no-new-privileges", 'seccomp={"a":1,"defaultAction":"SCMP_ACT_ALLOW"}']
    before = revision_of(found)
    path.write_text('{"a": 1, "defaultAction": "SCMP_ACT_ALLOW"}')
    assert revision_of(profiled(path)) == before
    path.write_text('{"defaultAction": "SCMP_ACT_ERRNO"}')
    assert revision_of(profiled(path)) != before


@pytest.mark.parametrize("content", [None, "not JSON"])
def test_a_profile_that_cannot_be_read_is_left_to_the_engine(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "web.json"
    if content is not None:
        path.write_text(content)
    assert profiled(path).container.security_opt == ["no-new-privileges", f"seccomp={path}"]
