# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Docker's errors, as one line for people."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ..core.errors import EvenkeelError

try:
    import docker
    import docker.errors
    import docker.types
    import requests.exceptions

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # told by the module as one line
    IMPORT_ERROR = error


_API_TIMEOUT_SECONDS = 60
_LOG_LINES = 8


class DockerPoolError(EvenkeelError):
    """Docker refused or did not answer; the message is one line for people."""


@contextlib.contextmanager
def docker_errors(what: str) -> Any:
    """Turn Docker's exceptions into one line; a missing object stays :class:`docker.errors.NotFound`."""
    try:
        yield
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError as error:
        raise DockerPoolError(
            f"{what}: got '{error.explanation or error}', want success (fix: see dockerd's log)"
        ) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise DockerPoolError(explain_connection_error(error)) from error


def explain_connection_error(error: Exception) -> str:
    """Why Docker cannot be reached, as one line with the way out."""
    text = str(error)
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if "Permission denied" in text or "PermissionError" in text:
        user = os.environ.get("USER") or str(os.geteuid())
        fix = f"add {user} to the docker group and log in again, or run as root"
        return f"Docker socket {socket}: got no permission for user {user}, want read and write access (fix: {fix})"
    if "No such file" in text or "FileNotFoundError" in text or "Connection refused" in text:
        fix = "ansible-playbook site.yml starts it"
        return f"Docker daemon: got no answer at {socket}, want a running daemon (fix: {fix})"
    return f"Docker daemon at {socket}: got '{text[:200]}', want an answer (fix: see dockerd's log)"
