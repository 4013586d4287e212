"""A host without anything, and what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.module_utils.balancer.fakes import FakeHost, made_options

from ansible_collections.evenkeel.cluster.plugins.module_utils.balancer.reconcile import BalancerRequest
from ansible_collections.evenkeel.cluster.plugins.module_utils.core import lock


@pytest.fixture
def lock_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A place for the lock of this test alone."""
    place = tmp_path / "lock"
    monkeypatch.setattr(lock, "lock_path", lambda cluster: place)
    return place


@pytest.fixture
def host(tmp_path: Path, lock_file: Path) -> FakeHost:
    host = FakeHost(made_options(tmp_path))
    host.options.watch_file.write_text(host.options.watch_script)
    return host


@pytest.fixture
def request_(host: FakeHost, tmp_path: Path) -> BalancerRequest:
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    return BalancerRequest("shop", host.options, "admin", str(password_file))
