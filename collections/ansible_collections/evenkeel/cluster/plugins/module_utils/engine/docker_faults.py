# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What only a drill does to containers: crashes, hangs, guests, images without labels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping

from ..cluster import labels
from ..cluster.logs import LOG_FILES, LOG_SIZE
from .docker_arguments import log_config
from .docker_errors import DockerNotFoundError, docker_errors, present
from .docker_nodes import DockerEngine
from .port import EngineError


class DockerDrillEngine(DockerEngine):
    """A Docker Engine on which a drill can play; an :class:`engine.port.FaultyEngine`."""

    def kill(self, node: str) -> None:
        """SIGKILL, as in a crash."""
        with _there(f"kill of {node[:12]}"):
            self.client.api.kill(node, "SIGKILL")

    def freeze(self, node: str) -> None:
        """Stop every process of the node, as in a hang: its sockets stay open and nothing answers.

        SIGSTOP through the engine would reach only process 1, and switch the restart policy off.
        """
        with _there(f"freeze of {node[:12]}"):
            self.client.api.pause(node)

    def thaw(self, node: str) -> None:
        """Let it go on; one that is not frozen is no error."""
        with contextlib.suppress(EngineError), docker_errors(f"thaw of {node[:12]}"):
            self.client.api.unpause(node)

    def run_guest(self, image: str, run: str) -> str:
        """What a person does with ``docker run -d IMAGE``; the container's id."""
        api = self.client.api
        with _there(f"guest of {image}"):
            host = api.create_host_config(log_config=log_config(LOG_SIZE, LOG_FILES))
            created = self.client.create(image=image, labels={labels.DRILL: run}, host_config=host)
            api.start(created)
            return created

    def of_drills(self) -> list[str]:
        """Containers that drills made, also earlier ones that did not end well; not the nodes of the pool.

        A node whose image :meth:`bare_image` made inherits the label of drills, and serves users.
        """
        found = self.client.containers([labels.DRILL, *labels.selector(self.cluster)])
        return [str(item["Id"]) for item in found if not _is_of_the_pool(item["Labels"])]

    def bare_image(self, image: str, name: str) -> str:
        """The same files and the same start as an image, but none of its labels.

        A container inherits its image's labels, and those of a tier would make it a node of that tier's service. So the
        image has only what tells that a drill of this cluster made it, in case the drill is killed.

        Returns:
            The new image's id.
        """
        api = self.client.api
        marks = {labels.CLUSTER: self.cluster, labels.ROLE: labels.NONE, labels.DRILL: "control"}
        with _there(f"image {image}"):
            # Docker 29 leaves out what is empty.
            config = api.inspect_image(image)["Config"] or {}
            changes = [
                f"ENTRYPOINT {json.dumps(config.get('Entrypoint') or [])}",
                f"CMD {json.dumps(config.get('Cmd') or [])}",
                f"WORKDIR {config.get('WorkingDir') or '/'}",
                *([f"USER {config['User']}"] if config.get("User") else []),
                *(_environment_line(item) for item in config.get("Env") or []),
                *(f"LABEL {name}={json.dumps(value)}" for name, value in marks.items()),
            ]
            container = self.client.create(image=image, labels={"traefik.enable": "false", **marks})
            try:
                stream = api.export(container)
                api.import_image_from_stream(stream, repository=name, tag="latest", changes=changes)
            finally:
                api.remove_container(container, force=True, v=True)
            return str(api.inspect_image(f"{name}:latest")["Id"])

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        with contextlib.suppress(EngineError), docker_errors(f"image {reference}"):
            self.client.api.remove_image(reference, force=True)


def _is_of_the_pool(found: Mapping[str, str]) -> bool:
    return (found.get(labels.ROLE), found.get(labels.MANAGED)) == (labels.NODE, "true")


@contextlib.contextmanager
def _there(what: str) -> Iterator[None]:
    """Turn Docker's exceptions into one line, also that something is not there."""
    try:
        with docker_errors(what):
            yield
    except DockerNotFoundError as error:
        raise present(what, error) from error


def _environment_line(item: str) -> str:
    """A Dockerfile's line that sets exactly this variable: quoted, nothing expanded."""
    name, _equals, value = item.partition("=")
    return f"ENV {name}={json.dumps(value, ensure_ascii=False)}".replace("$", r"\$")
