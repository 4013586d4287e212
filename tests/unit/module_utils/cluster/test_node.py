"""Nodes, and copies of them that a management tool has made."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.node import RUNNING, Node, told_apart


def node(name: str, made_as: str = "", managed: bool = True) -> Node:
    return Node(
        id=f"id-{name}",
        name=name,
        tier="web",
        managed=managed,
        state=RUNNING,
        revision="r",
        made_as=(made_as or name) if managed else "",
    )


@pytest.mark.parametrize(
    "nodes, copies",
    [
        pytest.param([node("web-1"), node("web-2")], {}, id="none"),
        pytest.param([node("web-1"), node("copy", "web-1")], {"copy": "web-1"}, id="a copy"),
        pytest.param([node("copy", "web-1"), node("web-1")], {"copy": "web-1"}, id="the node is the younger one"),
        pytest.param([node("webby", "web-1")], {}, id="renamed"),
        pytest.param([node("webby", "web-1"), node("copy", "web-1")], {"copy": "web-1"}, id="renamed and copied"),
        pytest.param([node("web-1", "web-2"), node("web-2", "web-1")], {}, id="names exchanged"),
        pytest.param([node("web-1"), node("guest", managed=False)], {}, id="a guest"),
        pytest.param(
            [node("a", "web-1"), node("b", "web-1"), node("web-1")], {"a": "web-1", "b": "web-1"}, id="two copies"
        ),
    ],
)
def test_copies_are_told_apart(nodes: list[Node], copies: dict[str, str]) -> None:
    found = told_apart(nodes)
    assert [one.id for one in found] == [one.id for one in nodes]
    assert {one.name: one.copy_of for one in found if one.copy_of} == copies
    for before, after in zip(nodes, found, strict=True):
        if before.name in copies:
            assert (after.managed, after.revision, after.number) == (False, "", 0)
        else:
            assert after == before


def test_a_renamed_node_keeps_its_number() -> None:
    renamed = node("webby-9", "web-1")
    assert (renamed.own_name, renamed.number) == ("web-1", 1)
    assert dataclasses.replace(renamed, managed=False).number == 0
