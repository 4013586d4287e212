# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: containers and images of one Docker Engine.

Reading uses the standard library over the socket, because most runs change nothing, and loading the Docker SDK takes
longer than the whole of a run that changes nothing. Changes go through the SDK.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import importlib.util
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from ..cluster import labels
from ..core.errors import Problem
from ..core.poll import wait_until
from .container_spec import ContainerSpec
from .docker_arguments import container_arguments, sdk
from .docker_errors import DockerNotFoundError, docker_errors, explain_connection_error, refused
from .docker_http import DEFAULT_SOCKET, UnixConnection
from .port import EngineError, Image

_API_TIMEOUT_SECONDS = 60
_LOG_LINES = 8
_EXEC_SECONDS = 5.0


def sdk_missing() -> bool:
    """Whether the Docker SDK for Python is not installed. It is looked up, not loaded."""
    return importlib.util.find_spec("docker") is None


def _sdk_client(address: str, version: str) -> Any:
    return sdk("docker").APIClient(base_url=address, version=version, timeout=_API_TIMEOUT_SECONDS)


class DockerClient:
    """One Docker Engine. Threads may share an instance: each gets a connection of its own."""

    def __init__(self, address: str | None = None, sdk_client: Callable[[str, str], Any] = _sdk_client) -> None:
        """Nothing is sent yet.

        Args:
            address: of the engine, ``unix://<socket>``; None for what the environment names.
            sdk_client: makes the SDK's client from that address and a version of the API; called once per thread.
        """
        self._address = address or os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
        self._sdk_client = sdk_client
        self._local = threading.local()
        self._api_version = "auto"

    def connect(self) -> str:
        """Check that Docker answers.

        Returns:
            The engine's version.

        Raises:
            EngineError: no permission on the socket, or no daemon.
        """
        version = self.read("Docker's version", "/version")
        self._api_version = str(version["ApiVersion"])
        return str(version["Version"])

    # -- reading -----------------------------------------------------------------

    def read(self, what: str, path: str, **query: str) -> Any:
        """GET from the Engine API.

        Args:
            what: what is asked for, for an error line.
            path: the resource, without a version.
            query: its parameters.

        Raises:
            DockerNotFoundError: it is not there.
            EngineError: Docker refuses or does not answer.
        """
        return self._asked(what, "GET", path + (f"?{urlencode(query)}" if query else ""))

    def _asked(self, what: str, method: str, path: str, sent: Mapping[str, Any] | None = None) -> Any:
        if not self._address.startswith("unix://"):
            raise EngineError(
                Problem("DOCKER_HOST", f"'{self._address}'", "a socket of this machine", "run it on the Docker host")
            )
        connection = UnixConnection(self._address.removeprefix("unix://"), _API_TIMEOUT_SECONDS)
        content, headers = (None, {}) if sent is None else (json.dumps(sent), {"Content-Type": "application/json"})
        try:
            with contextlib.closing(connection):
                connection.request(method, path, content, headers)
                answer = connection.getresponse()
                body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(explain_connection_error(error)) from error
        found = _parsed(body)
        if answer.status != http.client.OK:
            told = str(found.get("message")) if isinstance(found, dict) else body[:200].decode(errors="replace")
            kind = DockerNotFoundError if answer.status == http.client.NOT_FOUND else EngineError
            raise kind(refused(what, told))
        return found

    def containers(self, having: Sequence[str] = ()) -> list[dict[str, Any]]:
        """All containers with these labels (``name=value`` each), in any state.

        Raises:
            EngineError: Docker refuses or does not answer.
        """
        filters = json.dumps({"label": list(having)})
        found: list[dict[str, Any]] = self.read("list of containers", "/containers/json", all="1", filters=filters)
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        """Docker's whole record of a container.

        Raises:
            DockerNotFoundError: it is gone.
            EngineError: Docker refuses or does not answer.
        """
        found: dict[str, Any] = self.read(f"container {container[:64]}", f"/containers/{quote(container)}/json")
        return found

    def image(self, reference: str) -> Image | None:
        """The image, or None when it is not on this host.

        Raises:
            EngineError: Docker refuses or does not answer.
        """
        try:
            info = self.read(f"image {reference}", f"/images/{quote(reference)}/json")
        except DockerNotFoundError:
            return None
        found = dict((info.get("Config") or {}).get("Labels") or {})
        content = found.get(labels.CONTENT) or _digest(reference, info.get("RepoDigests") or ()) or str(info["Id"])
        return Image(str(info["Id"]), found, content)

    # -- changing ------------------------------------------------------------------

    @property
    def api(self) -> Any:
        """The SDK's client of this thread."""
        api = getattr(self._local, "api", None)
        if api is None:
            api = self._local.api = self._sdk_client(self._address, self._api_version)
        return api

    def create(self, **arguments: Any) -> str:
        """Create a container with these arguments of the SDK's ``create_container``; its id.

        The SDK would put the proxies of ``~/.docker/config.json`` into its environment, as Docker's command does. A
        balancer with them sends its users' requests to the proxy instead of to the nodes.
        """
        return str(self.api.create_container(use_config_proxy=False, **arguments)["Id"])

    def run(self, spec: ContainerSpec) -> str:
        """Create and start a container.

        Returns:
            Its id.

        Raises:
            EngineError: Docker refuses; nothing half-made is left.
        """
        api = self.api
        with docker_errors(f"{'node' if spec.hostname else 'container'} {spec.name}"):
            created = self.create(**container_arguments(api, spec))
            try:
                for network in spec.also_in:
                    api.connect_container_to_network(created, network)
                api.start(created)
            except BaseException:
                with contextlib.suppress(Exception):
                    api.remove_container(created, force=True, v=True)
                raise
        return created

    def stop(self, container: str, seconds: int, signal: str = "") -> int | None:
        """Send a signal, wait for its end, and send SIGKILL after that many seconds.

        Args:
            container: its name or identifier.
            seconds: the time that it gets.
            signal: which; empty for the container's own.

        Returns:
            The exit code; None when it was removed meanwhile.

        Raises:
            EngineError: Docker refuses or does not answer.
        """
        try:
            if signal:
                self._await_end(container, seconds, signal)
                seconds = 0
            with docker_errors(f"stop of {container[:12]}"):
                self.api.stop(container, timeout=seconds)
            return int(self.inspect(container)["State"]["ExitCode"])
        except DockerNotFoundError:
            return None

    def _await_end(self, container: str, seconds: int, signal: str) -> None:
        # Docker's own stop takes another signal than the container's only since 23.0.
        with contextlib.suppress(EngineError), docker_errors(f"signal to {container[:12]}"):
            self.api.kill(container, signal)  # refused if it has ended by itself
        self.end_of(container, seconds)

    def end_of(self, container: str, seconds: float) -> int | None:
        """Wait for a container's end; its exit code, or None when it still runs after that time.

        Raises:
            EngineError: Docker does not answer, or the container is gone.
        """
        state: dict[str, Any] = {}

        def running() -> str:
            state.update(self.inspect(container)["State"])
            return "it runs" if state.get("Running") else ""

        return None if wait_until(running, seconds, 0.1) else int(state["ExitCode"])

    def start_again(self, container: str) -> None:
        """Start a container that has ended; its restart policy applies again.

        Raises:
            EngineError: it is gone, or Docker refuses.
        """
        what = f"start of {container[:12]}"
        try:
            with docker_errors(what):
                self.api.start(container)
        except DockerNotFoundError:
            raise EngineError(Problem(what, "no container", "it there", "see what removed it")) from None

    def update(self, container: str, resources: Mapping[str, Any]) -> None:
        """Change the limits and the restart policy of a container while it runs. The SDK lacks some of them.

        Raises:
            DockerNotFoundError: it is gone.
            EngineError: Docker refuses or does not answer.
        """
        what = f"limits of {container[:12]}"
        self._asked(what, "POST", f"/containers/{quote(container)}/update", resources)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name.

        Raises:
            EngineError: it is gone, the name is taken, or Docker refuses.
        """
        with docker_errors(f"name {name} for {container[:12]}"):
            self.api.rename(container, name)

    def unpause(self, container: str) -> None:
        """Let the processes of a paused container run on.

        Raises:
            EngineError: it is gone or not paused, or Docker refuses.
        """
        with docker_errors(f"unpause of {container[:12]}"):
            self.api.unpause(container)

    def join(self, container: str, network: str, aliases: Sequence[str] = ()) -> None:
        """Let a container join a network.

        Raises:
            EngineError: one of them is gone, or Docker refuses.
        """
        with docker_errors(f"network {network} for {container[:12]}"):
            self.api.connect_container_to_network(container, network, aliases=list(aliases) or None)

    def remove(self, container: str) -> None:
        """Remove the container in any state; one that is gone already is no error.

        Raises:
            EngineError: Docker refuses or does not answer.
        """
        try:
            with docker_errors(f"removal of {container[:12]}"):
                self.api.remove_container(container, force=True, v=True)
        except DockerNotFoundError:
            return
        except EngineError as error:
            if "already in progress" not in str(error):
                raise

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in a container that runs.

        Returns:
            Its exit code and its output.

        Raises:
            EngineError: the container does not run, or Docker refuses.
        """
        with docker_errors(f"command in {container[:64]}"):
            made = self.api.exec_create(container, list(command))["Id"]
            output = self.api.exec_start(made)
            code: list[int] = []

            def unfinished() -> str:
                found = self.api.exec_inspect(made)["ExitCode"]
                code.extend([] if found is None else [int(found)])
                return "" if code else "it runs on"

            # Docker may tell the end of the output before it tells the exit code.
            reason = wait_until(unfinished, _EXEC_SECONDS, 0.05)
        if reason:
            raise EngineError(
                Problem(f"command in {container[:64]}", "no exit code", "its end", "see what runs in the container")
            )
        return code[0], output.decode(errors="replace")

    def logs(self, container: str) -> str:
        """The container's last log lines, joined to one; empty when they cannot be read."""
        return " | ".join(self.log_lines(container, _LOG_LINES))

    def log_lines(self, container: str, count: int) -> list[str]:
        """The container's last log lines, oldest first; none when they cannot be read."""
        text = ""
        with contextlib.suppress(EngineError), docker_errors(f"log of {container[:12]}"):
            text = self.api.logs(container, tail=count).decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]


def _digest(reference: str, digests: Sequence[str]) -> str:
    """The registry's digest of the image under the reference's own name; empty if it has none."""
    bare = reference.partition("@")[0]
    name = bare if ":" not in bare.rpartition("/")[2] else bare.rpartition(":")[0]
    return next(
        (digest for repository, _at, digest in (item.partition("@") for item in digests) if repository == name), ""
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
