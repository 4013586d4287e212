"""What every engine must do: the same questions to the fake of the unit tests and to Docker.

A test file binds the contract with ``class TestX(EngineContract)`` and a fixture ``subject``. What the tests make is
gone again afterwards: each fixture removes all nodes of its cluster.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, RUNNING, Node, TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import Clock, wait_until
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import Alteration, EngineError, FaultyEngine
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import health_of

GONE = "0" * 64
_PATIENCE_SECONDS = 30.0


class ByHand(Protocol):
    """What a user does to a node with the engine's own commands."""

    def rename(self, node: str, name: str) -> None:
        """Give it another name."""

    def leave_network(self, node: str) -> None:
        """Take it off the cluster's network."""

    def limit(self, node: str) -> None:
        """Give it less memory, and let it not be started again."""

    def limit_for_good(self, node: str) -> None:
        """Give it a limit that cannot be set back while it runs."""

    def copy(self, node: str, name: str) -> str:
        """Start another container with its labels; the new one's identifier."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """An engine without nodes, and what nodes can be made from.

    Attributes:
        engine: it.
        clock: the time in which its nodes start and end.
        build: a tier whose nodes answer their health check and drain within its stop time.
        guest_image: reference of an image with the tier's labels.
        bare_name: a free name for an image.
        hand: changes nodes as a user does.
    """

    engine: FaultyEngine
    clock: Clock
    build: TierBuild
    guest_image: str
    bare_name: str
    hand: ByHand

    def name(self, number: int) -> str:
        """The name of a node."""
        return f"{self.build.tier.name}-{number}"

    def started(self, number: int = 1) -> Node:
        """Start a node; it answers."""
        self.engine.start(self.name(number), self.build)
        node = self.named(self.name(number))
        self.answers(node.id, 200)
        return self.now(node.id)

    def named(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.engine.nodes() if node.name == name)

    def now(self, node: str) -> Node:
        """The node as it is now."""
        return next(item for item in self.engine.nodes() if item.id == node)

    def altered(self) -> dict[str, Alteration]:
        """What was changed by hand, by the name of the node."""
        nodes = self.engine.nodes()
        found = self.engine.alterations(nodes, {self.build.tier.name: self.build})
        return {node.name: found[node.id] for node in nodes if node.id in found}

    def mended(self, node: str) -> Node:
        """Mend it; it answers."""
        self.engine.mend(self.now(node), self.build)
        self.answers(node, 200)
        assert self.altered() == {}
        return self.now(node)

    def answers(self, node: str, status: int) -> None:
        """Wait until the node's health answer has that status."""

        def look() -> str:
            found = health_of(self.engine, self.now(node), self.build.tier)
            return "" if found == status else f"{node}: got status {found}, want {status}"

        assert wait_until(look, _PATIENCE_SECONDS, 0.1, self.clock) == ""


