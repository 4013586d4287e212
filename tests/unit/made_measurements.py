"""Measurements of a cluster that does not exist, as the modules return them: everything passes until a test changes it.

The test of the results' types holds them to :mod:`core.results`.
"""

from __future__ import annotations

import itertools
from typing import Any

from ansible_collections.evenkeel.cluster.plugins.module_utils.report.claim import Measurements


def tier(name: str, sticky: bool, **differs: Any) -> dict[str, Any]:
    usual = {
        "name": name,
        "image": f"res/{name}",
        "context": f"files/{name}",
        "port": 8080,
        "path": f"/{name}/",
        "strip_path": False,
        "nodes": 3,
        "sticky": sticky,
        "strategy": "wrr",
        "cookie": {"name": f"evenkeel_{name}"},
        "environment": {},
        "labels": {"many": "labels"},
    }
    return {**usual, **differs}


def spec(*tiers: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "shop",
        "domain": "shop.example.org",
        "web_port": 8080,
        "dashboard_port": 9000,
        "portainer": False,
        "portainer_port": 9090,
        "hosts": ["localhost"],
        "state_dir": "/var/lib/evenkeel/shop",
        "tiers": list(tiers) or [tier("static", True), tier("dynamic", False)],
    }


def names(one: dict[str, Any]) -> list[str]:
    return [f"{one['name']}-{number + 1}" for number in range(one["nodes"])]


def pool(declared: dict[str, Any]) -> dict[str, Any]:
    return {
        "balancer": {"reachable": True, "version": "3.7.15", "reason": ""},
        "tiers": {
            one["name"]: {
                "desired": one["nodes"],
                "running": one["nodes"],
                "in_rotation": one["nodes"],
                "guests": 0,
                "service": f"{one['name']}-1a",
                "revision": "0c1d2e3f4a5b",
                "unknown_servers": [],
                "drift": [],
            }
            for one in declared["tiers"]
        },
        "nodes": [
            {
                "id": "4f8d4fd1e62b6f29",
                "name": name,
                "tier": one["name"],
                "managed": True,
                "state": "running",
                "detail": "",
                "revision": "0c1d2e3f4a5b",
                "image_id": "sha256:63c0",
                "service": f"{one['name']}-1a",
                "address": "172.18.0.3",
                "served_by": name,
                "url": f"http://{name}:8080",
                "leaving": False,
                "host": "",
                "direct_url": f"http://172.18.0.3:8080{one['path']}",
                "in_rotation": True,
                "balancer_status": "UP",
                "remark": "",
            }
            for one in declared["tiers"]
            for name in names(one)
        ],
        "undeclared": {},
        "agreement": [],
    }


def generation(requests: int) -> dict[str, Any]:
    return {
        "observed": True,
        "attempts": 1,
        "before": 4,
        "after": 4,
        "counted": requests,
        "foreign_requests": 0,
        "servers": {"http://static-1:8080": "UP"},
    }


def balance(one: dict[str, Any], requests: int = 60) -> dict[str, Any]:
    nodes = names(one)
    each = requests // len(nodes)
    counts = dict.fromkeys(nodes, each)
    return {
        "verdict": "pass",
        "message": f"balance of {one['name']}: fine",
        "problems": [],
        "aspects": {"answers": [], "shares": [], "observation": [], "sides": [], "control": []},
        "notes": [],
        "named_by": "header",
        "method": "exact",
        "requests": requests,
        "sent": requests,
        "lost": 0,
        "counts": counts,
        "sequence": list(itertools.islice(itertools.cycle(nodes), requests)),
        "statistic": 0.0,
        "p_value": 1.0,
        "latency_ms": {"p50": 1.0, "p95": 2.0, "max": 3.0},
        "generation": generation(requests),
        "sides": {
            "nodes": {node: {"client": each, "access_log": each, "node": each} for node in nodes},
            "access_log_missing": 0,
            "access_log_differs": 0,
            "own_count_offered": True,
        },
        "control": {
            "applicable": True,
            "failed": True,
            "url": f"http://172.18.0.3:8080{one['path']}",
            "requests": requests,
            "counts": {nodes[0]: requests},
            "message": f"got 0 of 60 requests on {nodes[-1]}, want 20 each",
        },
    }


