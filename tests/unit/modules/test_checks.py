"""balance_check and sticky_check, from their parameters to their results, against a small real cluster.

One HTTP server plays the balancer, its API and, under /direct/<node>, the nodes.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.evenkeel.cluster.plugins.module_utils.measure import access_log
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.balance_check import derived_requests
from ansible_collections.evenkeel.cluster.plugins.module_utils.measure.session_check import derived_clients
from ansible_collections.evenkeel.cluster.plugins.modules import balance_check, sticky_check

NODES = ["web-1", "web-2", "web-3"]
COOKIE = "evenkeel_web"


class Chance(random.Random):
    """Reproducible chance."""


class FakeCluster:
    """Balances like Traefik: cycles which are permutations, or what a test puts in `choose`."""

    def __init__(self, nodes: list[str]) -> None:
        self.nodes = nodes
        self.cookie_flags: str | None = None  # set: sticky sessions with these flags
        self.status: Callable[[int], int] = lambda number: 200
        self.choose: Callable[[], str] = self._round_robin
        self.during: Callable[[int], None] = lambda number: None
        self.names = True
        self.reloads = 4
        self.counted = 0
        self.requests = 0
        self.states = {f"http://{node}:8080": "UP" for node in nodes}
        self.hosts: set[str] = set()
        self._chance = Chance(1)
        self._cycle: list[str] = []
        self._lock = threading.Lock()
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                with cluster._lock:
                    status, headers, body = cluster.answer(self.path, self.headers)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _round_robin(self) -> str:
        if not self._cycle:
            self._cycle = list(self.nodes)
            self._chance.shuffle(self._cycle)
        return self._cycle.pop()

    def answer(self, path: str, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        if path == "/api/http/services/web-1a@docker":
            return 200, [], json.dumps({"serverStatus": self.states}).encode()
        if path.startswith("/api/"):
            return 404, [], b'{"message": "service not found"}'
        if path == "/metrics":
            text = f"traefik_config_reloads_total {self.reloads}\n"
            text += f'traefik_service_requests_total{{code="200",service="web-1a@docker"}} {self.counted}\n'
            return 200, [], text.encode()
        if path.startswith("/direct/"):
            return 200, [("X-Served-By", path.removeprefix("/direct/"))], b"ok"
        self.hosts.add(headers["Host"])
        return self._balanced(headers)

    def _balanced(self, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        self.during(self.requests)
        self.requests += 1
        if not self.nodes:
            return self.status(self.requests), [], b"no node"
        self.counted += 1
        by_value = {hashlib.sha256(node.encode()).hexdigest()[:16]: node for node in self.nodes}
        sent = SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
        kept = by_value.get(sent.value) if sent and self.cookie_flags is not None else None
        node = kept or self.choose()
        answer = [("X-Served-By", node)] if self.names else []
        if self.cookie_flags is not None and not kept:
            value = hashlib.sha256(node.encode()).hexdigest()[:16]
            answer += [("Set-Cookie", "other=1; Path=/"), ("Set-Cookie", f"{COOKIE}={value}{self.cookie_flags}")]
        return self.status(self.requests), answer, b"ok"


@pytest.fixture
def make() -> Iterator[Callable[..., FakeCluster]]:
    clusters: list[FakeCluster] = []

    def build(nodes: list[str] | None = None) -> FakeCluster:
        clusters.append(FakeCluster(NODES if nodes is None else nodes))
        return clusters[-1]

    yield build
    for cluster in clusters:
        cluster.close()


@pytest.fixture
def cluster(make: Callable[..., FakeCluster]) -> FakeCluster:
    return make()


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module as Ansible does and give what it prints."""

    def runner(module: Any, cluster: FakeCluster, watched: bool = True, **options: Any) -> dict[str, Any]:
        arguments = {"url": f"{cluster.url}/", "tier": "web", "nodes": cluster.nodes, **options}
        if watched:
            arguments = {"api_url": cluster.url, "service": "web-1a", **arguments}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert result.get("changed") is not True
        assert "\n" not in result.get("msg", "")
        assert result.get("failed", False) == (result.get("verdict") != "pass")
        return result

    return runner