class EngineContract:
    """Asked of every engine."""

    def test_it_says_its_version_and_where_its_nodes_are(self, subject: Subject) -> None:
        assert subject.engine.connect()
        assert subject.engine.provider
        assert subject.engine.network == subject.build.options.network

    def test_a_started_node_is_listed_as_what_it_was_made_of(self, subject: Subject) -> None:
        node = subject.started()
        tier = subject.build.tier
        assert (node.name, node.tier, node.managed, node.state) == (subject.name(1), tier.name, True, RUNNING)
        assert (node.revision, node.image_id) == (subject.build.revision, subject.build.image_id)
        assert (node.service, node.url) == (tier.service, f"http://{node.name}:{tier.port}")
        assert node.served_by == node.name
        assert node.number == 1
        assert node.address
        assert not node.leaving

    def test_nodes_can_be_started_side_by_side(self, subject: Subject) -> None:
        numbers = range(1, 5)
        threads = [
            threading.Thread(target=subject.engine.start, args=(subject.name(n), subject.build)) for n in numbers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        nodes = subject.engine.nodes()
        assert sorted(node.name for node in nodes) == [subject.name(number) for number in numbers]
        assert len({node.address for node in nodes}) == len({node.id for node in nodes}) == 4

    def test_a_name_that_is_taken_is_refused_and_nothing_half_made_is_left(self, subject: Subject) -> None:
        first = subject.started()
        with pytest.raises(EngineError, match="in use"):
            subject.engine.start(first.name, subject.build)
        assert [node.id for node in subject.engine.nodes()] == [first.id]

    def test_names_of_its_nodes_and_free_names_are_not_foreign(self, subject: Subject) -> None:
        node = subject.started()
        assert subject.engine.foreign_names([node.name, subject.name(77)]) == {}

    def test_folders_that_nodes_have_mounted_are_known_until_the_last_node_is_removed(
        self, subject: Subject, tmp_path: Path
    ) -> None:
        folders = [tmp_path / name for name in ("one", "two")]
        for number, folder in enumerate(folders, 1):
            folder.mkdir()
            mount = {"source": str(folder), "target": "/run/secrets", "read_only": True}
            options = dataclasses.replace(subject.build.options, mounts=(mount,))
            subject.engine.start(subject.name(number), dataclasses.replace(subject.build, options=options))
        assert subject.engine.mounted_below(str(tmp_path)) == {str(folder) for folder in folders}
        assert subject.engine.mounted_below(str(folders[0])) == set()
        first = subject.named(subject.name(1)).id
        subject.engine.stop(first, 0)
        assert str(folders[0]) in subject.engine.mounted_below(str(tmp_path))
        subject.engine.remove(first)
        assert subject.engine.mounted_below(str(tmp_path)) == {str(folders[1])}

    def test_a_folder_that_was_removed_is_known_also_when_another_one_has_its_name(
        self, subject: Subject, tmp_path: Path
    ) -> None:
        folder = tmp_path / "tiers" / "with a blank"
        folder.mkdir(parents=True)
        mount = {"source": str(folder), "target": "/run/secrets", "read_only": True}
        options = dataclasses.replace(subject.build.options, mounts=(mount,))
        subject.engine.start(subject.name(1), dataclasses.replace(subject.build, options=options))
        assert subject.engine.removed_below(str(tmp_path)) == set()
        for again in (False, True):
            if again:
                folder.mkdir()
            else:
                folder.rmdir()
            assert subject.engine.removed_below(str(tmp_path)) == {str(folder)}, again
        assert subject.engine.removed_below(str(folder)) == set()
        node = subject.named(subject.name(1)).id
        subject.engine.stop(node, 0)
        subject.engine.start_again(node)
        assert subject.engine.removed_below(str(tmp_path)) == set(), "it has the new one mounted"

    def test_an_image_is_found_with_its_labels_and_a_missing_one_is_none(self, subject: Subject) -> None:
        image = subject.engine.image(subject.guest_image)
        assert image is not None
        assert image.labels["evenkeel.tier"] == subject.build.tier.name
        assert image.id
        assert image.content
        assert subject.engine.image("evenkeel-contract/nosuch:latest") is None

    def test_a_stopped_node_has_drained_and_can_be_started_again(self, subject: Subject) -> None:
        node = subject.started()
        assert subject.engine.stop(node.id, subject.build.tier.stop_seconds) == 0
        assert subject.now(node.id).state == ENDED
        assert health_of(subject.engine, node, subject.build.tier) == 0
        subject.engine.start_again(node.id)
        subject.answers(node.id, 200)
        assert subject.now(node.id).running

    def test_a_node_that_is_given_no_time_ends_all_the_same(self, subject: Subject) -> None:
        node = subject.started()
        subject.engine.stop(node.id, 0)
        assert subject.now(node.id).state == ENDED

    def test_a_removed_node_is_gone_whatever_it_did(self, subject: Subject) -> None:
        running, frozen = subject.started(1), subject.started(2)
        subject.engine.freeze(frozen.id)
        for node in (running, frozen):
            subject.engine.remove(node.id)
        assert subject.engine.nodes() == []
        subject.engine.start(running.name, subject.build)
        assert subject.named(running.name).id != running.id

    def test_a_killed_node_has_ended_and_can_be_started_again(self, subject: Subject) -> None:
        node = subject.started()
        subject.engine.kill(node.id)

        def look() -> str:
            return "" if subject.now(node.id).state == ENDED else "it runs"

        assert wait_until(look, _PATIENCE_SECONDS, 0.1, subject.clock) == ""
        subject.engine.start_again(node.id)
        subject.answers(node.id, 200)

    def test_a_frozen_node_does_not_answer_until_it_is_thawed(self, subject: Subject) -> None:
        node = subject.started()
        subject.engine.freeze(node.id)
        assert not subject.now(node.id).running
        assert health_of(subject.engine, node, subject.build.tier) == 0
        subject.engine.thaw(node.id)
        subject.engine.thaw(node.id)
        subject.answers(node.id, 200)
        assert subject.now(node.id).state == RUNNING

    # -- by hand -------------------------------------------------------------------

    def test_a_node_as_it_was_made_is_not_altered(self, subject: Subject) -> None:
        node = subject.started()
        assert (node.made_as, node.own_name, node.copy_of, node.apart) == (node.name, node.name, "", "")
        assert subject.altered() == {}

    def test_a_renamed_node_is_known_and_gets_its_name_back(self, subject: Subject) -> None:
        node = subject.started()
        subject.hand.rename(node.id, "evenkeel-contract-other")
        found = subject.now(node.id)
        assert (found.name, found.own_name, found.managed) == ("evenkeel-contract-other", node.name, True)
        assert (found.number, found.url, found.served_by) == (1, node.url, node.served_by)
        assert node.name in subject.altered()[found.name].words[0]
        assert subject.mended(node.id).name == node.name

    def test_a_node_off_its_network_is_connected_again(self, subject: Subject) -> None:
        node = subject.started()
        subject.hand.leave_network(node.id)
        assert subject.now(node.id).address == ""
        assert subject.engine.network in subject.altered()[node.name].words[0]
        assert subject.mended(node.id).running

    def test_limits_that_were_changed_are_set_back(self, subject: Subject) -> None:
        node = subject.started()
        subject.hand.limit(node.id)
        assert "memory 60 MiB" in " ".join(subject.altered()[node.name].words)
        assert subject.mended(node.id).id == node.id

    def test_a_limit_that_cannot_be_set_back_is_told(self, subject: Subject) -> None:
        node = subject.started()
        subject.hand.limit_for_good(node.id)
        changed = subject.altered()[node.name]
        assert (changed.mendable, changed.words) == (False, ("CPU shares 512, want none",))

    def test_a_frozen_node_goes_on_when_it_is_mended(self, subject: Subject) -> None:
        node = subject.started()
        subject.engine.freeze(node.id)
        assert subject.altered()[node.name].words == ("is paused",)
        assert subject.mended(node.id).state == RUNNING

    def test_all_that_was_changed_is_set_back_at_once(self, subject: Subject) -> None:
        node = subject.started()
        subject.hand.limit(node.id)
        subject.hand.leave_network(node.id)
        subject.hand.rename(node.id, "evenkeel-contract-other")
        subject.engine.freeze(node.id)
        assert len(subject.altered()["evenkeel-contract-other"].words) >= 4
        assert subject.mended(node.id).name == node.name

    def test_a_node_that_has_ended_or_has_another_revision_is_not_looked_at(self, subject: Subject) -> None:
        node = subject.started()
        subject.hand.limit(node.id)
        other = dataclasses.replace(subject.build, revision="other")
        assert subject.engine.alterations(subject.engine.nodes(), {other.tier.name: other}) == {}
        assert subject.engine.alterations(subject.engine.nodes(), {}) == {}
        subject.engine.stop(node.id, 0)
        assert subject.altered() == {}

    def test_a_name_that_another_has_by_now_is_not_given_back(self, subject: Subject) -> None:
        node = subject.started(1)
        subject.hand.rename(node.id, "evenkeel-contract-other")
        subject.engine.start(node.name, subject.build)
        # The younger one has the name, so it is the node, and the other is a copy to all who look.
        assert {found.name: found.managed for found in subject.engine.nodes()} == {
            "evenkeel-contract-other": False,
            node.name: True,
        }
        with pytest.raises(EngineError, match="in use"):
            subject.engine.mend(node, subject.build)

    def test_a_copy_of_a_node_is_a_guest(self, subject: Subject) -> None:
        node = subject.started()
        copy = subject.hand.copy(node.id, "evenkeel-contract-copy")
        found = subject.now(copy)
        assert (found.copy_of, found.managed, found.kind, found.number) == (node.name, False, "guest", 0)
        assert subject.now(node.id).managed
        assert subject.altered() == {}
        subject.engine.remove(node.id)
        assert subject.now(copy).own_name == node.name, "alone, it is the node, renamed"

    def test_of_a_renamed_node_and_its_copy_the_older_one_is_the_node(self, subject: Subject) -> None:
        node = subject.started()
        copy = subject.hand.copy(node.id, "evenkeel-contract-copy")
        subject.hand.rename(node.id, "evenkeel-contract-other")
        assert (subject.now(node.id).managed, subject.now(copy).copy_of) == (True, node.name)

    def test_it_tells_what_it_knows_of_a_start(self, subject: Subject) -> None:
        node = subject.started()
        running = subject.engine.evidence(node.id)
        assert (running.ended, running.out_of_memory) == (False, False)
        if running.listeners is not None:
            assert subject.build.tier.port in {item.port for item in running.listeners}
        subject.engine.stop(node.id, subject.build.tier.stop_seconds)
        assert subject.engine.evidence(node.id).ended
        assert not subject.engine.evidence(GONE).ended

    def test_what_is_gone_is_an_error_only_where_something_was_to_come_of_it(self, subject: Subject) -> None:
        assert subject.engine.stop(GONE, 1) is None
        subject.engine.remove(GONE)
        subject.engine.thaw(GONE)
        subject.engine.remove_image("evenkeel-contract/nosuch:latest")
        assert isinstance(subject.engine.logs(GONE), str)
        for work in (subject.engine.start_again, subject.engine.kill, subject.engine.freeze):
            with pytest.raises(EngineError, match=r"got .*, want .* \(fix: .*\)"):
                work(GONE)
        gone = dataclasses.replace(subject.started(), id=GONE)
        with pytest.raises(EngineError, match=r"got .*, want .* \(fix: .*\)"):
            subject.engine.mend(gone, subject.build)
        assert subject.engine.alterations([gone], {subject.build.tier.name: subject.build}) == {}

    def test_a_guest_is_a_node_of_its_images_tier(self, subject: Subject) -> None:
        identity = subject.engine.run_guest(subject.guest_image, "drill-1")
        guest = subject.now(identity)
        assert (guest.tier, guest.managed, guest.kind, guest.number) == (subject.build.tier.name, False, "guest", 0)
        assert guest.served_by not in {"", guest.name}
        assert guest.url == f"http://{guest.address}:{subject.build.tier.port}"
        assert guest.revision == ""
        assert subject.engine.of_drills() == [identity]
        subject.answers(identity, 200)

    def test_a_managed_node_is_of_no_drill(self, subject: Subject) -> None:
        subject.started()
        assert subject.engine.of_drills() == []

    def test_a_bare_image_has_a_drill_s_labels_only_and_starts_the_same(self, subject: Subject) -> None:
        made = subject.engine.bare_image(subject.guest_image, subject.bare_name)
        try:
            image = subject.engine.image(f"{subject.bare_name}:latest")
            assert image is not None
            assert (image.id, set(image.labels)) == (made, {labels.CLUSTER, labels.ROLE, labels.DRILL})
            assert image.labels[labels.ROLE] == labels.NONE
            subject.engine.start(
                subject.name(1), dataclasses.replace(subject.build, image=f"{subject.bare_name}:latest")
            )
            subject.answers(subject.named(subject.name(1)).id, 200)
            # It serves users: what a drill removes at its end must not be it.
            assert subject.engine.of_drills() == []
        finally:
            for node in subject.engine.nodes():
                subject.engine.remove(node.id)
            subject.engine.remove_image(f"{subject.bare_name}:latest")
        assert subject.engine.image(f"{subject.bare_name}:latest") is None

    @pytest.mark.parametrize("what", ["node", "guest", "image"])
    def test_what_cannot_be_made_is_one_line(self, subject: Subject, what: str) -> None:
        missing = "evenkeel-contract/nosuch:latest"
        works: dict[str, Callable[[], object]] = {
            "node": lambda: subject.engine.start(subject.name(1), dataclasses.replace(subject.build, image=missing)),
            "guest": lambda: subject.engine.run_guest(missing, "drill-1"),
            "image": lambda: subject.engine.bare_image(missing, subject.bare_name),
        }
        with pytest.raises(EngineError) as caught:
            works[what]()
        assert "\n" not in str(caught.value)
        assert subject.engine.nodes() == []
