# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""How a tier's nodes are asked whether they serve, and what their answers mean. Pure data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from http import HTTPStatus

HTTP = "http"
TCP = "tcp"
KINDS = (HTTP, TCP)


@dataclasses.dataclass(frozen=True)
class HealthCheck:
    """The health check of a tier.

    Attributes:
        path: what is asked for, with its query.
        status: the only status that counts; 0 for the default.
        host: the Host header; empty for the address.
        headers: further headers.
        kind: ``http``, or ``tcp`` for a port that accepts connections.
        contract: the image keeps docs/node-images.md: it answers 200 when it is ready, and 503 while it drains.
        port: TCP port; 0 for the nodes' own.
        draining_path: what is answered with 200 while a node drains, where its 503 does not say so alone.
    """

    path: str = "/healthz"
    status: int = 0
    host: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    kind: str = HTTP
    contract: bool = True
    port: int = 0
    draining_path: str = ""

    def is_ready(self, answer: int) -> bool:
        """Whether a node with this answer takes requests; 0 is no answer.

        Nothing is known of an image without the contract: a page that asks for a login, or that there is none at /,
        says that the application works. The balancer's own check is narrower, see docs/node-images.md.
        """
        if self.status:
            return answer == self.status
        if self.contract:
            return answer == HTTPStatus.OK
        return 0 < answer < HTTPStatus.INTERNAL_SERVER_ERROR

    def is_balanced(self, answer: int) -> bool:
        """Whether the balancer takes a node with this answer for one that works."""
        if self.status or self.contract:
            return self.is_ready(answer)
        return HTTPStatus.OK <= answer < HTTPStatus.BAD_REQUEST

    def is_draining(self, answer: int) -> bool:
        """Whether a node with this answer has been told to end, or, with :attr:`draining_path`, may have been."""
        return self.contract and answer == HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def sent(self) -> Mapping[str, str]:
        """The headers of a question."""
        return {**self.headers, **({"Host": self.host} if self.host else {})}

    @property
    def wanted(self) -> str:
        """In words, what a node that is ready answers."""
        return str(self.status) if self.status else "200" if self.contract else "status below 500"

    @property
    def balanced(self) -> str:
        """In words, what it answers when the balancer asks, which takes one status, or all from 200 to 399."""
        return str(self.status) if self.status else "200" if self.contract else "status from 200 to 399"