def balance(run: Run, cluster: FakeCluster, **options: Any) -> dict[str, Any]:
    return run(balance_check, cluster, **{"control_url": f"{cluster.url}/direct/web-2", **options})


# -- balance: passes -----------------------------------------------------------------


def test_round_robin_passes(run: Run, cluster: FakeCluster) -> None:
    cluster.choose()  # the measurement begins inside a cycle
    result = balance(run, cluster, host="labo-http.res.ch")
    assert result["method"] == "exact"
    assert result["message"] == (
        "balance of web: 60 of 60 requests answered, 20 each on 3 nodes (exact); control failed as it must"
    )
    assert sum(result["counts"].values()) == result["requests"] == result["sent"] == 60
    assert len(result["sequence"]) == 60
    assert cluster.hosts == {"labo-http.res.ch"}
    assert result["generation"] == {
        "observed": True,
        "attempts": 1,
        "before": 4,
        "after": 4,
        "counted": 60,
        "foreign_requests": 0,
        "servers": cluster.states,
    }
    assert result["control"] == {
        "applicable": True,
        "failed": True,
        "url": f"{cluster.url}/direct/web-2",
        "requests": 60,
        "counts": {"web-2": 60},
        "message": "got 0 of 60 requests on web-1, web-3, want 20 each (fix: docker logs web-1)",
    }


def test_check_mode_measures_just_the_same(run: Run, cluster: FakeCluster) -> None:
    assert balance(run, cluster, _ansible_check_mode=True)["sent"] == 60


@pytest.mark.parametrize("keep_alive", [True, False])
def test_unwatched_round_robin_passes_and_says_so(run: Run, cluster: FakeCluster, keep_alive: bool) -> None:
    result = balance(run, cluster, watched=False, requests=45, keep_alive=keep_alive)
    assert result["counts"] == {"web-1": 15, "web-2": 15, "web-3": 15}
    assert result["notes"] == ["configuration changes and requests of others not observed: no api_url"]


def test_parallel_requests_are_judged_by_counts(run: Run, cluster: FakeCluster) -> None:
    result = balance(run, cluster, connections=4)
    assert result["method"] == "exact"
    assert "order is not judged" in result["notes"][0]


def test_random_choice_passes_chi_square(run: Run, cluster: FakeCluster) -> None:
    chance = Chance(3)
    cluster.choose = lambda: chance.choice(NODES)
    result = balance(run, cluster, strategy="p2c")
    assert result["method"] == "chi-square"
    assert result["requests"] % 3 == 0
    assert result["p_value"] > 1e-6
    assert result["control"]["failed"] is True


def test_hash_of_the_address_stays_on_one_node(run: Run, cluster: FakeCluster) -> None:
    cluster.choose = lambda: "web-3"
    result = balance(run, cluster, strategy="hrw")
    assert (result["method"], result["control"]["applicable"]) == ("affinity", False)
    cluster.choose = cluster._round_robin
    assert balance(run, cluster, strategy="hrw")["msg"] == (
        "balance of web: got requests of one client on web-1, web-2, web-3, want all on one node"
        " (fix: check the nodes' health)"
    )


def test_least_time_promises_no_shares(run: Run, cluster: FakeCluster) -> None:
    cluster.choose = lambda: "web-3"
    result = balance(run, cluster, strategy="leasttime")
    assert result["method"] == "availability"
    assert result["message"].startswith("balance of web: 20 of 20 requests answered by web-3; leasttime prefers")
    assert result["notes"][1] == "no request on web-1, web-2"


def test_one_node(run: Run, make: Callable[..., FakeCluster]) -> None:
    result = balance(run, make(["web-1"]))
    assert result["message"] == (
        "balance of web: 20 of 20 requests answered by web-1; distribution not applicable: one node"
    )
    assert result["control"]["applicable"] is False


@pytest.mark.parametrize("module", [balance_check, sticky_check])
def test_no_node(run: Run, make: Callable[..., FakeCluster], module: Any) -> None:
    cluster = make([])
    cluster.status = lambda number: 503
    options = {"cookie": COOKIE} if module is sticky_check else {}
    result = run(module, cluster, **options)
    assert result["message"].endswith("web: no node: all 5 requests answered with 503 by the guard")
    assert (result["method"], result["lost"]) == ("guard", 0)
    cluster.status = lambda number: 404
    result = run(module, cluster, **options)
    assert result["msg"].endswith(
        "of web: got status 404 for 5 of 5 requests, want 503 from the guard (fix: run site.yml)"
    )
    assert result["lost"] == 5


