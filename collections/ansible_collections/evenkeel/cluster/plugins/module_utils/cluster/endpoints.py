# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Where something answers: scheme, host and port in one place. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

#: All IPv4 addresses of a machine, as the address to publish a port on.
EVERY_ADDRESS = str(ipaddress.IPv4Address(0))
LOOPBACK = "127.0.0.1"
_LOOPBACK = {EVERY_ADDRESS: LOOPBACK, "::": "::1"}
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

    def as_dict(self) -> dict[str, str | int]:
        """The endpoint as plain data, for Ansible facts."""
        return {"scheme": self.scheme, "host": self.host, "port": self.port, "url": self.url}


def published(address: str, port: int, scheme: str = "http") -> Endpoint:
    """Where the machine itself reaches a port that it publishes.

    Args:
        address: the IP address that the port is published on; one that stands for all is reached as the loopback.
        port: the published TCP port.
        scheme: ``http`` or ``https``.
    """
    return Endpoint(scheme, _LOOPBACK.get(address, address), port)
