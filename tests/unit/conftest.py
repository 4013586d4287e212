"""Settings of all unit tests: they run the same everywhere and touch nothing outside of themselves."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Time limits per example only measure how busy the machine is. In CI the examples are the same in each run.
settings.register_profile("evenkeel", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("evenkeel")


@pytest.fixture(autouse=True)
def _no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Point the Docker client at a socket that is not there: a unit test that needs a daemon is not one."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path_factory.getbasetemp()}/no-docker.sock")