# -- balance: each fault is found ----------------------------------------------------


def test_a_node_without_requests_is_named(run: Run, cluster: FakeCluster) -> None:
    result = balance(run, cluster, nodes=[*NODES, "web-4"], requests=60)
    assert result["msg"] == "balance of web: got 0 of 60 requests on web-4, want 15 each (fix: docker logs web-4)"
    assert result["counts"] == {"web-1": 20, "web-2": 20, "web-3": 20, "web-4": 0}


def test_an_unexpected_node_is_named(run: Run, cluster: FakeCluster) -> None:
    result = balance(run, cluster, nodes=["web-1", "web-2"], requests=60)
    assert result["msg"].startswith(
        "balance of web: got 20 of 60 requests on web-3, want answers from web-1, web-2 only"
        " (fix: docker inspect web-3)"
    )


def test_problems_are_told_by_aspect(run: Run, cluster: FakeCluster) -> None:
    cluster.choose = lambda: "web-1"
    aspects = balance(run, cluster)["aspects"]
    assert {name: len(found) for name, found in aspects.items() if found} == {"shares": 1}


def test_double_weight_is_found(run: Run, cluster: FakeCluster) -> None:
    cycle = ["web-1", "web-1", "web-2", "web-3"] * 100
    cluster.choose = cycle.pop
    assert balance(run, cluster)["msg"] == (
        "balance of web: got 30 of 60 requests on web-1, want 20 each (fix: docker inspect web-1)"
    )


def test_equal_counts_in_the_wrong_order_are_found(run: Run, cluster: FakeCluster) -> None:
    blocks = ["web-3"] * 20 + ["web-2"] * 20 + ["web-1"] * 20
    cluster.choose = blocks.pop
    assert balance(run, cluster)["problems"] == [
        "got web-1 twice in one cycle at request 3, want every node once in each cycle of 3"
        " (fix: check weight and health of web-1)"
    ]


def test_a_random_balancer_is_no_round_robin(run: Run, cluster: FakeCluster) -> None:
    chance = Chance(5)
    cluster.choose = lambda: chance.choice(NODES)
    assert balance(run, cluster)["verdict"] == "fail"


def test_chi_square_finds_a_double_share(run: Run, cluster: FakeCluster) -> None:
    chance = Chance(5)
    cluster.choose = lambda: chance.choices(NODES, [1, 2, 1])[0]
    message = balance(run, cluster, strategy="p2c")["msg"]
    assert "requests on web-2 (chi-square" in message
    assert "(p >= 1e-06)" in message


def test_lost_requests_are_named_with_their_node(run: Run, cluster: FakeCluster) -> None:
    cluster.status = lambda number: 502 if number in (7, 8) else 200
    result = balance(run, cluster)
    node = result["sequence"][6]
    assert result["lost"] == 2
    assert result["msg"].startswith(
        f"balance of web: got 2 of 60 requests lost (first: status 502 from {node} at request 7),"
        f" want 60 answered with status 200 (fix: docker logs {node})"
    )


def test_answers_without_a_name(run: Run, cluster: FakeCluster) -> None:
    cluster.names = False
    assert "got 60 of 60 answers without X-Served-By" in balance(run, cluster)["msg"]


def test_nobody_listens(run: Run, cluster: FakeCluster) -> None:
    cluster.close()
    result = balance(run, cluster, watched=False)
    assert result["msg"].startswith(
        "balance of web: got 5 of 5 requests lost (first: connection refused at request 1), want 60 answered"
    )
    assert (result["counts"], result["latency_ms"]) == (dict.fromkeys(NODES, 0), {})


def test_time_limit(run: Run, cluster: FakeCluster) -> None:
    result = balance(run, cluster, requests=100_000, time_limit=0.2)
    assert result["problems"][0].endswith(
        "of 100000 requests sent within the time limit, want all of them (fix: raise time_limit, or lower requests)"
    )


# -- balance: the control ------------------------------------------------------------


