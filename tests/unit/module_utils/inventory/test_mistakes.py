"""What people will get wrong: the exact line of each mistake."""

from __future__ import annotations

import pytest
from tests.unit.module_utils.inventory.samples import DYNAMIC, STATIC, cluster, problems_of, with_static

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import quote
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.tiers import RESERVED_IMAGES, RESERVED_TIERS


@pytest.mark.parametrize(
    "value, shown",
    [
        ("-1", "'-1'"),
        (-1, "-1"),
        ("2.5", "'2.5'"),
        (2.5, "2.5"),
        ("abc", "'abc'"),
        ("1_0", "'1_0'"),
        ("\u0663", "'\u0663'"),
        ("\uff13", "'\uff13'"),
        ("true", "'true'"),
        (True, "true"),
        (False, "false"),
        ("100000", "'100000'"),
        (100000, "100000"),
        (1001, "1001"),
        ("", "''"),
        (" 3 ", "' 3 '"),
        ("3 ", "'3 '"),
        ("3\n", "'3\\n'"),
        ("+3", "'+3'"),
        ("03", "'03'"),
        ("0x3", "'0x3'"),
        ("3e0", "'3e0'"),
        (3.0, "3.0"),
        ("-0", "'-0'"),
        (None, "nothing"),
        ([], "[]"),
        ({}, "{}"),
        ([3], "[3]"),
        ({"a": 3}, '{"a": 3}'),
        ("9" * 200, "'" + "9" * 77 + "...'"),
        (10**5000, "a int"),
        ("\u00b3", "'\u00b3'"),
        ("3\u202e", "'3\\u202e'"),
        (float("nan"), "NaN"),
    ],
    ids=lambda value: ascii(value)[:20] if not isinstance(value, int) or value < 10**9 else "huge",
)
def test_bad_counts(value: object, shown: str) -> None:
    assert problems_of(with_static(nodes=value)) == [
        f"static_nodes: got {shown}, want a whole number from 0 to 1000 (fix: -e static_nodes=3)"
    ]


def test_sum_of_counts_is_bounded_by_the_network() -> None:
    assert problems_of(with_static(nodes=998)) == [
        "nodes of all tiers: got 1001, want at most 1000 on one network (fix: lower the counts)"
    ]


@pytest.mark.parametrize("path", ["/api/dates/", "/api/dates"])
def test_two_tiers_on_one_path(path: str) -> None:
    assert problems_of(with_static(path=path)) == [
        "cluster_tiers.dynamic.path: got '/api/dates/', want another than tier static has"
        " (fix: give each tier a path of its own)"
    ]


def test_one_image_for_two_tiers() -> None:
    fix = "(fix: give each tier an image of its own)"
    line = f"cluster_tiers.dynamic.image: got 'res/express', want another than tier static has {fix}"
    assert problems_of(with_static(image="res/express")) == [line]
    # Its labels are in the image: a tier that only runs another one's image would join both.
    assert problems_of(with_static(image="res/express:old", context=None)) == [line]


def test_one_cookie_for_two_tiers() -> None:
    tiers = {
        "static": {**STATIC, "cookie": {"name": "session"}},
        "dynamic": {**DYNAMIC, "sticky": True, "cookie": {"name": "session"}},
    }
    assert problems_of(cluster(tiers=tiers)) == [
        "cluster_tiers.dynamic.cookie.name: got 'session', want another than tier static has"
        " (fix: give each tier its own cookie)"
    ]


