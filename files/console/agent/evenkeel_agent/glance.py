"""What Docker alone tells of the nodes, at once: which there are, and whether they run.

A look also asks the nodes and the balancer, and waits for their answers. A node that has ended, is new or is gone must
be seen before that. Whether it is in rotation, the next look tells.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import Node
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_errors import DockerNotFoundError
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.docker_nodes import DockerEngine

from .engine import CachingClient
from .look import no_figures, shown_node
from .node_state import Seen
from .settings import Settings

#: After these events, a node is another one than before. A new one runs soon, or the next look tells of it.
TELLING = frozenset({"start", "die", "pause", "unpause", "destroy"})


@dataclasses.dataclass(frozen=True)
class Listing:
    """Docker's list of the nodes.

    Attributes:
        at: when it was asked for, in seconds since the epoch.
        nodes: all of them, by identifier.
        records: Docker's records of those whose state is another one than was told.
    """

    at: float
    nodes: Mapping[str, Node]
    records: Mapping[str, Mapping[str, Any]]


def glance(settings: Settings, client: CachingClient, told: Mapping[str, str]) -> Listing:
    """Ask Docker for the nodes.

    Args:
        settings: the agent's.
        client: Docker.
        told: node to Docker's word for its state that was told last.

    Raises:
        EngineError: Docker does not answer.
    """
    at = time.time()
    nodes = {node.id: node for node in DockerEngine(settings.cluster, settings.network, {}, client).nodes()}
    records = {}
    for node in nodes.values():
        if told.get(node.id) != node.condition:
            with contextlib.suppress(DockerNotFoundError):
                records[node.id] = client.inspect(node.id)
    return Listing(at, nodes, records)


def over(
    state: Mapping[str, Any], told: Mapping[str, str], listing: Listing
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The agent's state with what a newer list of Docker's tells, and Docker's words that it is made of by then. Pure.

    Args:
        state: as a look has made it.
        told: node to Docker's word for its state that the state is made of.
        listing: the list, which was asked for with the same words.
    """
    before = state["nodes"]
    same = {name for name, node in listing.nodes.items() if name in before and told.get(name) == node.condition}
    if same == before.keys() and not listing.records:
        return dict(state), told
    tiers = state["tiers"]
    nodes = {name: before[name] for name in same}
    for name, record in listing.records.items():
        node = listing.nodes[name]
        revision = tiers.get(node.tier, {}).get("revision")
        now = shown_node(node, record, _seen(node, record), revision)
        nodes[name] = {**no_figures(), **before.get(name, {}), **now, "changed": listing.at}
    members = [listing.nodes[name] for name in nodes]
    counted = {name: {**tier, **_counts(name, tier, members)} for name, tier in tiers.items()}
    words = {node.id: node.condition for node in members}
    return {**state, "at": max(state["at"], listing.at), "nodes": nodes, "tiers": counted}, words


def _seen(node: Node, record: Mapping[str, Any]) -> Seen:
    """What its state is made of; one that runs again is as one that has started now, until it was asked."""
    state = record.get("State") or {}
    return Seen(
        status=node.condition,
        age=0.0,
        listed="",
        exit_code=int(state.get("ExitCode") or 0),
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=int(record.get("RestartCount") or 0),
    )


def _counts(name: str, tier: Mapping[str, Any], nodes: Sequence[Node]) -> dict[str, Any]:
    members = [node for node in nodes if node.tier == name]
    running, serving = sum(node.running for node in members), tier["in_rotation"]
    return {
        "running": running,
        "guests": sum(not node.managed for node in members),
        # None that has ended is in rotation; whether one that is new is, the balancer tells.
        "in_rotation": None if serving is None else min(serving, running),
    }
