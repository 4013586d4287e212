# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""What the nodes themselves counted of a drill's requests.

A node's memory ends with it, so nodes are read all the time, and what they executed is read while they drain.
:class:`NodeCounters` is pure; :class:`NodePoller` reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..cluster.contract import STATS_PORT
from ..cluster.node import ENDED, Node
from ..core.http_client import REFUSED, Answer
from ..core.poll import SYSTEM_CLOCK, Clock
from ..core.words import NOT_OFFERED
from .figures import Executions, NodeCount
from .naming import ServerNames

_POLL_SECONDS = 0.4
_WORKERS = 8
# What nodes may offer, by the name of its page.
_STATS, _EXECUTIONS = "stats", "executions"


@dataclass
class ProcessRun:
    """One run of one node's process, from its start to its end.

    Attributes:
        node: what it calls itself.
        first: its counter when it was first seen; 0 when it began during the drill.
        last: its counter when it was last read.
        draining: its last reading said that it drains.
        settled: two readings while it drained gave the same count, so the second came after its last request.
        over: it has ended.
        seen: when it was first read, seconds of the clock.
        read: when its last reading began.
        unread: a client got an answer from it after its last reading.
    """

    node: str
    first: int
    last: int
    draining: bool = False
    settled: bool = False
    over: bool = False
    seen: float = 0.0
    read: float = 0.0
    unread: bool = False
    deliveries: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """It was read to its end."""
        return not self.over or (self.settled and not self.unread)


class NodeCounters:
    """Keeps one account per run of a node's process."""

    def __init__(self, prefix: str) -> None:
        """Remember which keys are ours: those that begin with *prefix*."""
        self._prefix = prefix
        self._runs: dict[str, list[ProcessRun]] = {}
        self._begun = False
        self._offered: dict[str, dict[str, bool]] = {_STATS: {}, _EXECUTIONS: {}}
        self.forgotten = 0

    def begin(self) -> None:
        """From now on, a node that was not there before counts from 0."""
        self._begun = True

    def _current(self, container: str) -> ProcessRun | None:
        runs = self._runs.get(container)
        return runs[-1] if runs and not runs[-1].over else None

    def counted(self, container: str, stats: Mapping[str, Any], at: float = 0.0) -> None:
        """A reading of a node's counters that began at that time."""
        requests_, draining = int(stats["requests"]), bool(stats.get("draining"))
        run = self._current(container)
        if run is not None and requests_ < run.last:
            run.over = True  # it was started again between two readings
            run = None
        if run is None:
            run = ProcessRun(str(stats["node"]), 0 if self._begun else requests_, requests_, seen=at)
            self._runs.setdefault(container, []).append(run)
        run.settled = run.draining and draining and requests_ == run.last
        run.last, run.draining, run.read = requests_, draining, at

    def answered(self, answers: Iterable[tuple[str, float]]) -> None:
        """What clients got, node and time: a node that answered after its last reading was not read to its end.

        A balancer that is reconfigured forgets for a moment that a node drains, and asks it again.
        """
        by_node = {node: sorted(runs, key=lambda run: run.seen, reverse=True) for node, runs in self._by_node().items()}
        for node, at in answers:
            runs = by_node.get(node, [])
            # Its latest run that had been seen by then; a younger one was first seen a little after it began.
            run = next((run for run in runs if run.seen <= at), None)
            if run is not None and at > run.read:
                run.unread = True

    def executed(self, container: str, executions: Mapping[str, Any]) -> None:
        """A reading of what a node executed."""
        run = self._current(container)
        if run is None:
            return
        self.forgotten = max(self.forgotten, int(executions.get("forgotten", 0)))
        for item in executions["keys"]:
            if str(item["key"]).startswith(self._prefix):
                run.deliveries[str(item["key"])] = int(item["executions"]) + int(item["replays"])

    def offers(self, tier: str, what: str, *, does: bool) -> None:
        """A node of a tier has such a page, or has not. One that has it speaks for all: others may be just starting."""
        self._offered[what][tier] = does or self._offered[what].get(tier, False)

    def not_offered(self, what: str = _STATS) -> frozenset[str]:
        """The tiers whose image has no such page."""
        return frozenset(tier for tier, does in self._offered[what].items() if not does)

    def gone(self, container: str) -> None:
        """A node that does not run any more."""
        run = self._current(container)
        if run is not None:
            run.over = True

    def draining(self, container: str) -> bool:
        """Whether the node's last reading said so."""
        run = self._current(container)
        return run is not None and run.draining

    def counts(self) -> dict[str, NodeCount]:
        """What each node counted since the begin."""
        by_node = self._by_node()
        return {
            node: NodeCount(
                requests=sum(run.last - run.first for run in runs),
                complete=all(run.complete for run in runs),
            )
            for node, runs in by_node.items()
        }

    def executions(self) -> Executions:
        """What the nodes executed of ours."""
        deliveries: dict[str, dict[str, int]] = {}
        by_node = self._by_node()
        for node, runs in by_node.items():
            for run in runs:
                for key, times in run.deliveries.items():
                    mine = deliveries.setdefault(key, {})
                    mine[node] = mine.get(node, 0) + times
        complete = {node for node, runs in by_node.items() if not self.forgotten and all(run.complete for run in runs)}
        return Executions(deliveries, frozenset(complete), self.not_offered(_EXECUTIONS))

    def _by_node(self) -> dict[str, list[ProcessRun]]:
        by_node: dict[str, list[ProcessRun]] = {}
        for runs in self._runs.values():
            for run in runs:
                by_node.setdefault(run.node, []).append(run)
        return by_node

    def notes(self) -> list[str]:
        """What a reader must know."""
        notes = []
        for words, what in (("own count of requests", _STATS), ("list of executed POSTs", _EXECUTIONS)):
            notes += [f"{words} of {tier}: {NOT_OFFERED} by its image" for tier in sorted(self.not_offered(what))]
        if self.forgotten:
            notes.append(f"a node forgot {self.forgotten} keys; POSTs are compared by what it remembers")
        return notes