def test_a_control_that_does_not_fail_fails_the_check(run: Run, cluster: FakeCluster) -> None:
    result = balance(run, cluster, control_url=f"{cluster.url}/")
    assert result["control"]["failed"] is False
    assert "got a control which did not fail at" in result["msg"]


def test_a_control_that_is_not_answered_proves_nothing(run: Run, cluster: FakeCluster) -> None:
    result = balance(run, cluster, control_url="http://127.0.0.1:1/")
    assert result["control"]["failed"] is False
    assert "got a control with 5 of 5 requests lost (first: connection refused" in result["msg"]


# -- balance: three sides -----------------------------------------------------------


def test_the_access_log_is_a_side_of_its_own(
    run: Run, cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "_LOG_PATIENCE_SECONDS", 0.0)
    (tmp_path / "access.log").touch()
    members = [{"served_by": node, "url": f"http://{node}:8080", "address": ""} for node in NODES]
    result = balance(run, cluster, members=members, access_log=str(tmp_path / "access.log"))
    lost = (
        "got 60 of 60 answered requests missing in the access log, 0 there with another node or status, want all of"
        " them as the clients saw them (fix: see the balancer's access log)"
    )
    assert result["problems"] == [lost]
    assert result["aspects"] == {"answers": [], "shares": [], "observation": [], "sides": [lost], "control": []}
    assert result["sides"]["nodes"]["web-1"] == {"client": 20, "access_log": 0, "node": None}


def test_members_must_be_those_of_node_pool_info(run: Run, cluster: FakeCluster) -> None:
    assert balance(run, cluster, members=[{"name": "web-1"}])["msg"] == (
        "members: got an entry without served_by, want those of node_pool_info (fix: pass its nodes)"
    )


def test_no_control(run: Run, cluster: FakeCluster) -> None:
    assert balance(run, cluster, control_url="")["message"].endswith("(exact); no control")


# -- balance: generations and the requests of others -----------------------------------


def test_a_changed_configuration_repeats_the_measurement(run: Run, cluster: FakeCluster) -> None:
    def reload(number: int) -> None:
        if number == 31:  # a rebuilt balancer begins a new cycle
            cluster.reloads += 1
            cluster._cycle = []

    cluster.during = reload
    result = balance(run, cluster)
    assert result["method"] == "exact"
    assert (result["generation"]["attempts"], result["sent"], result["requests"]) == (2, 120, 60)
    assert result["notes"] == ["measured 2 times: the configuration or a node's health changed"]


def test_a_repetition_forgives_no_lost_request(run: Run, cluster: FakeCluster) -> None:
    def reload(number: int) -> None:
        cluster.reloads += number == 30

    cluster.during = reload
    cluster.status = lambda number: 404 if number == 31 else 200
    result = balance(run, cluster)
    assert (result["verdict"], result["lost"]) == ("fail", 1)
    assert result["msg"] == (
        "balance of web: got 1 requests lost while the configuration changed (first: status 404 at request 31),"
        " want none lost (fix: see the balancer's access log)"
    )


def test_a_flapping_node_repeats_the_measurement(run: Run, cluster: FakeCluster) -> None:
    def flap(number: int) -> None:
        if number == 10:
            cluster.states["http://web-2:8080"] = "DOWN"
            cluster.nodes = ["web-1", "web-3"]
        elif number == 70:
            cluster.states["http://web-2:8080"] = "UP"
            cluster.nodes = NODES

    cluster.during = flap
    result = balance(run, cluster)
    assert (result["verdict"], result["generation"]["attempts"]) == ("pass", 3)


def test_a_node_which_stays_down_is_reported(run: Run, cluster: FakeCluster) -> None:
    cluster.states["http://web-2:8080"] = "DOWN"
    cluster.choose = iter(["web-1", "web-3"] * 100).__next__
    result = balance(run, cluster)
    assert "got 0 of 60 requests on web-2" in result["msg"]
    assert result["notes"] == ["the balancer says DOWN for http://web-2:8080"]


def test_endless_changes_fall_back_to_chi_square(run: Run, cluster: FakeCluster) -> None:
    def reload(number: int) -> None:
        cluster.reloads += number % 60 == 30

    cluster.during = reload
    result = balance(run, cluster, attempts=2)
    assert (result["method"], result["generation"]["attempts"]) == ("chi-square", 2)
    assert "configuration or health changed in each of 2 measurements" in result["notes"][0]
    assert result["control"]["failed"] is True


