"""What the agent is told when it starts: a JSON file that the role ``console`` writes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import EvenkeelError, Problem, quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits

_FIX = "ansible-playbook site.yml --tags console"


class SettingsError(EvenkeelError):
    """The settings cannot be used."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """All of it. Paths are those inside of the agent's container; those of the state folder are the same outside.

    Attributes:
        cluster: the cluster's name.
        network: of its managed nodes.
        declaration: the file that the last reconciliation left.
        overrides: the file with the counts that were set here.
        routes_file: the balancer's routes.
        api_url: of the balancer's API.
        api_user: of the same.
        api_password_file: of the same.
        access_log: the balancer's.
        data_dir: the agent's own folder: journals.
        socket: where the web process asks.
        web_user: the user that may ask, a number.
        docker_socket: Docker's.
        limits: of a reconciliation.
        web_url: where the tiers are asked for a verification, without a path; empty for no verification.
        web_host: the host name to ask for there; empty for that of the address.
        keep: whether nodes that ended or hang are replaced without being asked.
    """

    cluster: str
    network: str
    declaration: Path
    overrides: Path
    routes_file: Path
    api_url: str
    api_user: str
    api_password_file: Path
    access_log: Path
    data_dir: Path
    socket: Path
    web_user: int
    docker_socket: Path = Path("/var/run/docker.sock")
    limits: RolloutLimits = dataclasses.field(default_factory=RolloutLimits)
    web_url: str = ""
    web_host: str = ""
    keep: bool = False


def read_settings(path: Path) -> Settings:
    """Read the file.

    Raises:
        SettingsError: it cannot be read, or lacks something.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(Problem(str(path), f"'{error.strerror}'", "the agent's settings", _FIX)) from error
    except ValueError as error:
        raise SettingsError(Problem(str(path), "text that is not JSON", "the agent's settings", _FIX)) from error
    if not isinstance(found, dict):
        raise SettingsError(Problem(str(path), quote(found), "a JSON object", _FIX))
    return _settings(path, found)


def _settings(path: Path, found: Mapping[str, Any]) -> Settings:
    known = {field.name: field for field in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name not in known:
            raise SettingsError(Problem(f"{path}: {name}", "a setting that does not exist", "none", _FIX))
        kind = str(known[name].type)
        values[name] = RolloutLimits(**value) if kind == "RolloutLimits" else Path(value) if kind == "Path" else value
    missing = sorted(
        name
        for name, field in known.items()
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    if missing:
        raise SettingsError(Problem(str(path), f"no {', '.join(missing)}", "all settings", _FIX))
    return Settings(**values)
