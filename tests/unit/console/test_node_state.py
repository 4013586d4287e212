"""Why a node gets requests, or none: one row for each state that the console shows."""

from __future__ import annotations

import pytest
from evenkeel_agent.node_state import MOVES, SERVES, STOPPED, TROUBLE, Seen, node_state


@pytest.mark.parametrize(
    "seen, word, shape, reason",
    [
        (Seen("running", 60, listed="UP", up=True), "in rotation", SERVES, ""),
        (Seen("running", 60, listed="UP"), "in rotation", SERVES, ""),
        (Seen("running", 1, listed=""), "starting", MOVES, ""),
        (Seen("running", 1, listed="DOWN", health=0, ready=False), "starting", MOVES, ""),
        (Seen("running", -3600, listed="DOWN", health=0, ready=False), "hangs", TROUBLE, "no answer"),
        (Seen("running", 60, listed="", health=200), "not listed", TROUBLE, "it answers"),
        (Seen("running", 60, listed="DOWN", health=503, leaving=True), "draining", MOVES, "503"),
        (Seen("running", 60, listed="UP", leaving=True, draining_by="alice"), "draining", MOVES, "by alice"),
        (Seen("running", 60, listed="DOWN", health=0, ready=False), "hangs", TROUBLE, "no answer"),
        (Seen("running", 60, listed="DOWN", health=503, ready=False), "not ready", TROUBLE, "answers 503"),
        (Seen("running", 60, listed="DOWN", health=500, ready=False), "not ready", TROUBLE, "answers 500"),
        (Seen("running", 60, listed="UP", up=False), "out for failures", TROUBLE, "probe"),
        (Seen("running", 60), "rotation unknown", TROUBLE, "API"),
        (Seen("running", 60, listed="", apart="docker network connect ..."), "not reached", TROUBLE, "network"),
        (Seen("exited", exit_code=137, out_of_memory=True), "out of memory", TROUBLE, "kernel"),
        (Seen("exited", exit_code=3), "ended, exit 3", TROUBLE, ""),
        (Seen("exited"), "stopped", STOPPED, "stopped"),
        (Seen("exited", exit_code=137), "stopped", STOPPED, "killed"),
        (Seen("restarting", exit_code=1, restarts=4), "crashes", TROUBLE, "4 times, exit code 1"),
        (Seen("restarting", exit_code=1, restarts=1), "crashes", TROUBLE, "once"),
        (Seen("paused"), "frozen", TROUBLE, "paused"),
        (Seen("created"), "created", STOPPED, "not started"),
    ],
)
def test_states(seen: Seen, word: str, shape: str, reason: str) -> None:
    found = node_state(seen)
    assert (found.word, found.shape) == (word, shape)
    assert reason in found.reason
    assert bool(found.advice) == (shape in {TROUBLE, STOPPED} or word == "draining")
