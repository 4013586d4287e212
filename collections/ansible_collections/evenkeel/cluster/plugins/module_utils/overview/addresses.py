# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What a published address answers to this machine and to a neighbour, and how that is told. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..cluster.endpoints import published
from ..core.errors import Problem
from ..core.http_client import Answer
from ..core.results import PartView

#: The ways to ask as a neighbour: a network namespace, or the machine's own address.
NAMESPACE = "another network"
OWN_ADDRESS = "the machine's own address"
# What the balancer answers where no node does.
_NO_NODE = range(502, 505)


@dataclass(frozen=True)
class Question:
    """One published address and what to ask there.

    Attributes:
        name: what is published.
        address: the address of the machine that it is published on.
        port: the published port.
        path: what to ask for.
        host: the Host header; empty for that of the address.
        serves: whether a node must answer.
        tls: whether it speaks HTTPS.
    """

    name: str
    address: str
    port: int
    path: str = "/"
    host: str = ""
    serves: bool = False
    tls: bool = False

    @property
    def url(self) -> str:
        """Where the machine itself asks."""
        return published(self.address, self.port, "https" if self.tls else "http").at(self.path)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return False


def questions_of(raw: Iterable[Mapping[str, Any]]) -> list[Question]:
    """The questions, from a module's option."""
    return [
        Question(
            str(item["name"]),
            str(item["address"]),
            int(item["port"]),
            str(item.get("path") or "/"),
            str(item.get("host") or ""),
            bool(item.get("serves")),
            bool(item.get("tls")),
        )
        for item in raw
    ]


def address_part(question: Question, machine: Answer, neighbour: Answer | None, way: str, fix: str) -> PartView:
    """How one address was found.

    Args:
        question: what was asked.
        machine: the answer to this machine.
        neighbour: the answer to a neighbour; None when none was asked.
        way: how the neighbour was asked.
        fix: what mends an address that does not answer.
    """
    asked = [("this machine", machine), *([(way, neighbour)] if neighbour is not None else [])]
    lines = [
        str(Problem(f"{question.name} {question.url}", f"{_words(answer)} from {place}", "an answer", fix))
        for place, answer in asked
        if not _is_good(question, answer)
    ]
    state = ", ".join(f"{_words(answer)} from {place}" for place, answer in asked)
    return {"part": f"{question.name} address", "state": state, "lines": lines, "to_do": []}


def _words(answer: Answer) -> str:
    return f"status {answer.status}" if answer.status else answer.reason


def _is_good(question: Question, answer: Answer) -> bool:
    return bool(answer.status) and not (question.serves and answer.status in _NO_NODE)
