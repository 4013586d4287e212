"""Names carry the cluster's name, but for those of the default cluster."""

from __future__ import annotations

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster import names


@pytest.mark.parametrize(
    "cluster, node, image", [("evenkeel", "web-app-2", "res/web"), ("staging", "staging-web-app-2", "res/web-staging")]
)
def test_nodes_and_images(cluster: str, node: str, image: str) -> None:
    assert names.node_name(cluster, "web-app", 2) == node
    assert node.startswith(names.node_prefix(cluster, "web-app"))
    assert names.image_name(cluster, "res/web") == image


def test_what_is_derived_for_a_tier_has_a_name_of_its_own() -> None:
    assert names.derived_name("evenkeel", "shop") == "evenkeel/shop"
    assert names.derived_name("staging", "shop") == "evenkeel/staging/shop"
    pairs = [("evenkeel", "shop-staging"), ("staging", "shop"), ("shop", "staging"), ("evenkeel", "shop"), ("a", "b-c")]
    pairs += [("a-b", "c"), ("evenkeel", "hold-staging"), ("staging", names.HOLD), ("evenkeel", names.HOLD)]
    assert len({names.derived_name(*pair) for pair in pairs}) == len(pairs)
    assert (names.former_names("evenkeel", "a"), names.former_names("staging", "a")) == ([], ["evenkeel/a-staging"])


def test_containers_of_two_clusters_differ() -> None:
    def of(cluster: str) -> set[str]:
        return {
            names.edge_name(cluster),
            names.balancer_name(cluster, "blue"),
            names.balancer_name(cluster, "green"),
            names.portainer_name(cluster),
            names.node_name(cluster, "static", 1),
            names.image_name(cluster, "res/traefik"),
        }

    assert len(of("evenkeel")) == 6
    assert of("evenkeel") & of("staging") == set()
