"""What every engine must do: the same questions to the fake of the unit tests and to Docker.

A test file binds the contract with ``class TestX(EngineContract)`` and a fixture ``subject``. What the tests make is
gone again afterwards: each fixture removes all nodes of its cluster.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import labels
from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import ENDED, RUNNING, Node, TierBuild
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.poll import Clock, wait_until
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError, FaultyEngine
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.context import node_health_url

GONE = "0" * 64
_PATIENCE_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """An engine without nodes, and what nodes can be made from.

    Attributes:
        engine: it.
        clock: the time in which its nodes start and end.
        build: a tier whose nodes answer their health check and drain within its stop time.
        guest_image: reference of an image with the tier's labels.
        bare_name: a free name for an image.
    """

    engine: FaultyEngine
    clock: Clock
    build: TierBuild
    guest_image: str
    bare_name: str

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

    def answers(self, node: str, status: int) -> None:
        """Wait until the node's health answer has that status."""

        def look() -> str:
            found = self.engine.health(node_health_url(self.now(node), self.build.tier))
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
        assert subject.engine.health(node_health_url(node, subject.build.tier)) == 0
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
        assert subject.engine.health(node_health_url(node, subject.build.tier)) == 0
        subject.engine.thaw(node.id)
        subject.engine.thaw(node.id)
        subject.answers(node.id, 200)
        assert subject.now(node.id).state == RUNNING

    def test_what_is_gone_is_an_error_only_where_something_was_to_come_of_it(self, subject: Subject) -> None:
        assert subject.engine.stop(GONE, 1) is None
        subject.engine.remove(GONE)
        subject.engine.thaw(GONE)
        subject.engine.remove_image("evenkeel-contract/nosuch:latest")
        assert isinstance(subject.engine.logs(GONE), str)
        for work in (subject.engine.start_again, subject.engine.kill, subject.engine.freeze):
            with pytest.raises(EngineError, match=r"got .*, want .* \(fix: .*\)"):
                work(GONE)

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
