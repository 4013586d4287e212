# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where something answers: scheme, host and port in one place. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """One place that answers HTTP requests.

    Attributes:
        scheme: ``http`` or ``https``.
        host: a host name or an address.
        port: a TCP port.
    """

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The address without a path, and without the scheme's own port: ``http://127.0.0.1:9000``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        suffix = "" if _DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{suffix}"

    def at(self, path: str) -> str:
        """The address of a path, which begins with a slash."""
        return self.url + path
