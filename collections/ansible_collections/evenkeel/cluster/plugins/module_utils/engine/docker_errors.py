# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Docker's errors as one line for people."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..core.errors import Problem
from .docker_arguments import sdk
from .docker_http import DEFAULT_SOCKET
from .port import EngineError


class DockerNotFoundError(EngineError):
    """The container or image does not exist."""


@contextlib.contextmanager
def docker_errors(what: str) -> Iterator[None]:
    """Turn the SDK's exceptions into one line.

    Args:
        what: what is done, for the line.

    Raises:
        DockerNotFoundError: the container or image does not exist.
        EngineError: Docker refuses or does not answer.
    """
    errors, transport = sdk("docker.errors"), sdk("requests")
    try:
        yield
    except errors.NotFound as error:
        raise DockerNotFoundError(refused(what, str(error.explanation or error))) from error
    except errors.APIError as error:
        raise EngineError(refused(what, str(error.explanation or error))) from error
    except (errors.DockerException, transport.RequestException) as error:
        raise EngineError(explain_connection_error(error)) from error


def present(what: str, error: EngineError) -> EngineError:
    """The error for a container or image that must be there and is not."""
    return EngineError(Problem(what, f"'{_told(error)}'", "it there", "see what removed it"))


def _told(error: EngineError) -> str:
    problem = error.problems[0]
    return problem.got.strip("'") if isinstance(problem, Problem) else str(error)


def refused(what: str, told: str) -> Problem:
    """What Docker did not do, and what it said."""
    return Problem(what, f"'{told}'", "success", "see dockerd's log")


def explain_connection_error(error: Exception) -> Problem:
    """Why Docker cannot be reached, as one line with what to do."""
    text = str(error)
    address = os.environ.get("DOCKER_HOST", f"unix://{DEFAULT_SOCKET}")
    if isinstance(error, PermissionError) or "Permission denied" in text or "PermissionError" in text:
        user = os.environ.get("USER") or str(os.geteuid())
        fix = f"add {user} to the docker group and log in again, or run as root"
        return Problem(f"Docker socket {address}", f"no permission for user {user}", "read and write access", fix)
    refused = ("No such file", "FileNotFoundError", "Connection refused")
    if isinstance(error, (FileNotFoundError, ConnectionRefusedError)) or any(sign in text for sign in refused):
        return Problem(
            "Docker daemon", f"no answer at {address}", "a running daemon", "ansible-playbook site.yml starts it"
        )
    return Problem(f"Docker daemon at {address}", f"'{text[:200]}'", "an answer", "see dockerd's log")
