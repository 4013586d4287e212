"""The Docker Engine for a process that looks all the time: what does not change is asked once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_client import DockerClient
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Image

#: Seconds in which an image is not asked for again: no event of ours tells that its tag has moved.
IMAGE_SECONDS = 10.0


class CachingClient(DockerClient):
    """Keeps Docker's records of containers until an event says that one has changed, and those of images for a while.

    Args:
        socket: Docker's.
        monotonic: a clock, in seconds.
    """

    def __init__(self, socket: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet."""
        super().__init__(f"unix://{socket}")
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._containers: dict[str, dict[str, Any]] = {}
        self._images: dict[str, tuple[float, Image]] = {}
        # How often something was forgotten: an answer to a question of before that may be old already.
        self._forgotten = 0

    def inspect(self, container: str) -> dict[str, Any]:
        """Docker's record of a container, from its last change.

        Raises:
            DockerNotFoundError: it is gone.
            EngineError: Docker refuses or does not answer.
        """
        with self._lock:
            found = self._containers.get(container)
            forgotten = self._forgotten
        if found is None:
            found = super().inspect(container)
            with self._lock:
                if forgotten == self._forgotten:
                    self._containers[container] = found
        return found

    def image(self, reference: str) -> Image | None:
        """The image, as it was some seconds ago at most; None when it is not on this host.

        Raises:
            EngineError: Docker refuses or does not answer.
        """
        began = self._monotonic()
        with self._lock:
            at, kept = self._images.get(reference, (0.0, None))
            forgotten = self._forgotten
        if kept is not None and began - at < IMAGE_SECONDS:
            return kept
        found = super().image(reference)
        with self._lock:
            self._images.pop(reference, None)
            if found is not None and forgotten == self._forgotten:
                self._images[reference] = (began, found)
        return found

    def forget(self, container: str = "") -> None:
        """Ask again for a container; without an identifier, for everything."""
        with self._lock:
            self._forgotten += 1
            if container:
                self._containers.pop(container, None)
            else:
                self._containers.clear()
                self._images.clear()

    def forget_images(self) -> None:
        """Ask again for all images, for example because others are declared."""
        with self._lock:
            self._forgotten += 1
            self._images.clear()

    def keep_only(self, containers: set[str]) -> None:
        """Forget all containers but these, so that those that are gone take no memory."""
        with self._lock:
            for gone in self._containers.keys() - containers:
                del self._containers[gone]
