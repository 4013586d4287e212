"""The role portainer against a real Docker daemon, with a stand-in image: Portainer's own exists only in registries.

The stand-in (tests/containers/portainer/stand_in) proves what the role does, not what Portainer makes of it.
"""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
import requests
from docker.models.containers import Container

from .portainer_runs import (
    CLUSTER,
    CONTAINER,
    HERE,
    IMAGE,
    VOLUME,
    Playbooks,
    Run,
    base_image,
    free_port,
    remove_everything,
)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    remove_everything(client)
    yield client
    remove_everything(client)
    client.close()


@pytest.fixture(scope="module")
def playbooks(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    """Return the playbooks, with the stand-in in an archive and not in Docker."""
    state = tmp_path_factory.mktemp("t-portainer")
    client.images.build(path=str(HERE / "stand_in"), tag=IMAGE, buildargs={"BASE": base_image(client)}, rm=True)
    with (state / "stand-in.tar").open("wb") as archive:
        for part in client.images.get(IMAGE).save(named=IMAGE):
            archive.write(part)
    client.images.remove(IMAGE)
    return Playbooks(state, free_port())


@pytest.fixture(scope="module")
def first_run(playbooks: Playbooks) -> Run:
    """Return the run that installed it from the archive."""
    return playbooks.run("site", "--diff")


@pytest.fixture
def container(client: docker.DockerClient, first_run: Run) -> Container:
    assert first_run.code == 0, first_run.output
    return client.containers.get(CONTAINER)


def exists(client: docker.DockerClient) -> dict[str, bool]:
    """Tell which of the role's objects Docker has."""
    return {
        "container": bool(client.containers.list(all=True, filters={"name": f"^/{CONTAINER}$"})),
        "volume": VOLUME in [volume.name for volume in client.volumes.list()],
        "image": bool(client.images.list(name=IMAGE)),
    }


ABSENT = "127.0.0.1:1/t-portainer/absent:1"
# Why no image is to be had -> its variables, and what the error line says it got.
NO_IMAGE: dict[str, tuple[dict[str, object], str]] = {
    "registry-unreachable": (
        {"portainer_image": ABSENT, "portainer_image_archive": ""},
        f"Error pulling image {ABSENT}",
    ),
    "archive-missing": ({"portainer_image_archive": "/absent.tar"}, "no file /absent.tar,"),
    "archive-broken": ({"portainer_image_archive": "/etc/hostname"}, "Detected no loaded images."),
}


@pytest.fixture(scope="module")
def fruitless_runs(playbooks: Playbooks) -> dict[str, Run]:
    """Return the runs that change nothing, made side by side because each takes seconds."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = {"check": pool.submit(playbooks.run, "site", "--check", "--diff")}
        for name, (variables, _) in NO_IMAGE.items():
            runs[name] = pool.submit(playbooks.run, "site", **variables)
    return {name: run.result() for name, run in runs.items()}


def test_runs_without_an_image_or_in_check_mode_change_nothing(
    client: docker.DockerClient, playbooks: Playbooks, fruitless_runs: dict[str, Run]
) -> None:
    assert set(fruitless_runs) == {"check", *NO_IMAGE}
    assert exists(client) == {"container": False, "volume": False, "image": False}
    assert not playbooks.password_file.parent.exists()


def test_check_mode_says_what_it_would_do(fruitless_runs: dict[str, Run]) -> None:
    run = fruitless_runs["check"]
    assert run.code == 0, run.output
    assert run.changed == [
        "portainer : Predict that the archive is loaded",
        "portainer : Ensure the directory of secrets is there",
        "portainer : Ensure a password is generated once",
        "portainer : Ensure the data volume is there",
        "portainer : Ensure the container runs with these options",
    ]


@pytest.mark.parametrize("reason", NO_IMAGE)
def test_no_image_is_one_clear_line(fruitless_runs: dict[str, Run], reason: str) -> None:
    variables, got = NO_IMAGE[reason]
    run = fruitless_runs[reason]
    assert run.code != 0
    (error,) = [error for error in run.errors if error.startswith("portainer image:")]
    assert error.startswith(f"portainer image: got {got}")
    image = variables.get("portainer_image", IMAGE)
    assert f", want {image} (fix: -e portainer_image_archive=/path/portainer.tar or -e portainer_image=" in error
    assert "\n" not in error
    assert run.changed == []


def test_objects_that_are_not_ours_are_named_and_left_alone(client: docker.DockerClient, playbooks: Playbooks) -> None:
    base = base_image(client)
    client.volumes.create("t-portainer-other", labels={"evenkeel.cluster": "another"})
    client.containers.create(base, ["sleep", "60"], name=CONTAINER)
    client.containers.run(
        base, ["sleep", "60"], name="t-portainer-foreign", detach=True, init=True, volumes=["t-portainer-other:/data"]
    )
    playbooks.password_file.parent.mkdir(mode=0o700)
    playbooks.password_file.write_text("12341234\n")
    try:
        run = playbooks.run("site", portainer_volume="t-portainer-other")
        assert run.code != 0
        assert [line.split(" (fix: ")[0] for line in run.errors[0].splitlines()] == [
            f"portainer container: got a container {CONTAINER} without this cluster's labels, want that name free",
            "portainer volume: got t-portainer-other of cluster another, want one of its own",
            "portainer volume: got t-portainer-other in use by t-portainer-foreign, want it free",
            f"portainer password: got 8 characters in {playbooks.password_file}, want 12 or more",
        ]
        assert run.changed == []
        assert "12341234" not in run.output
        assert client.containers.get(CONTAINER).status == "created"
    finally:
        client.containers.get(CONTAINER).remove(force=True)
        client.containers.get("t-portainer-foreign").remove(force=True)
        client.volumes.get("t-portainer-other").remove()
        playbooks.password_file.unlink()
        playbooks.password_file.parent.rmdir()


def test_first_run_loads_the_archive_and_answers(playbooks: Playbooks, container: Container, first_run: Run) -> None:
    assert "portainer : Load the archive" in first_run.changed
    assert container.status == "running"
    assert requests.get(f"{playbooks.url}/api/system/status", timeout=5).json()["Version"] == "stand-in"
    assert "stand-in for Portainer" in requests.get(playbooks.url, timeout=5).text
    assert first_run.tasks["portainer : Wait until the local environment is there"]["censored"]


def test_second_run_changes_nothing(playbooks: Playbooks, container: Container) -> None:
    run = playbooks.run("site")
    assert run.code == 0, run.output
    assert run.changed == []
    assert run.stats["changed"] == 0
    container.reload()
    assert container.status == "running"


def test_arguments_are_the_wanted_ones(playbooks: Playbooks, container: Container) -> None:
    assert container.labels["evenkeel.role"] == "portainer"
    assert requests.get(f"{playbooks.url}/stand-in/arguments", timeout=5).json() == [
        *("-H", "unix:///var/run/docker.sock"),
        *("--admin-password-file", "/run/secrets/portainer_password"),
        *("--log-mode", "NOCOLOR"),
    ]


def test_password_is_in_its_file_only(playbooks: Playbooks, container: Container, first_run: Run) -> None:
    password = playbooks.password_file.read_text()
    assert len(password) == 24
    assert stat.S_IMODE(playbooks.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(playbooks.password_file.parent.stat().st_mode) == 0o700
    assert password not in json.dumps(container.attrs)
    assert password not in container.logs().decode()
    assert password not in first_run.output
    login = requests.post(f"{playbooks.url}/api/auth", json={"Username": "admin", "Password": password}, timeout=5)
    assert login.status_code == 200


def test_container_is_hardened_and_labelled(client: docker.DockerClient, container: Container) -> None:
    host = container.attrs["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert [name.removeprefix("CAP_") for name in host["CapAdd"]] == ["DAC_OVERRIDE"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] == 512 * 1024**2
    assert host["PidsLimit"] == 200
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert {mount["Destination"]: mount["RW"] for mount in container.attrs["Mounts"]} == {
        "/data": True,
        "/run/secrets/portainer_password": False,
        "/var/run/docker.sock": True,
    }
    labels = {"evenkeel.cluster": CLUSTER, "evenkeel.role": "portainer"}
    assert labels.items() <= container.labels.items()
    assert "traefik.enable" not in container.labels
    assert client.volumes.get(VOLUME).attrs["Labels"] == labels


def test_locked_instance_is_restarted(playbooks: Playbooks, container: Container) -> None:
    started = container.attrs["State"]["StartedAt"]
    assert container.exec_run(["touch", "/data/locked"]).exit_code == 0
    status = requests.get(f"{playbooks.url}/api/system/status", allow_redirects=False, timeout=5)
    assert status.status_code == 303

    predicted = playbooks.run("site", "--check")
    container.reload()
    assert (predicted.code, predicted.changed) == (
        0,
        ["portainer : Restart a Portainer that is locked or does not answer"],
    ), predicted.output
    assert container.attrs["State"]["StartedAt"] == started

    # The password is somebody's own affair with this setting, however wrong the file; it stays private all the same.
    password = playbooks.password_file.read_text()
    playbooks.password_file.write_text("another password\n")
    playbooks.password_file.chmod(0o644)
    run = playbooks.run("site", portainer_check_password=False)
    playbooks.password_file.write_text(password)
    container.reload()
    assert (run.code, run.changed) == (
        0,
        [
            "portainer : Ensure only its owner can read the password",
            "portainer : Restart a Portainer that is locked or does not answer",
        ],
    ), run.output
    assert stat.S_IMODE(playbooks.password_file.stat().st_mode) == 0o600
    assert container.attrs["State"]["StartedAt"] != started
    assert requests.get(f"{playbooks.url}/api/system/status", timeout=5).status_code == 200


def pause(container: Container) -> None:
    container.pause()


def take_off_its_network(container: Container) -> None:
    docker.from_env().networks.get("bridge").disconnect(container)


def stop_its_process(container: Container) -> None:
    container.kill("SIGSTOP")


START = "portainer : Ensure the container runs with these options"
RESTART = "portainer : Restart a Portainer that is locked or does not answer"


@pytest.mark.parametrize(
    "harm, task",
    [(pause, START), (take_off_its_network, START), (stop_its_process, RESTART)],
    ids=["paused", "off its network", "stopped process"],
)
def test_instance_that_does_not_answer_is_mended_by_one_run(
    playbooks: Playbooks, container: Container, harm: Callable[[Container], None], task: str
) -> None:
    harm(container)
    seconds = {"portainer_ready_seconds": 5}
    predicted = playbooks.run("site", "--check", **seconds)
    assert (predicted.code, predicted.changed) == (0, [task]), predicted.output
    run = playbooks.run("site", **seconds)
    assert (run.code, run.changed) == (0, [task]), run.output
    assert requests.get(f"{playbooks.url}/api/system/status", timeout=5).status_code == 200
    assert playbooks.run("site", **seconds).changed == []


def test_archive_with_another_image_names_what_it_holds(
    client: docker.DockerClient, playbooks: Playbooks, container: Container
) -> None:
    run = playbooks.run("site", portainer_image="t-portainer/other:1")
    assert run.code != 0
    assert run.errors == [
        f"portainer image: got {IMAGE} in {playbooks.variables['portainer_image_archive']}, "
        f"want t-portainer/other:1 (fix: -e portainer_image={IMAGE})"
    ]
    assert client.containers.get(CONTAINER).id == container.id


def test_instance_that_ends_again_and_again_is_told_soon_and_in_plain_text(
    client: docker.DockerClient, playbooks: Playbooks, container: Container
) -> None:
    assert container.status == "running"
    began = time.monotonic()
    run = playbooks.run("site", portainer_arguments=["--admin-password-file", "/absent"], portainer_ready_seconds=300)
    assert time.monotonic() - began < 60
    assert run.code != 0
    (error,) = run.errors
    assert re.match(
        rf"portainer readiness: got \d+ ends of {CONTAINER} \(exit code \d+\), want it to stay up"
        rf" \(fix: docker logs {CONTAINER}\)\. Last lines: ",
        error,
    )
    assert "cannot read /absent" in error
    assert error.isprintable()
    assert client.containers.get(CONTAINER).id != container.id


def test_instance_that_never_answers_is_told_after_the_time_out(playbooks: Playbooks, first_run: Run) -> None:
    run = playbooks.run("site", portainer_arguments=["--stand-in-silent", "yes"], portainer_ready_seconds=2)
    assert run.code != 0
    (error,) = run.errors
    assert error.startswith("portainer readiness: got ")
    assert f" from {playbooks.url}/api/system/status after 2 s, want status 200 or 303" in error
    assert "instance already has an administrator" in error


def test_removal_without_data_keeps_it(client: docker.DockerClient, playbooks: Playbooks, first_run: Run) -> None:
    assert first_run.code == 0
    predicted = playbooks.run("remove", "--check")
    assert (predicted.code, predicted.changed) == (0, ["portainer : Ensure the container is gone"]), predicted.output
    assert exists(client)["container"]
    run = playbooks.run("remove")
    assert (run.code, run.changed) == (0, ["portainer : Ensure the container is gone"]), run.output
    assert exists(client) == {"container": False, "volume": True, "image": True}
    assert playbooks.password_file.exists()


def test_data_with_another_password_are_explained(client: docker.DockerClient, playbooks: Playbooks) -> None:
    assert exists(client)["volume"]
    playbooks.password_file.unlink()
    run = playbooks.run("site")
    assert run.code != 0
    (error,) = run.errors
    assert error.startswith("portainer admin password: got status 422 for admin with ")
    assert f"{playbooks.password_file}, want a login" in error
    assert "\n" not in error
    assert playbooks.password_file.read_text() not in run.output
    assert client.containers.get(CONTAINER).status == "running"


def test_removal_with_data_leaves_nothing(client: docker.DockerClient, playbooks: Playbooks, first_run: Run) -> None:
    assert first_run.code == 0
    run = playbooks.run("remove", portainer_remove_data=True)
    assert run.code == 0, run.output
    assert exists(client) == {"container": False, "volume": False, "image": True}
    assert not playbooks.password_file.exists()
    again = playbooks.run("remove", portainer_remove_data=True)
    assert (again.code, again.changed) == (0, []), again.output