def test_requests_of_others_fall_back_to_chi_square(run: Run, cluster: FakeCluster) -> None:
    def others(number: int) -> None:
        if number % 20 == 7:
            cluster.counted += 1
            cluster.choose()

    cluster.during = others
    result = balance(run, cluster)
    assert (result["method"], result["generation"]["foreign_requests"]) == ("chi-square", 3)
    assert "3 requests of others, or retries" in result["notes"][0]


def test_the_fallback_still_finds_a_missing_node(run: Run, cluster: FakeCluster) -> None:
    def others(number: int) -> None:
        cluster.counted += number == 7

    cluster.during = others
    cluster.choose = iter(["web-1", "web-3"] * 100).__next__
    assert "got 0 of 60 requests on web-2, want 20 each" in balance(run, cluster)["msg"]


def test_requests_that_the_service_did_not_count(run: Run, cluster: FakeCluster) -> None:
    def elsewhere(number: int) -> None:
        cluster.counted -= number >= 30

    cluster.during = elsewhere
    result = balance(run, cluster)
    assert result["msg"].startswith("balance of web: got 30 requests counted for service web-1a, want at least 60")


@pytest.mark.parametrize(
    "options, got",
    [
        ({"service": "gone"}, "got no service gone@docker, want a service which the balancer knows"),
        ({"api_url": "http://127.0.0.1:1"}, "got connection refused at http://127.0.0.1:1/"),
        ({"api_password_file": "/nonexistent"}, "got No such file or directory for /nonexistent"),
    ],
)
def test_an_unusable_api(run: Run, cluster: FakeCluster, options: dict[str, str], got: str) -> None:
    assert balance(run, cluster, **options)["msg"].startswith(f"balance of web: balancer API: {got}")


# -- sticky --------------------------------------------------------------------------

FLAGS = "; Path=/; HttpOnly; SameSite=Lax"


def sticky(run: Run, cluster: FakeCluster, **options: Any) -> dict[str, Any]:
    return run(sticky_check, cluster, **{"cookie": COOKIE, **options})


@pytest.fixture
def kept(cluster: FakeCluster) -> FakeCluster:
    cluster.cookie_flags = FLAGS
    return cluster


def test_sticky_sessions_pass(run: Run, kept: FakeCluster) -> None:
    kept.choose()
    result = sticky(run, kept, host="labo-http.res.ch:8080", max_age=0)
    assert result["message"] == (
        "sticky sessions of web: 21 of 21 clients stayed, spread over 3 nodes; control failed as it must"
    )
    assert (result["clients"], result["stayed"], result["moved"], result["requests"]) == (21, 21, 0, 105)
    assert sum(result["first_picks"].values()) == 21
    assert all(len(set(session)) == 1 and len(session) == 5 for session in result["sessions"])
    assert result["cookie_seen"] == {
        "name": COOKIE,
        "attributes": {"path": "/", "httponly": "", "samesite": "Lax"},
    }
    assert {key: result["control"][key] for key in ("applicable", "failed", "clients", "stayed", "moved")} == {
        "applicable": True,
        "failed": True,
        "clients": 21,
        "stayed": 0,
        "moved": 21,
    }


def test_clients_that_move_are_found(run: Run, kept: FakeCluster) -> None:
    def forget(number: int) -> None:
        kept.cookie_flags = None if number % 5 == 3 else FLAGS

    kept.during = forget
    result = sticky(run, kept)
    assert (result["verdict"], result["stayed"] < 21) == ("fail", True)
    assert "clients moved (first: client " in result["msg"]
    assert "want each client on one node" in result["msg"]


