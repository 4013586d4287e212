"""The Docker Engine for a process that looks all the time: what does not change is asked once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image


class CachingClient(DockerClient):
    """Keeps Docker's records of containers and images until an event says that one has changed.

    Args:
        socket: Docker's.
    """

    def __init__(self, socket: Path) -> None:
        """Nothing is asked yet."""
        super().__init__(f"unix://{socket}")
        self._lock = threading.Lock()
        self._containers: dict[str, dict[str, Any]] = {}
        self._images: dict[str, Image | None] = {}

    def inspect(self, container: str) -> dict[str, Any]:
        """Docker's record of a container, from its last change.

        Raises:
            DockerNotFoundError: it is gone.
            EngineError: Docker refuses or does not answer.
        """
        with self._lock:
            found = self._containers.get(container)
        if found is None:
            found = super().inspect(container)
            with self._lock:
                self._containers[container] = found
        return found

    def image(self, reference: str) -> Image | None:
        """The image, from its last change; None when it is not on this host.

        Raises:
            EngineError: Docker refuses or does not answer.
        """
        with self._lock:
            if reference in self._images:
                return self._images[reference]
        found = super().image(reference)
        with self._lock:
            self._images[reference] = found
        return found

    def forget(self, container: str = "") -> None:
        """Ask again for a container; without an identifier, for everything."""
        with self._lock:
            if container:
                self._containers.pop(container, None)
            else:
                self._containers.clear()
                self._images.clear()

    def keep_only(self, containers: set[str]) -> None:
        """Forget all containers but these, so that those that are gone take no memory."""
        with self._lock:
            for gone in self._containers.keys() - containers:
                del self._containers[gone]