@pytest.mark.parametrize("name", sorted(RESERVED_TIERS))
def test_reserved_tier_names(name: str) -> None:
    assert problems_of(cluster(tiers={name: STATIC})) == [
        f"tier name: got '{name}', want a name that is not reserved (fix: rename the tier, for example my-{name})"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Static",
        "1st",
        "-a",
        "a-",
        "a_b",
        "a b",
        "a.b",
        "a/b",
        "caf\u00e9",
        "web-1",
        "a" * 31,
        "a\n",
        "$(id)",
        5,
        None,
        True,
    ],
    ids=ascii,
)
def test_malformed_tier_names(name: object) -> None:
    assert problems_of(cluster(tiers={name: STATIC})) == [
        f"tier name: got {quote(name)}, want lower-case letters, digits and -, beginning with a letter,"
        " at most 30 characters, not ending in -<number> (fix: rename the tier in cluster_tiers)"
    ]


def test_secure_cookie_on_plain_http() -> None:
    assert problems_of(with_static(cookie={"secure": True})) == [
        "cluster_tiers.static.cookie.secure: got true, want false, because the web entry point speaks plain HTTP and"
        " browsers would never send the cookie back (fix: remove cluster_tiers.static.cookie.secure)"
    ]
    assert problems_of(with_static(cookie={"same_site": "none"})) == [
        "cluster_tiers.static.cookie.same_site: got 'none', want lax or strict, because none needs a secure cookie"
        " (fix: cluster_tiers.static.cookie.same_site: lax)"
    ]


def test_unknown_options() -> None:
    assert problems_of(with_static(memmory="1g")) == [
        "cluster_tiers.static: got 'memmory', want an option of a tier (fix: did you mean memory?)"
    ]
    (alien,) = problems_of(with_static(qwertyuiop=1))
    assert alien.endswith("(fix: remove it)")
    assert problems_of(with_static(cookie={"samesite": "lax"})) == [
        "cluster_tiers.static.cookie: got 'samesite', want one of http_only, max_age, name, same_site, secure"
        " (fix: did you mean same_site?)"
    ]
    # What we compute is not an option.
    for computed in ("container", "service", "name"):
        assert len(problems_of(with_static(**{computed: "x"}))) == 1


@pytest.mark.parametrize("option", ["image", "port", "path", "nodes"])
def test_missing_options_are_told_once(option: str) -> None:
    static = {key: value for key, value in STATIC.items() if key != option}
    assert problems_of(cluster(tiers={"static": static, "dynamic": DYNAMIC})) == [
        f"cluster_tiers.static.{option}: got nothing, want a value (fix: add {option} to the tier)"
    ]


@pytest.mark.parametrize("differs, got", [({}, 30), ({"stop_seconds": 40}, 40)])
def test_stop_before_the_drain_ends(differs: dict[str, int], got: int) -> None:
    assert problems_of(with_static(drain_seconds=40, **differs)) == [
        f"cluster_tiers.static.stop_seconds: got {got}, want more than drain_seconds (40), because Docker kills the"
        " node then (fix: cluster_tiers.static.stop_seconds: 70)"
    ]


def test_two_knobs_on_one_port() -> None:
    assert problems_of(cluster(web_port=9000)) == [
        "cluster_dashboard_port: got 9000, want another port than cluster_web_port"
        " (fix: -e cluster_dashboard_port=8081)"
    ]


def test_port_of_the_counters() -> None:
    held = {"image": "nginx:1", "port": 9180, "path": "/", "nodes": 1}
    (line,) = problems_of(cluster(tiers={"web": held}))
    assert line.startswith("cluster_tiers.web.port: got 9180, want another, because hold answers the balancer there")
    assert problems_of(with_static(port=9180)) == [
        "cluster_tiers.static.port: got 9180, want another, because nodes report their counters there"
        " (fix: cluster_tiers.static.port: 8080)"
    ]


@pytest.mark.parametrize("image", [*sorted(RESERVED_IMAGES), "evenkeel/shop"])
def test_images_of_the_project_itself(image: str) -> None:
    assert problems_of(with_static(image=image)) == [
        f"cluster_tiers.static.image: got '{image}', want a name that is not reserved"
        " (fix: cluster_tiers.static.image: res/express)"
    ]