@pytest.mark.parametrize(
    "flags, options, problem",
    [
        ("; Path=/; SameSite=Lax", {}, f"got HttpOnly absent in cookie {COOKIE}, want present"),
        ("; Path=/; HttpOnly", {}, f"got SameSite absent in cookie {COOKIE}, want lax"),
        (FLAGS, {"same_site": "strict"}, f"got SameSite lax in cookie {COOKIE}, want strict"),
        (FLAGS, {"same_site": ""}, f"got SameSite lax in cookie {COOKIE}, want absent"),
        (FLAGS, {"http_only": False}, f"got HttpOnly present in cookie {COOKIE}, want absent"),
        (FLAGS + "; Secure", {}, f"got Secure present in cookie {COOKIE}, want absent"),
        (FLAGS, {"max_age": 60}, f"got Max-Age absent in cookie {COOKIE}, want 60"),
        (FLAGS + "; Max-Age=60", {"max_age": 0}, f"got Max-Age 60 in cookie {COOKIE}, want absent"),
        (FLAGS, {"cookie": "another"}, "got no cookie another for 6 of 6 clients, want one in the first answer"),
    ],
)
def test_cookie_faults(run: Run, kept: FakeCluster, flags: str, options: dict[str, Any], problem: str) -> None:
    kept.cookie_flags = flags
    result = sticky(run, kept, clients=6, requests_per_client=3, **options)
    assert result["msg"].startswith(f"sticky sessions of web: {problem}")


def test_no_stickiness_where_some_is_expected(run: Run, cluster: FakeCluster) -> None:
    result = sticky(run, cluster)
    assert "got no cookie" in result["problems"][0]
    assert "21 of 21 clients moved" in result["problems"][1]
    assert result["cookie_seen"] is None


