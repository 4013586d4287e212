"""What the role console writes for its two processes is what they read."""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from evenkeel_agent.settings import read_settings as read_agent_settings
from evenkeel_console.settings import read_settings as read_web_settings
from tests.unit.module_utils.inventory.samples import cluster, parsed

ROLE = Path(__file__).parents[3] / "roles/console"


@functools.cache
def declared(file: str) -> Any:
    """What a file of the role says."""
    return DataLoader().load_from_file(str(ROLE / file), trusted_as_template=True)


@functools.cache
def spec() -> Any:
    return parsed(cluster(console=True, portainer=True)).as_dict()


def rendered(name: str, *, root: bool = True, **knobs: Any) -> Any:
    """A variable of the role, or one of these knobs, with other knobs."""
    variables: dict[str, Any] = {
        "cluster_name": "evenkeel",
        "cluster_console_port": 9080,
        "cluster_spec": spec(),
        "cluster_machine": {"root": root, "uid": 0 if root else 1000},
        "cluster_docker": {"socket_group": 999},
    }
    variables |= declared("defaults/main.yml") | declared("vars/main.yml") | knobs
    return Templar(DataLoader(), variables=variables).template(variables[name])


def written(folder: Path, name: str, **knobs: Any) -> Path:
    file = folder / "settings.json"
    file.write_text(json.dumps(rendered(name, **knobs)))
    return file


@pytest.mark.parametrize("keep", [False, True])
def test_the_agent_reads_all_of_its_settings(tmp_path: Path, keep: bool) -> None:
    settings = read_agent_settings(written(tmp_path, "_console_agent_settings", console_keep=keep))
    assert (settings.api_url, settings.web_url) == ("http://evenkeel-edge:9000", "http://evenkeel-edge:8000")
    assert (settings.web_user, settings.keep) == (65531, keep)
    assert str(settings.docker_socket) == "/host/run/docker.sock"
    assert str(settings.data_dir) == "/var/lib/evenkeel/evenkeel/console/agent"


def test_the_web_process_reads_all_of_its_settings(tmp_path: Path) -> None:
    users = [{"name": "ann", "role": "viewer"}, {"name": "bob", "role": "operator"}]
    settings = read_web_settings(written(tmp_path, "_console_web_settings", console_users=users))
    assert (settings.users, settings.port) == ({"ann": "viewer", "bob": "operator"}, 9080)
    assert settings.certificate is None
    assert settings.links["portainer"] == "http://localhost:9090/"


def test_a_certificate_and_names_reach_the_web_process(tmp_path: Path) -> None:
    knobs = {
        "console_certificate": "/etc/c.pem",
        "console_key": "/etc/k.pem",
        "console_address": "0.0.0.0",
        "console_hosts": ["console.example.org"],
        "console_origins": ["https://console.example.org"],
        "console_proxies": ["192.0.2.10", "2001:db8::/64"],
    }
    settings = read_web_settings(written(tmp_path, "_console_web_settings", **knobs))
    assert str(settings.key) == "/etc/evenkeel/tls/key.pem"
    assert (settings.hosts, settings.origins) == (("console.example.org",), ("https://console.example.org",))
    assert [str(network) for network in settings.proxies] == ["192.0.2.10/32", "2001:db8::/64"]
    # Reached from elsewhere, so localhost would lead to the browser's own machine.
    assert settings.links["site"] == "http://labo-http.res.ch:8080/"


def test_without_root_both_are_the_user_of_the_state_folder() -> None:
    assert rendered("_console_agent_user", root=False) == rendered("_console_web_user", root=False) == "1000:1000"
    assert (rendered("_console_agent_user"), rendered("_console_web_user")) == ("0:0", "65531:65531")


@pytest.mark.parametrize(
    "address, url",
    [("0.0.0.0", "http://127.0.0.1:9080"), ("::", "http://[::1]:9080"), ("192.0.2.1", "http://192.0.2.1:9080")],
)
def test_the_role_asks_where_it_is_published(address: str, url: str) -> None:
    assert rendered("_console_url", console_address=address) == url


def test_a_folder_that_was_removed_by_hand_replaces_both_containers() -> None:
    revisions = [rendered("_console_revisions", __console_folder={"value": mark}) for mark in ("one", "one", "two")]
    assert revisions[0] == revisions[1]
    assert all(revisions[1][name] != revisions[2][name] for name in ("agent", "web"))
    (task,) = (task for task in declared("tasks/settings.yml") if task.get("register") == "__console_folder")
    # In the state folder, and also in the console's, which may be removed alone.
    path = rendered("_path", _path=task["evenkeel.cluster.secret_file"]["path"])
    assert path == "/var/lib/evenkeel/evenkeel/console/agent/folder"
    labels = [task["community.docker.docker_container"]["labels"] for task in declared("tasks/start.yml")[1:]]
    mark = {"value": "one"}
    shown = [rendered("_label", _label=label, __console_folder=mark)["evenkeel.revision"] for label in labels]
    assert shown == [revisions[0][name][:12] for name in ("agent", "web")]


def test_a_hash_stays_until_its_user_goes_or_is_reset() -> None:
    content = json.dumps({"admin": "$argon2id$1", "gone": "$argon2id$2"})
    kept = {"content": base64.b64encode(content.encode()).decode()}
    assert rendered("_console_lacking", __console_passwords=kept) == []
    assert rendered("_console_former", __console_passwords=kept) == ["gone"]
    assert rendered("_console_lacking", __console_passwords=kept, console_reset="admin") == ["admin"]
    assert rendered("_console_lacking", __console_passwords={}) == ["admin"]