@pytest.mark.parametrize("tiers", [None, "", "static", [], {}, 5, True, [STATIC], 2.5], ids=ascii)
def test_tiers_that_are_none(tiers: object) -> None:
    assert problems_of(cluster(tiers=tiers)) == [
        f"cluster_tiers: got {quote(tiers)}, want a mapping with at least one tier"
        " (fix: see roles/cluster/defaults/main.yml)"
    ]


@pytest.mark.parametrize("options", [None, "", "x", 5, True, [], [STATIC]], ids=ascii)
def test_tier_that_is_no_mapping(options: object) -> None:
    assert problems_of(cluster(tiers={"static": options, "dynamic": DYNAMIC})) == [
        f"cluster_tiers.static: got {quote(options)}, want a mapping (fix: see roles/cluster/defaults/main.yml)"
    ]


def test_all_problems_at_once() -> None:
    raw = with_static(nodes="abc", strategy="random", cookie={"secure": True})
    assert len(problems_of({**raw, "web_port": 0, "domain": "a b"})) == 5


def test_a_sticky_tier_cannot_hash_addresses() -> None:
    tier = {"image": "res/app", "port": 80, "path": "/", "nodes": 1, "sticky": True, "strategy": "hrw"}
    assert problems_of(cluster(tiers={"app": tier})) == [
        "cluster_tiers.app.strategy: got 'hrw', want wrr, p2c or leasttime for a sticky tier"
        " (fix: cluster_tiers.app.strategy: wrr)"
    ]


@pytest.mark.parametrize("failures, attempts, ceiling", [(10, 10, 9), (24, 24, 23), ("30", "24", 23), (1, 1, 0)])
def test_a_dead_node_must_be_out_before_the_retries_are_used_up(
    failures: object, attempts: object, ceiling: int
) -> None:
    static = {**STATIC, "max_failures": failures}
    dynamic = {**DYNAMIC, "max_failures": 0}
    raw = cluster(tiers={"static": static, "dynamic": dynamic}, retry_attempts=attempts)
    assert problems_of(raw) == [
        f"cluster_tiers.static.max_failures: got {failures}, want less than load_balancer_retry_attempts ({attempts}),"
        f" so that a request for a dead node can go elsewhere (fix: cluster_tiers.static.max_failures: {ceiling},"
        f" or -e load_balancer_retry_attempts={int(str(failures)) + 1})"
    ]


def test_a_node_that_must_not_run_twice_is_the_only_one() -> None:
    assert problems_of(with_static(roll="replace", nodes=1)) == []
    assert problems_of(with_static(roll="replace", nodes=0)) == []
    assert problems_of(with_static(roll="replace", nodes=2)) == [
        "static_nodes: got 2, want at most 1, because roll: replace is for an application that must not run twice"
        " (fix: -e static_nodes=1, or remove cluster_tiers.static.roll)"
    ]
    assert problems_of(with_static(roll="restart")) == [
        "cluster_tiers.static.roll: got 'restart', want one of beside, replace (fix: cluster_tiers.static.roll: beside)"
    ]


def test_names_of_nodes_must_be_host_names() -> None:
    tier = "a" * 30
    assert problems_of(cluster(name="b" * 27, tiers={tier: STATIC})) == []
    assert problems_of(cluster(tiers={tier: STATIC})) == []
    name = "b" * 28
    assert problems_of(cluster(name=name, tiers={tier: STATIC})) == [
        f"cluster_tiers.{tier}: got '{name}-{tier}-1000', want a name of nodes with at most 63 characters"
        " (fix: shorten the name of the tier or of the cluster)"
    ]


def test_names_of_images_have_room_for_the_cluster() -> None:
    assert problems_of(with_static(image="a" * 255)) == []
    (line,) = problems_of({**with_static(image="a" * 250), "name": "staging"})
    assert line.endswith(
        "want at most 255 characters with the cluster's name (fix: cluster_tiers.static.image: res/express)"
    )
