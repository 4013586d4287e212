# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""A line of a password file for HTTP basic authentication."""

from __future__ import annotations

DOCUMENTATION = r"""
name: htpasswd
short_description: Make a line of an htpasswd file
version_added: 0.1.0
author:
  - Evenkeel contributors (!UNKNOWN)
description:
  - Hashes a password with bcrypt, for basic authentication by Traefik, Apache and others.
  - The salt is derived from user and password, so the same input gives the same line and a second run changes nothing.
  - For long generated passwords only. The cost is low on purpose, because every request to the dashboard computes the
    hash; a long random password needs no slow hash.
positional: _input
options:
  _input:
    description: The password; at most 72 bytes, the limit of bcrypt.
    type: str
    required: true
  user:
    description: The user's name.
    type: str
    required: true
notes:
  - Needs the Python library bcrypt on the controller.
"""

EXAMPLES = r"""
- name: Write the users file of the dashboard
  ansible.builtin.copy:
    content: "{{ generated_password | evenkeel.cluster.htpasswd(user='admin') }}\n"
    dest: /etc/dashboard_users
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_value:
  description: The line, C(user:hash).
  type: str
  sample: "admin:$2b$05$tQtA/XOTw9LpxTYWK0ohUeBoVlLMGWN9URrJfM5m/DMKWhyWN.Bim"
"""

import base64
import hashlib
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

try:
    import bcrypt

    IMPORT_ERROR: ImportError | None = None
except ImportError as error:  # reported when the filter is used
    IMPORT_ERROR = error

_COST = 5
_MAX_BYTES = 72
# bcrypt's own base-64 alphabet, in the order of the standard one.
_TO_BCRYPT = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


def htpasswd(password: str, user: str) -> str:
    """One line ``user:bcrypt-hash``.

    Args:
        password: 1 to 72 bytes.
        user: a name without a colon.

    Raises:
        AnsibleFilterError: an empty or too long password, a user with a colon, or bcrypt is not installed.
    """
    if IMPORT_ERROR is not None:
        raise AnsibleFilterError(
            f"htpasswd: got {IMPORT_ERROR}, want bcrypt on the controller (fix: pip install bcrypt)"
        )
    secret = str(password).encode()
    if not 0 < len(secret) <= _MAX_BYTES:
        raise AnsibleFilterError(f"password: got {len(secret)} bytes, want 1 to {_MAX_BYTES} (fix: generate another)")
    if not user or ":" in user:
        raise AnsibleFilterError(f"user: got '{user}', want a name without a colon (fix: admin)")
    digest = hashlib.sha256(user.encode() + b"\0" + secret).digest()[:16]
    salt = base64.b64encode(digest).decode().rstrip("=").translate(_TO_BCRYPT)
    line = bcrypt.hashpw(secret, f"$2b${_COST:02d}${salt}".encode())
    return f"{user}:{line.decode()}"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Name to function."""
        return {"htpasswd": htpasswd}
