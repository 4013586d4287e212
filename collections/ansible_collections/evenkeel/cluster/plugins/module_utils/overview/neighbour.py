# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: ask an address of this machine as a machine beside it would.

What comes from outside takes another way than what the machine sends to its own loopback: through the kernel's address
translation and its forwarding rules, and not through a proxy of the engine. Root asks from a network namespace that
ends with the question. Other users ask the machine's own address, which is translated too, but not forwarded. A
container of the engine would be no better: between its networks, an engine has rules of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ..cluster.endpoints import EVERY_ADDRESS, Endpoint
from ..core.http_client import PROBE_SECONDS, Answer, first_answer
from .addresses import NAMESPACE, OWN_ADDRESS, Question

_NEW_NETWORK = 0x40000000
_COMMAND_SECONDS = 5.0
_ANSWERS_SECONDS = 6.0
# A new link drops what is sent until the kernel has taken note of it: a second or two where many links come and go. The
# first packets are sent again after one and three seconds.
_NEW_LINK_SECONDS = 4.5
# Networks of four addresses in 198.18.0.0/16, which RFC 2544 keeps for tests between machines.
_NETWORKS = 2**14


def ask_as_neighbour(questions: Sequence[Question], gateway: str) -> tuple[str, list[Answer]]:
    """Ask all questions at the same time.

    Args:
        questions: what to ask.
        gateway: an address of this machine, for users that may make no network namespace; empty for none.

    Returns:
        The way that was taken, and the answers; an empty way and no answers when there is none.
    """
    if not questions:
        return "", []
    answers = _from_namespace(questions) if os.geteuid() == 0 and shutil.which("ip") else None
    if answers is not None:
        return NAMESPACE, answers
    return (OWN_ADDRESS, _asked(questions, gateway)) if gateway else ("", [])


def _asked(questions: Sequence[Question], address: str, seconds: float = PROBE_SECONDS) -> list[Answer]:
    """The answers; a port that is published on every address is asked at the given one."""
    urls = [
        Endpoint("http", address if item.address == EVERY_ADDRESS else item.address, item.port).at(item.path)
        for item in questions
    ]
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(lambda url, item: first_answer(url, item.host, seconds), urls, questions))


def _from_namespace(questions: Sequence[Question]) -> list[Answer] | None:
    """The answers, asked by a child process in a network namespace of its own; None when that cannot be made."""
    (made, tell_made), (go, tell_go), (told, tell) = os.pipe(), os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _child(questions, tell_made, go, tell)  # does not return
    for end in (tell_made, go, tell):
        os.close(end)
    try:
        if not os.read(made, 1) or not _run(_outside(child)):
            return None
        os.write(tell_go, b"1")
        return _read_answers(told)
    finally:
        for end in (made, tell_go, told):
            os.close(end)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        # The kernel removes it with the namespace, but not at once.
        _run([f"link del {_interface(child)}"])


def _child(questions: Sequence[Question], tell_made: int, go: int, tell: int) -> None:
    with suppress(BaseException):
        if ctypes.CDLL(None).unshare(_NEW_NETWORK) == 0:
            os.write(tell_made, b"1")
            if os.read(go, 1) and _run(_inside(os.getpid())):
                answers = _asked(questions, _addresses(os.getpid())[0], _NEW_LINK_SECONDS)
                os.write(tell, json.dumps([[answer.status, answer.reason] for answer in answers]).encode())
    os._exit(0)


def _read_answers(told: int) -> list[Answer] | None:
    ready, _writable, _failed = select.select([told], [], [], _ANSWERS_SECONDS)
    text = os.read(told, 65536) if ready else b""
    return [Answer(status, reason=reason) for status, reason in json.loads(text)] if text else None


def _addresses(child: int) -> tuple[str, str]:
    """The machine's end and the child's."""
    third, fourth = divmod(child % _NETWORKS * 4, 256)
    return f"198.18.{third}.{fourth + 1}", f"198.18.{third}.{fourth + 2}"


def _interface(child: int) -> str:
    return f"evenkeel{child % 10_000_000}"


def _outside(child: int) -> list[str]:
    return [
        f"link add {_interface(child)} type veth peer name inside netns {child}",
        f"addr add {_addresses(child)[0]}/30 dev {_interface(child)}",
        f"link set {_interface(child)} up",
    ]


def _inside(child: int) -> list[str]:
    machine, own = _addresses(child)
    return [f"addr add {own}/30 dev inside", "link set inside up", f"route add default via {machine}"]


def _run(commands: Sequence[str]) -> bool:
    """Whether ip carried all of the commands out."""
    try:
        done = subprocess.run(
            ["ip", "-batch", "-"],
            input="".join(f"{command}\n" for command in commands),
            text=True,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