class NodePoller:
    """Reads all nodes' counters in a thread of its own until it is told to end.

    Args:
        nodes: lists the nodes; called in the thread.
        counters: where readings go.
        read: asks an internal page of a node.
        clock: tells and passes the time.
        port: the nodes' internal port.
        servers: where it goes which node is behind which server.
    """

    def __init__(
        self,
        nodes: Callable[[], Iterable[Node]],
        counters: NodeCounters,
        read: Callable[[str], Answer],
        clock: Clock = SYSTEM_CLOCK,
        port: int = STATS_PORT,
        servers: ServerNames | None = None,
    ) -> None:
        """Prepare; nothing is read yet."""
        self._nodes = nodes
        self._counters = counters
        self._ask = read
        self._clock = clock
        self._port = port
        self._servers = servers or ServerNames()
        self._known: dict[str, Node] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="counters", daemon=True)
        self._readers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="read")
        self.problem = ""

    def __enter__(self) -> NodePoller:
        """Read the counters as they are now, then go on in the background."""
        self._round(final=False)
        self._counters.begin()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Read everything a last time."""
        self._end.set()
        self._thread.join()
        self._clock.sleep(_POLL_SECONDS)  # a node may count a request just after it has answered it
        self._round(final=True)
        self._readers.shutdown()

    def _work(self) -> None:
        while not self._end.is_set():
            self._clock.sleep(_POLL_SECONDS)
            self._round(final=False)

    def _round(self, final: bool) -> None:
        try:
            found = list(self._nodes())
        except Exception as error:  # a listing that fails once must not end the drill; it is told at its end
            self.problem = str(error)
            return
        running = {node.id: node for node in found if node.running and node.address}
        # One that is frozen does not run, but its process is there and goes on later.
        for container in self._known.keys() - {node.id for node in found if node.state != ENDED}:
            self._counters.gone(container)
        self._known = {node.id: node for node in found}
        began = self._clock.now()
        self._servers.seen(running.values(), began)
        readings = self._readings(running.values(), _STATS)
        for node, stats in readings:
            self._counters.offers(node.tier, _STATS, does="requests" in stats)
            if "requests" in stats:
                self._counters.counted(node.id, stats, began)
        told = [node for node, _reading in readings if final or self._counters.draining(node.id)]
        for node, executions in self._readings(told, _EXECUTIONS):
            self._counters.offers(node.tier, _EXECUTIONS, does="keys" in executions)
            if "keys" in executions:
                self._counters.executed(node.id, executions)

    def _readings(self, nodes: Iterable[Node], what: str) -> list[tuple[Node, dict[str, Any]]]:
        """What the nodes say, those that did not answer in time left out.

        An address may be another node's as soon as its container has ended, so the answers of nodes that do not run
        any more afterwards are left out too.
        """
        said = list(self._readers.map(lambda node: (node, self._read(node, what)), nodes))
        if not said:
            return []
        try:
            still = {node.id: node.address for node in self._nodes() if node.running}
        except Exception as error:  # told at the end, as in a round
            self.problem = str(error)
            return []
        return [(node, found) for node, found in said if found is not None and still.get(node.id) == node.address]

    def _read(self, node: Node, what: str) -> dict[str, Any] | None:
        """What the node says; {} when it has no such page, None when it did not answer in time."""
        answer = self._ask(f"http://{node.address}:{self._port}/{what}")
        if not answer.status:
            return {} if answer.reason == REFUSED else None
        found = answer.json() if answer.ok else None
        return found if isinstance(found, dict) else {}
