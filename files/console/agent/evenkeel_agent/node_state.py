"""What state a node is in, why, and what to do about it. Pure.

Docker says whether it runs, the node itself whether it is ready, the balancer whether it sends requests. None of them
alone tells why a node gets no requests.
"""

from __future__ import annotations

from dataclasses import dataclass

# How a state is marked, beside its word: never by colour alone.
SERVES, MOVES, TROUBLE, STOPPED = "serves", "moves", "trouble", "stopped"
#: The word of one that serves.
IN_ROTATION = "in rotation"
#: Seconds from its start in which a node that the balancer does not list is merely new.
NEW_SECONDS = 5.0
_NONE = 0
# The exit code of a process that SIGKILL ended.
_KILLED = 137


@dataclass(frozen=True)
class Seen:
    """What is known of a node.

    Attributes:
        status: Docker's word for its state.
        age: seconds since its last start; None if it has none. Negative after the clock was set back.
        health: the status of its health answer; 0 for no answer, None if it was not asked.
        listed: ``UP`` or ``DOWN`` at the balancer, empty when it is not listed, None when the balancer was not asked.
        up: whether the balancer's last probe was answered; None before the first one.
        exit_code: of its last end.
        out_of_memory: the kernel ended it for want of memory.
        restarts: how often Docker has started it again by itself.
        leaving: it drains.
        draining_by: the person that told it to drain; empty for none.
        ready: whether a health answer of this status means that it takes requests.
        apart: why the balancer cannot reach it; empty if it can.
    """

    status: str
    age: float | None = None
    health: int | None = None
    listed: str | None = None
    up: bool | None = None
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    leaving: bool = False
    draining_by: str = ""
    ready: bool = True
    apart: str = ""


@dataclass(frozen=True)
class NodeState:
    """A node's state for people.

    Attributes:
        word: of the state; the same word always means the same.
        shape: one of this module's marks.
        reason: why, in a few words; empty if the word says all.
        advice: what to do; empty for nothing.
    """

    word: str
    shape: str
    reason: str = ""
    advice: str = ""


def node_state(seen: Seen) -> NodeState:
    """The state of a node."""
    if seen.status == "running":
        return _running(seen)
    return _not_running(seen)


def _not_running(seen: Seen) -> NodeState:
    if seen.status == "paused":
        return NodeState("frozen", TROUBLE, "paused in Docker", "docker unpause")
    if seen.status == "restarting":
        times = f"{seen.restarts} times" if seen.restarts != 1 else "once"
        return NodeState("crashes", TROUBLE, f"ended {times}, exit code {seen.exit_code}", "read its log")
    if seen.out_of_memory:
        return NodeState("out of memory", TROUBLE, "the kernel ended it", "raise memory of its tier")
    if seen.status == "exited" and seen.exit_code in {0, _KILLED}:
        why = "was killed" if seen.exit_code == _KILLED else "ended by itself or was stopped"
        return NodeState("stopped", STOPPED, why, "start it, or remove it")
    if seen.status == "exited":
        return NodeState(f"ended, exit {seen.exit_code}", TROUBLE, "", "read the last lines of its log, then start it")
    return NodeState(seen.status, STOPPED, "Docker has not started it", "remove it")


def _running(seen: Seen) -> NodeState:
    if seen.apart:
        return NodeState("not reached", TROUBLE, "in another network than the balancer", seen.apart)
    if seen.leaving:
        by = f"by {seen.draining_by}" if seen.draining_by else "its health check answers 503"
        return NodeState("draining", MOVES, by, "put it back, or stop it")
    if seen.listed is None:
        return NodeState("rotation unknown", TROUBLE, "the balancer's API does not answer", "see the balancer's log")
    if seen.listed == "UP":
        return _listed(seen)
    return _out(seen)


def _is_new(seen: Seen) -> bool:
    return seen.age is not None and 0 <= seen.age < NEW_SECONDS


def _listed(seen: Seen) -> NodeState:
    if seen.up is not False:
        return NodeState(IN_ROTATION, SERVES)
    if _is_new(seen):  # the balancer remembers the end of the one that had its address before
        return NodeState("starting", MOVES)
    return NodeState("out for failures", TROUBLE, "the last probe was not answered", "see its answers of 5xx")


def _out(seen: Seen) -> NodeState:
    """It runs, and the balancer sends it nothing."""
    if _is_new(seen):
        return NodeState("starting", MOVES)
    if seen.health == _NONE:
        return NodeState("hangs", TROUBLE, "no answer to its health check", "read its log, then restart it")
    if not seen.ready:
        return NodeState("not ready", TROUBLE, f"its health check answers {seen.health}", "read its log")
    return NodeState("not listed", TROUBLE, "it answers, and the balancer has not found it", "see the balancer's log")
