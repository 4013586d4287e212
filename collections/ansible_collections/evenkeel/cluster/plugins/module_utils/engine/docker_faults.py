# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What only a drill does to containers: crashes, hangs, guests, images without labels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

with contextlib.suppress(ImportError):  # the module reports a missing docker SDK
    import docker.errors

from .docker_client import DockerPoolError, docker_errors
from .docker_nodes import DockerPool

#: Bears the run's name on every container and image that only a drill made.
DRILL_LABEL = "evenkeel.drill"


class DrillPool(DockerPool):
    """The pool's containers and what only a drill does to them."""

    @property
    def network(self) -> str:
        """The managed nodes' network."""
        return self._network

    def kill(self, container: str) -> None:
        """SIGKILL, as in a crash."""
        with _present(f"kill of {container[:12]}"):
            self._api.kill(container, "SIGKILL")

    def freeze(self, container: str) -> None:
        """Stop every process of the node, as in a hang: its sockets stay open and nobody answers.

        SIGSTOP through the engine would reach only process 1, and switch the restart policy off.
        """
        with _present(f"freeze of {container[:12]}"):
            self._api.pause(container)

    def thaw(self, container: str) -> None:
        """Let it go on; one that is not frozen is no error."""
        with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
            self._api.unpause(container)

    def run_guest(self, image: str, run: str) -> str:
        """What a person does with ``docker run -d IMAGE``; the container's id."""
        with _present(f"guest of {image}"):
            created = self._api.create_container(image, labels={DRILL_LABEL: run})
            self._api.start(created["Id"])
            return str(created["Id"])

    def of_drills(self) -> list[str]:
        """Containers that drills made, also earlier ones that did not end well."""
        with docker_errors("list of containers"):
            found = self._api.containers(
                all=True, filters={"label": [DRILL_LABEL, f"evenkeel.cluster={self._cluster}"]}
            )
        return [str(item["Id"]) for item in found]

    def bare_image(self, image: str, name: str) -> str:
        """The same files and the same start as an image, but none of its labels.

        A container inherits its image's labels, and those of a tier would make it a node of that tier's service.

        Returns:
            The new image's id.
        """
        with _present(f"image {image}"):
            config = self._api.inspect_image(image)["Config"]
            changes = [
                f"ENTRYPOINT {json.dumps(config['Entrypoint'] or [])}",
                f"CMD {json.dumps(config['Cmd'] or [])}",
                f"WORKDIR {config['WorkingDir'] or '/'}",
                *([f"USER {config['User']}"] if config["User"] else []),
                *(_environment_line(item) for item in config["Env"] or []),
            ]
            container = self._api.create_container(image, labels={"traefik.enable": "false", "evenkeel.role": "none"})
            try:
                stream = self._api.export(container["Id"])
                self._api.import_image_from_stream(stream, repository=name, tag="latest", changes=changes)
            finally:
                self._api.remove_container(container["Id"], force=True, v=True)
            return str(self._api.inspect_image(f"{name}:latest")["Id"])

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
            self._api.remove_image(reference, force=True)


@contextlib.contextmanager
def _present(what: str) -> Iterator[None]:
    """Turn Docker's exceptions into one line, also that something is not there."""
    try:
        with docker_errors(what):
            yield
    except docker.errors.NotFound as error:
        raise DockerPoolError(
            f"{what}: got '{error.explanation or error}', want it there (fix: see who removed it)"
        ) from error


def _environment_line(item: str) -> str:
    """A Dockerfile's line that sets exactly this variable: quoted, nothing expanded."""
    name, _, value = item.partition("=")
    return f"ENV {name}={json.dumps(value, ensure_ascii=False)}".replace("$", r"\$")
