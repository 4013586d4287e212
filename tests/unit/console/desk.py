"""An agent's actions at a cluster in memory."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evenkeel_agent.action import Action
from evenkeel_agent.actions import Actions
from evenkeel_agent.drained import Drained
from evenkeel_agent.journal import Journal
from evenkeel_agent.pool import Pool
from evenkeel_agent.settings import Settings
from evenkeel_agent.verbs import read_wish
from tests.unit.fakes.cluster import TIERS, FakeCluster

from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import Ports
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.overrides import read_overrides
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout_parts import RolloutLimits


class Desk:
    """An agent's actions at a cluster in memory."""

    def __init__(self, folder: Path, tiers: Mapping[str, Mapping[str, Any]] = TIERS) -> None:
        self.name = f"c{uuid.uuid4().hex[:8]}"
        self.cluster = FakeCluster(folder, cluster=self.name, tiers=tiers)
        self.cluster.clock.sleep(5)
        paths: dict[str, Any] = {
            name: folder / name for name in ("declaration", "overrides", "routes_file", "access_log", "socket")
        }
        self.settings = Settings(
            cluster=self.name,
            network=self.name,
            api_url="",
            api_user="",
            api_password_file=folder / "password",
            data_dir=folder,
            web_user=0,
            limits=RolloutLimits(surge_percent=1, ready_timeout=6.0),
            **paths,
        )
        self.audit = Journal(folder / "audit.jsonl", 1_000_000)
        self.told: list[tuple[str, int]] = []
        self.executed: list[list[str]] = []
        self.code = 0
        self.drained = Drained(folder / "drained.json")
        self.open()

    def open(self) -> None:
        """A new agent."""
        self.actions = Actions(
            self.settings, self.audit, self._changed, self.drained, self._reach, self, clock=self.cluster.clock
        )

    def _changed(self, action: Action) -> None:
        self.told.append((action.state, len(action.steps)))

    def _reach(self) -> tuple[Pool, Ports]:
        overrides = read_overrides(self.settings.overrides)
        tiers = {
            name: dataclasses.replace(tier, nodes=overrides[name].nodes) if name in overrides else tier
            for name, tier in self.cluster.tiers.items()
        }
        request = self.cluster.request(tiers=tiers, limits=self.settings.limits)
        return Pool(
            request, {name: tier.nodes for name, tier in self.cluster.tiers.items()}, overrides
        ), self.cluster.ports

    def kill(self, container: str) -> None:
        self.cluster.engine.kill(container)

    def execute(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        self.executed.append(list(command))
        return self.code, "no"

    def node(self, name: str) -> str:
        return next(node.id for node in self.cluster.engine.nodes() if self.bare(node.name) == name)

    def names(self, tier: str = "shop") -> list[str]:
        return [self.bare(name) for name in self.cluster.names(tier)]

    def bare(self, text: str) -> str:
        """A text without the cluster's name, which nodes of another cluster than the default one begin with."""
        return text.replace(f"{self.name}-", "")

    def plan(self, verb: str, **options: Any) -> Any:
        return self.actions.plan(read_wish({"verb": verb, **options}))

    def done(self, verb: str, typed: str = "", **options: Any) -> Action:
        """Plan, agree, and wait for the end."""
        action = self.actions.do(self.plan(verb, **options).id, "alice", uuid.uuid4().hex, typed)
        return self.ended(action)

    def ended(self, action: Action) -> Action:
        end = time.monotonic() + 20
        while action.seconds is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        return action