def test_clients_which_are_kept_by_something_else_fail_the_control(run: Run, kept: FakeCluster) -> None:
    def by_rhythm() -> str:
        return NODES[(kept.requests - 1) // 5 % 3]

    kept.choose = by_rhythm
    result = sticky(run, kept)
    assert result["control"]["failed"] is False
    assert "got a control which did not fail: no client without a cookie jar moved" in result["msg"]


def test_all_new_clients_on_one_node(run: Run, kept: FakeCluster) -> None:
    kept.choose = lambda: "web-1"
    result = sticky(run, kept)
    assert "got all 21 clients on web-1, want new clients on every node (fix: docker logs web-2)" in result["msg"]


def test_a_node_which_gets_no_new_client(run: Run, kept: FakeCluster) -> None:
    kept.choose = iter(["web-1", "web-3"] * 200).__next__
    assert "got 0 of 21 clients on web-2, want some on each (fix: docker logs web-2)" in sticky(run, kept)["msg"]


def test_first_picks_out_of_order(run: Run, kept: FakeCluster) -> None:
    picks = ["web-1", "web-1", "web-1", *["web-2", "web-3"] * 60]
    kept.choose = iter(picks).__next__
    assert "got web-1 twice in one cycle for client 3, want first picks with" in sticky(run, kept)["msg"]


def test_random_first_picks_pass(run: Run, kept: FakeCluster) -> None:
    chance = Chance(2)
    kept.choose = lambda: chance.choice(NODES)
    assert sticky(run, kept, strategy="p2c")["verdict"] == "pass"
    assert sticky(run, kept)["verdict"] == "fail"


def test_first_picks_beside_requests_of_others(run: Run, kept: FakeCluster) -> None:
    def others(number: int) -> None:
        if number % 7 == 5:
            kept.counted += 1
            kept.choose()

    kept.during = others
    result = sticky(run, kept)
    assert result["verdict"] == "pass"
    assert "first picks not judged exactly: 15 requests of others" in result["notes"][0]


def test_lost_requests_of_clients(run: Run, kept: FakeCluster) -> None:
    kept.status = lambda number: 500 if number == 3 else 200
    assert "got 1 of 105 requests lost (first: status 500 from web-" in sticky(run, kept)["msg"]


def test_one_sticky_node_still_sets_its_cookie(run: Run, make: Callable[..., FakeCluster]) -> None:
    cluster = make(["web-1"])
    assert "got no cookie" in sticky(run, cluster)["msg"]
    cluster.cookie_flags = FLAGS
    assert sticky(run, cluster)["message"].endswith("60 of 60 requests answered; staying not applicable: one node")


def test_not_sticky(run: Run, cluster: FakeCluster) -> None:
    result = sticky(run, cluster, sticky=False)
    assert result["message"] == f"sticky sessions of web: no cookie {COOKIE}, and clients move over 3 nodes"
    assert (result["moved"], result["control"]["applicable"]) == (21, False)


def test_sticky_where_none_is_expected(run: Run, kept: FakeCluster) -> None:
    result = sticky(run, kept, sticky=False)
    assert f"got cookie {COOKIE} in 21 answers, want none" in result["problems"][0]
    assert "got 21 of 21 clients kept on one node, want clients that move" in result["problems"][1]


# -- parameters ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"requests": -1}, "requests: got -1, want 0 to 100000 (fix: pass a number in this range)"),
        ({"requests": 100_001}, "requests: got 100001, want 0 to 100000 (fix: pass a number in this range)"),
        ({"requests": 14}, "requests: got 14 for 3 nodes, want at least 15 (fix: requests: 0 derives it)"),
        ({"connections": 0}, "connections: got 0, want 1 to 64 (fix: pass a number in this range)"),
        ({"timeout": 0}, "timeout: got 0.0, want 0.01 to 600 (fix: pass a number in this range)"),
        ({"timeout": "nan"}, "timeout: got nan, want 0.01 to 600 (fix: pass a number in this range)"),
        ({"alpha": 1}, "alpha: got 1.0, want 1e-12 to 0.5 (fix: pass a number in this range)"),
        ({"attempts": 0}, "attempts: got 0, want 1 to 20 (fix: pass a number in this range)"),
        ({"nodes": ["a", "a"]}, "nodes: got a twice, want each node once (fix: pass the names of node_pool_info)"),
        ({"nodes": [""]}, "nodes: got an empty name, want each node once (fix: pass the names of node_pool_info)"),
        ({"service": ""}, "service: got api_url without it, want both or none (fix: pass service too)"),
        ({"api_url": ""}, "api_url: got service without it, want both or none (fix: pass api_url too)"),
        ({"url": "ftp://x/"}, "url: got 'ftp://x/', want an http(s) URL (fix: http://127.0.0.1:8080/)"),
        ({"control_url": "http://u:p@h/"}, "control_url: got credentials in the address, want none"),
        (
            {"host": "a\r\nX: y"},
            r"host: got 'a\r\nX: y', want a host name (fix: pass the name without scheme or path)",
        ),
    ],
)
def test_balance_refuses(run: Run, cluster: FakeCluster, options: dict[str, Any], message: str) -> None:
    assert balance(run, cluster, **options)["msg"].startswith(message)
    assert cluster.requests == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"clients": 1}, "clients: got 1, want 2 or more to see them spread (fix: clients: 0 derives it)"),
        ({"clients": 1001}, "clients: got 1001, want 0 to 1000 (fix: pass a number in this range)"),
        ({"requests_per_client": 2}, "requests_per_client: got 2, want 3 to 100 (fix: pass a number in this range)"),
        ({"cookie": " "}, "cookie: got an empty name, want the sticky cookie's (fix: pass tier.cookie.name)"),
        ({"max_age": -1}, "max_age: got -1, want 0 to 2.14748e+09 (fix: pass a number in this range)"),
        ({"secure": True}, "secure: got true for a plain HTTP address, want false there"),
    ],
)
def test_sticky_refuses(run: Run, cluster: FakeCluster, options: dict[str, Any], message: str) -> None:
    assert sticky(run, cluster, **options)["msg"].startswith(message)
    assert cluster.requests == 0


@pytest.mark.parametrize(
    "nodes, strategy, requests",
    [(0, "wrr", 5), (1, "wrr", 20), (2, "wrr", 64), (3, "wrr", 60), (40, "wrr", 200), (3, "hrw", 20)],
)
def test_derived_requests(nodes: int, strategy: str, requests: int) -> None:
    assert derived_requests(nodes, strategy, 1e-6) == requests


@pytest.mark.parametrize("nodes", [2, 3, 40])
def test_derived_requests_of_random_choice(nodes: int) -> None:
    requests = derived_requests(nodes, "p2c", 1e-6)
    assert requests % nodes == 0
    assert 300 < requests < 10_000


@pytest.mark.parametrize("nodes, clients", [(0, 5), (1, 12), (2, 32), (3, 21), (40, 80)])
def test_derived_clients(nodes: int, clients: int) -> None:
    assert derived_clients(nodes) == clients