def sessions(one: dict[str, Any], clients: int = 21) -> dict[str, Any]:
    nodes, sticky = names(one), one["sticky"]
    kept = [[nodes[client % len(nodes)]] * 5 for client in range(clients)]
    moving = [[nodes[(client + request) % len(nodes)] for request in range(5)] for client in range(clients)]
    control: dict[str, Any] = {
        "applicable": False,
        "failed": None,
        "clients": 0,
        "requests": 0,
        "stayed": 0,
        "moved": 0,
        "sessions": [],
        "message": "",
    }
    if sticky:
        control = {
            "applicable": True,
            "failed": True,
            "clients": clients,
            "requests": clients * 5,
            "stayed": 0,
            "moved": clients,
            "sessions": moving,
            "message": "got 21 of 21 clients moved, want each client on one node (fix: docker inspect x)",
        }
    return {
        "verdict": "pass",
        "message": f"sticky sessions of {one['name']}: fine",
        "problems": [],
        "notes": [],
        "named_by": "header",
        "method": "sessions",
        "clients": clients,
        "requests": clients * 5,
        "sent": clients * 5,
        "lost": 0,
        "stayed": clients if sticky else 0,
        "moved": 0 if sticky else clients,
        "first_picks": dict.fromkeys(nodes, clients // len(nodes)),
        "sessions": kept if sticky else moving,
        "counts": dict.fromkeys(nodes, clients * 5 // len(nodes)),
        "cookie_seen": {"name": one["cookie"]["name"], "attributes": {"path": "/", "httponly": ""}} if sticky else None,
        "latency_ms": {"p50": 1.0, "p95": 2.0, "max": 3.0},
        "generation": generation(clients * 5),
        "control": control,
    }


def management() -> dict[str, Any]:
    def check(credentials: str) -> dict[str, Any]:
        right = credentials == "right"
        return {
            "what": "API",
            "url": "http://127.0.0.1:9000/api/version",
            "credentials": credentials,
            "want": (200,) if right else (401, 403),
            "got": 200 if right else 401,
            "ok": True,
            "control": not right,
            "error": "",
        }

    return {
        "verdict": "pass",
        "message": "management: fine",
        "problems": [],
        "aspects": {"access": [], "control": []},
        "checks": [check(credentials) for credentials in ("right", "none", "wrong")],
    }


def load_figures(seconds: int = 10, failed: int = 0, rate: int = 400) -> dict[str, Any]:
    bins, sent = seconds * 4, seconds * rate
    span = {
        "failed": 0,
        "answered_per_second": float(rate),
        "requests": rate,
        "seconds": 1.0,
        "latency_ms": {"count": 1},
    }
    return {
        "requests": {"sent": sent, "answered": sent - failed, "failed": failed, "failed_in_flight": 0, "causes": {}},
        "rate": {"offered": float(rate), "achieved": float(rate), "late_p99": 0.002},
        "latency_ms": {"count": sent, "p50": 2.0, "p95": 9.0, "p99": 20.0, "max": 30.0},
        "posts": {
            "sent": sent // 10,
            "answered": sent // 10,
            "executed_once": sent // 10,
            "twice": 0,
            "missing": 0,
            "unknown": 0,
            "not_offered": 0,
            "again": 0,
            "keys": [],
        },
        "sessions": {"seen": 30, "moved_own": 4, "moved_foreign": 0},
        "join_seconds": {"count": 1, "p50": 0.2, "p95": 0.2, "p99": 0.2, "max": 0.2},
        "leave_seconds": {"count": 1, "p50": 0.4, "p95": 0.4, "p99": 0.4, "max": 0.4},
        "out_seconds": {"count": 0},
        "join_times": [0.2],
        "leave_times": [0.4],
        "timeline": {
            "bin_seconds": 0.25,
            "answered": [rate // 4] * bins,
            "failed": [failed, *[0] * (bins - 1)],
            "p50_ms": [2.0] * bins,
            "p95_ms": [None, *[9.0] * (bins - 1)],
            "p99_ms": [20.0] * bins,
            "nodes": {"static": [3] * bins, "dynamic": [3] * bins},
        },
        "events": [
            {
                "kind": "stop",
                "tier": "static",
                "began": 3.0,
                "ended": 4.5,
                "left": {"static-1": 3.0},
                "joined": {"static-1": 4.2},
                "out": {},
                "error": "",
                "load": {"before": span, "during": span, "after": span},
            }
        ],
        "counts": {
            "client": sent,
            "access_log": sent,
            "access_log_missing": 0,
            "access_log_differs": 0,
            "retried": 0,
            "nodes": {"static-1": {"counted": 700, "answers": 700}},
            "incomplete": [],
        },
        "named_by": {"static": "header", "dynamic": "header"},
        "notes": [],
    }


def drill(scenario: str = "stop", seconds: int = 10) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "thresholds": {"join_p95": 1.0, "leave_p95": 3.0},
        "changed": True,
        "plan": {"rate": 400.0, "seconds": float(seconds), "requests": seconds * 400, "events": ["stop static-1"]},
        "verdict": "pass",
        "message": f"drill {scenario} of static, dynamic: 0 requests failed",
        "problems": [],
        "drill": load_figures(seconds),
        "control": {
            "failed": True,
            "message": "control: 40 requests lost, as it must",
            **load_figures(seconds, failed=40),
        },
        "files": [],
    }


def measurements(*drills: dict[str, Any], tiers: tuple[dict[str, Any], ...] = ()) -> Measurements:
    """All is well; the parts are dictionaries that a test may change."""
    declared = spec(*tiers)
    parts: dict[str, Any] = {
        "pool": pool(declared),
        "balance": {one["name"]: balance(one) for one in declared["tiers"]},
        "sticky": {one["name"]: sessions(one) for one in declared["tiers"]},
        "management": management(),
        "drills": list(drills),
        "drills_due": bool(drills),
    }
    return Measurements(spec=declared, **parts)


def part(measured: Measurements, *path: str) -> Any:
    """A part of the measurements, for a test to read or to change."""
    found: Any = getattr(measured, path[0])
    for key in path[1:]:
        found = found[key]
    return found


def provenance() -> dict[str, Any]:
    return {
        "machine": {
            "system": "Debian GNU/Linux 12",
            "kernel": "6.1",
            "architecture": "x86_64",
            "processor": "AMD EPYC",
            "cpus": 2,
            "memory_bytes": 2**34,
            "python": "3.11",
        },
        "docker": {"version": "27.5.1", "api_version": "1.47", "reason": ""},
        "images": [
            {
                "role": "node",
                "tier": "static",
                "id": "sha256:63c0",
                "tags": ["res/static:1"],
                "digests": [],
                "containers": ["static-1"],
            }
        ],
    }
