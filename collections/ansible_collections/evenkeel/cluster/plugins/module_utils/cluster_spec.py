# Copyright (c) 2026 Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The declared cluster: raw inventory values in, a checked and completed specification out.

Pure: no I/O. Every problem of the input is found in one pass and told as one line,
``what: got X, want Y (fix: ...)``, because people would rather mend all of it at once.
Numbers are checked as text first: ``int()`` would take ``1_0``, `` 3 ``, Arabic-Indic digits and ``True``.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# A Linux bridge takes 1,024 ports; the balancer, the console and a margin for guests come off.
MAX_NODES = 1000
MAX_DRAIN_SECONDS = 600
MAX_STOP_SECONDS = 3600
MAX_PIDS = 4_194_304  # the kernel's own limit (PID_MAX_LIMIT)
# The time-out is as long as the interval allows: a busy host answers late, and late is not down.
HEALTH_INTERVAL = "500ms"
HEALTH_TIMEOUT = "450ms"
# So many failures of a node within this time, and no answer in between, take it out of rotation. One request alone is
# enough, since it is tried again every 10 to 20 ms; a URL that answers 500 is rarely asked so often.
DEFAULT_MAX_FAILURES = 10
FAILURE_WINDOW = "300ms"
MAX_FAILURES = 100
TRANSPORT = "evenkeel@file"
# Every node answers here with its counters; the balancer never routes to it.
STATS_PORT = 9180

ENGINES = ("docker",)
IMAGE_SOURCES = ("packages", "registry")
STRATEGIES = ("wrr", "p2c", "hrw", "leasttime")
SAME_SITE = ("lax", "strict", "none")
RESERVED_TIERS = frozenset(
    {"all", "api", "balancer", "base", "bridge", "console", "dashboard", "empty", "evenkeel", "guard", "host"}
    | {"internal", "none", "portainer", "registry", "traefik"}
)
# What the project itself builds: a tier of the same name would overwrite it.
RESERVED_IMAGES = frozenset({"evenkeel/base", "res/traefik"})
RESERVED_CLUSTERS = frozenset({"bridge", "default", "host", "ingress", "none"})

_SHOWN_LENGTH = 80
_HOST_NAME_LENGTH = 253
_IMAGE_LENGTH = 255
_COOKIE_MAX_AGE = 400 * 86400  # browsers keep no cookie for longer (RFC 6265bis, section 5.6.2)
_MIN_CPUS = 0.01  # Docker refuses less

_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?", re.ASCII)
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?", re.ASCII)
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_REPOSITORY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*",
    re.ASCII,
)
_REFERENCE_SUFFIX = re.compile(r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_PATH = re.compile(r"/(?:[A-Za-z0-9_~.-]+/)*", re.ASCII)
_HEALTH_PATH = re.compile(r"/[A-Za-z0-9_~./-]*", re.ASCII)
# Browsers keep __Host- and __Secure- for cookies over HTTPS.
_COOKIE_NAME = re.compile(r"(?!__)[A-Za-z0-9_-]{1,64}", re.ASCII)
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MEMORY = re.compile(r"([1-9][0-9]{0,11})([bkmg]?)", re.ASCII | re.IGNORECASE)
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}", re.ASCII)
# No colon: it separates the parts of a bind mount.
_FOLDER = re.compile(r"(?:/[^/:\x00-\x1f\x7f]+)+/?")
_REGISTRY_PREFIX = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?/(?:[a-z0-9][a-z0-9._-]*/)*)?", re.ASCII
)
_MIRROR = re.compile(r"(?:(?:https?|file)://[A-Za-z0-9._~:/@%+-]+)?", re.ASCII)
_MEMORY_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_MEMORY_FLOOR = 16 * 1024**2
_SIZE_LIMIT = 2**60


@dataclasses.dataclass(frozen=True)
class Cookie:
    """The sticky session's cookie, as the balancer sets it. ``max_age`` is in seconds, 0 = session cookie."""

    name: str
    secure: bool = False
    http_only: bool = True
    same_site: str = "lax"
    max_age: int = 0


@dataclasses.dataclass(frozen=True)
class Tier:
    """One tier as declared, completed with defaults and with what follows from it (service name, labels)."""

    name: str
    image: str
    context: str | None
    port: int
    path: str
    strip_path: bool
    nodes: int
    sticky: bool
    strategy: str
    cookie: Cookie
    health_path: str
    max_failures: int
    drain_seconds: int
    stop_seconds: int
    memory: int
    cpus: float
    pids: int
    environment: dict[str, str]
    mounts: list[dict[str, Any]]
    service: str
    labels: dict[str, str]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tier:
        """Rebuild a tier from its :func:`dataclasses.asdict` form, as it travels between modules.

        :raises TypeError: when a key is missing or unknown.
        """
        return cls(**{**data, "cookie": Cookie(**data["cookie"])})


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    """Everything that one inventory declares."""

    name: str
    domain: str
    hosts: list[str]
    engine: str
    network: str
    web_port: int
    dashboard_port: int
    portainer: bool
    portainer_port: int
    image_source: str
    state_dir: str
    tiers: list[Tier]

    def as_dict(self) -> dict[str, Any]:
        """The specification as plain data, for Ansible facts."""
        return dataclasses.asdict(self)


class _Reader:
    """Collects problems while values are read, so that one pass reports them all."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def problem(self, what: str, got: object, want: str, fix: str) -> None:
        self.problems.append(printable(f"{what}: got {show(got)}, want {want} (fix: {fix})"))

    def whole(self, what: str, value: object, low: int, high: int, fix: str) -> int:
        number = whole_number(value)
        if number is None or not low <= number <= high:
            self.problem(what, value, f"a whole number from {low} to {high}", fix)
            return low
        return number

    def flag(self, what: str, value: object) -> bool:
        parsed = boolean(value)
        if parsed is None:
            self.problem(what, value, "true or false", f"{what}: true")
            return False
        return parsed

    def text(self, what: str, value: object, pattern: re.Pattern[str], want: str, fix: str) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            self.problem(what, value, want, fix)
            return ""
        return str(value)

    def choice(self, what: str, value: object, choices: Iterable[str]) -> str:
        options = tuple(choices)
        if not isinstance(value, str) or value not in options:
            self.problem(what, value, "one of " + ", ".join(options), f"{what}: {options[0]}")
            return options[0]
        return str(value)

    def known_keys(self, what: str, value: Mapping[str, Any], known: Iterable[str]) -> None:
        names = sorted(known)
        for key in value:
            if key in names:
                continue
            near = difflib.get_close_matches(show(key), names, n=1)
            fix = f"did you mean {near[0]}?" if near else "remove it"
            self.problem(what, key, "one of " + ", ".join(names), fix)


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and the like as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show(value: object) -> str:
    """A value as people would recognise it in an error line: quoted text, bounded in length, on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(value, default=str, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):  # keys that JSON has not, numbers of 5,000 digits, cycles
            text = f"a {type(value).__name__}"
    text = text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 3] + "..."
    return printable(f"'{text}'" if isinstance(value, str) else text)


def whole_number(value: object) -> int | None:
    """A non-negative whole number written in plain ASCII digits, or an ``int``; anything else is ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value) if value >= 0 else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return None


def boolean(value: object) -> bool | None:
    """YAML's and the command line's true/false (``-e x=true`` arrives as text); anything else is ``None``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "yes", "false", "no"}:
        return value.lower() in {"true", "yes"}
    return None


def parse_size(value: object) -> int | None:
    """Bytes written as Docker does, with b, k, m or g for binary units (``256m``); anything else is ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    if isinstance(value, int):
        return value if 0 < value < _SIZE_LIMIT else None
    match = _MEMORY.fullmatch(value)
    size = int(match[1]) * _MEMORY_UNITS[match[2].lower()] if match else 0
    return size if 0 < size < _SIZE_LIMIT else None


def is_host_name(value: object) -> bool:
    """Whether the value is a DNS host name (RFC 1123, section 2.1) or an IPv4 address."""
    if not isinstance(value, str) or not 0 < len(value) <= _HOST_NAME_LENGTH:
        return False
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        labels = value.split(".")
        # Digits and dots alone are a mistyped address, not a name.
        return all(_HOST_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    return True


def policy_labels(sticky: bool, strategy: str, cookie: Cookie, health_path: str, max_failures: int) -> dict[str, str]:
    """The balancing policy as options of Traefik's ``loadbalancer``: option -> value."""
    options = {
        "strategy": strategy,
        "healthcheck.path": health_path,
        "healthcheck.interval": HEALTH_INTERVAL,
        "healthcheck.timeout": HEALTH_TIMEOUT,
        "serverstransport": TRANSPORT,
    }
    if max_failures:
        options |= {
            "passivehealthcheck.maxfailedattempts": str(max_failures),
            "passivehealthcheck.failurewindow": FAILURE_WINDOW,
        }
    if sticky:
        options |= {
            "sticky.cookie.name": cookie.name,
            "sticky.cookie.httponly": str(cookie.http_only).lower(),
            "sticky.cookie.samesite": cookie.same_site,
            "sticky.cookie.secure": str(cookie.secure).lower(),
            "sticky.cookie.path": "/",
        }
        if cookie.max_age:
            options["sticky.cookie.maxage"] = str(cookie.max_age)
    return options


def service_name(tier: str, port: int, policy: Mapping[str, str]) -> str:
    """The balancer's service name: tier and a hash of its policy.

    Two policies never share a name: containers that disagree about one service make Traefik drop it.
    """
    digest = hashlib.sha256(json.dumps({"port": port, "policy": dict(policy)}, sort_keys=True).encode()).hexdigest()
    return f"{tier}-{digest[:8]}"


def last_resort(service: str) -> str:
    """Name of the service with the same servers and policy, but without health checks.

    The balancer turns to it when every server of the tier counts as down at once. That is then more often the
    prober's fault than the nodes' (an overloaded host times out all probes together), and a request to a node
    that is down fares no worse than a 503. Envoy calls it the panic threshold.
    """
    return f"{service}-unchecked"


def server_url_labels(service: str, url: str) -> dict[str, str]:
    """The labels that give one node its own address in both services of its tier."""
    return {f"traefik.http.services.{name}.loadbalancer.server.url": url for name in (service, last_resort(service))}


def tier_labels(cluster: str, tier: str, service: str, policy: Mapping[str, str]) -> dict[str, str]:
    """The labels every node of the tier bears; baked into the image so that a plain ``docker run`` joins."""
    checked = f"traefik.http.services.{service}.loadbalancer"
    unchecked = f"traefik.http.services.{last_resort(service)}.loadbalancer"
    router = f"traefik.http.routers.{service}"
    return {
        "evenkeel.cluster": cluster,
        "evenkeel.role": "node",
        "evenkeel.tier": tier,
        "evenkeel.service": service,
        "traefik.enable": "true",
        # One router per service on the loopback entry point: without it Traefik would invent one per container.
        f"{router}.entrypoints": "internal",
        f"{router}.rule": f"PathPrefix(`/{service}`)",
        f"{router}.service": service,
        **{f"{checked}.{option}": value for option, value in policy.items()},
        **{f"{unchecked}.{option}": value for option, value in policy.items() if "healthcheck." not in option},
    }


_TIER_KEYS = frozenset(field.name for field in dataclasses.fields(Tier)) - {"name", "service", "labels"}
_COOKIE_KEYS = frozenset(field.name for field in dataclasses.fields(Cookie))
# Nodes have their scratch space here (tmpfs).
_SCRATCH = frozenset(f"/{folder}" for folder in ("run", "tmp"))
# No place for state: the system's own, and what is too near to the root. The empty name stands for no path at all.
_SYSTEM_FOLDERS = frozenset({"", "bin", "boot", "dev", "etc", "lib", "lib64", "proc", "run", "sbin", "sys", "usr"})
_MIN_FOLDERS = {"home": 3, "var": 3}
_MOUNT_KEYS = frozenset({"source", "target", "read_only"})


def _cookie(reader: _Reader, what: str, tier: str, raw: object) -> Cookie:
    default = f"evenkeel_{tier}"
    if not isinstance(raw, Mapping):
        reader.problem(what, raw, "a mapping of cookie options", f"{what}: {{same_site: lax}}")
        return Cookie(name=default)
    reader.known_keys(what, raw, _COOKIE_KEYS)
    want = "letters, digits, _ and -, not beginning with __"
    cookie = Cookie(
        name=reader.text(f"{what}.name", raw.get("name", default), _COOKIE_NAME, want, f"{what}.name: session"),
        secure=reader.flag(f"{what}.secure", raw.get("secure", False)),
        http_only=reader.flag(f"{what}.http_only", raw.get("http_only", True)),
        same_site=reader.choice(f"{what}.same_site", raw.get("same_site", "lax"), SAME_SITE),
        max_age=reader.whole(f"{what}.max_age", raw.get("max_age", 0), 0, _COOKIE_MAX_AGE, f"{what}.max_age: 0"),
    )
    if cookie.secure:
        want = "false, because the web entry point speaks plain HTTP and browsers would never send the cookie back"
        reader.problem(f"{what}.secure", True, want, f"remove {what}.secure")
    elif cookie.same_site == "none":
        want = "lax or strict, because none needs a secure cookie"
        reader.problem(f"{what}.same_site", "none", want, f"{what}.same_site: lax")
    return cookie


def _memory(reader: _Reader, what: str, raw: object) -> int:
    size = parse_size(raw)
    if size is None or size < _MEMORY_FLOOR:
        reader.problem(what, raw, "a size of at least 16m, such as 256m or 1g", f"{what}: 256m")
        return _MEMORY_FLOOR
    return size


def _cpus(reader: _Reader, what: str, raw: object) -> float:
    written = raw if isinstance(raw, str) else repr(raw) if isinstance(raw, float) else show(raw)
    number = float(written) if not isinstance(raw, bool) and _DECIMAL.fullmatch(written) else -1.0
    if number < 0 or 0 < number < _MIN_CPUS:
        reader.problem(what, raw, "a number of CPUs such as 0.5 (0 = no limit)", f"{what}: 0")
        return 0.0
    return number


def _environment(reader: _Reader, what: str, raw: object) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        reader.problem(what, raw, "a mapping of names to values", f"{what}: {{NAME: value}}")
        return {}
    environment: dict[str, str] = {}
    for name, value in raw.items():
        if not isinstance(name, str) or _ENVIRONMENT_NAME.fullmatch(name) is None:
            reader.problem(what, name, "a variable name of letters, digits and _", "rename it")
        elif name.startswith("EVENKEEL_"):
            reader.problem(what, name, "a name that does not begin with EVENKEEL_, which is ours", "rename it")
        elif isinstance(value, str) and "\0" not in value:
            environment[name] = str(value)
        elif isinstance(value, (bool, int, float)):
            environment[name] = show(value)
        else:
            reader.problem(f"{what}.{name}", value, "text, a number or true/false", "quote the value")
    return environment


def _mounts(reader: _Reader, what: str, raw: object) -> list[dict[str, Any]]:
    if not isinstance(raw, list):
        reader.problem(what, raw, "a list of {source, target, read_only}", f"{what}: []")
        return []
    mounts: list[dict[str, Any]] = []
    targets = set(_SCRATCH)
    for index, item in enumerate(raw):
        place = f"{what}[{index}]"
        if not isinstance(item, Mapping):
            reader.problem(place, item, "a mapping {source, target, read_only}", "see roles/cluster/defaults/main.yml")
            continue
        reader.known_keys(place, item, _MOUNT_KEYS)
        source = item.get("source")
        if not isinstance(source, str) or not (_VOLUME.fullmatch(source) or _is_folder(source)):
            reader.problem(f"{place}.source", source, "a volume name or an absolute path", f"{place}.source: my-data")
        target = item.get("target")
        if not isinstance(target, str) or not _is_folder(target):
            reader.problem(f"{place}.target", target, "an absolute path in the node", f"{place}.target: /data")
        elif target.rstrip("/") in targets:
            want = "another than /run, /tmp and the other mounts"
            reader.problem(f"{place}.target", target, want, f"{place}.target: /data")
        else:
            targets.add(target.rstrip("/"))
        read_only = reader.flag(f"{place}.read_only", item.get("read_only", True))
        mounts.append({"source": source, "target": target, "read_only": read_only})
    return mounts


def _is_folder(text: str) -> bool:
    return _FOLDER.fullmatch(text) is not None and not {".", ".."} & set(text.split("/"))


def _image(reader: _Reader, what: str, raw: object, built: bool) -> str:
    text = raw if isinstance(raw, str) and len(raw) <= _IMAGE_LENGTH else ""
    match = _REPOSITORY.match(text)
    suffix = text[match.end() :] if match else ""
    if match is None or _REFERENCE_SUFFIX.fullmatch(suffix) is None or (built and suffix):
        if built:
            want, fix = "an image name without a tag, because it is built here", f"{what}: res/express"
        else:
            want, fix = "an image reference such as registry.example.org/app:1.2", f"{what}: app:1.2"
        reader.problem(what, raw, want, fix)
        return ""
    if built and text in RESERVED_IMAGES:
        reader.problem(what, text, "a name that is not reserved", f"{what}: res/express")
        return ""
    return text


def _path(reader: _Reader, what: str, raw: object) -> str:
    text = raw if isinstance(raw, str) else ""
    path = text if text.endswith("/") else text + "/"
    segments = path.strip("/").split("/")
    if not text.startswith("/") or _PATH.fullmatch(path) is None or {".", ".."} & set(segments):
        reader.problem(what, raw, "a path such as / or /api/dates/", f"{what}: /app/")
        return ""
    return path


def _stop(reader: _Reader, at: str, raw: Mapping[str, Any]) -> tuple[int, int]:
    known = len(reader.problems)
    drain_fix, stop_fix = f"{at}.drain_seconds: 3", f"{at}.stop_seconds: 30"
    drain = reader.whole(f"{at}.drain_seconds", raw.get("drain_seconds", 3), 0, MAX_DRAIN_SECONDS, drain_fix)
    stop = reader.whole(f"{at}.stop_seconds", raw.get("stop_seconds", 30), 1, MAX_STOP_SECONDS, stop_fix)
    if len(reader.problems) == known and stop <= drain:
        want = f"more than drain_seconds ({drain}), because Docker kills the node then"
        reader.problem(f"{at}.stop_seconds", stop, want, f"{at}.stop_seconds: {drain + 30}")
    return drain, stop


def _context(reader: _Reader, what: str, name: str, raw: object) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not raw or printable(raw) != raw:
        reader.problem(what, raw, "a folder with a Dockerfile", f"{what}: files/{name}")
        return None
    return raw


def _tier_port(reader: _Reader, what: str, raw: object) -> int:
    port = reader.whole(what, raw, 1, 65535, f"{what}: 8080")
    if port == STATS_PORT:
        reader.problem(what, port, "another, because nodes tell their counters there", f"{what}: 8080")
    return port


def _tier(reader: _Reader, cluster: str, name: str, raw: Mapping[str, Any]) -> Tier:
    at = f"cluster_tiers.{name}"
    reader.known_keys(at, raw, _TIER_KEYS)
    missing = [required for required in ("image", "port", "path", "nodes") if required not in raw]
    for required in missing:
        reader.problem(f"{at}.{required}", None, "a value", f"add {required} to the tier")
    # What is missing has been told: stand-ins keep it from being told twice.
    raw = {"image": "missing", "port": 1, "nodes": 0, **raw}
    context = _context(reader, f"{at}.context", name, raw.get("context"))
    port = _tier_port(reader, f"{at}.port", raw["port"])
    sticky = reader.flag(f"{at}.sticky", raw.get("sticky", False))
    strategy = reader.choice(f"{at}.strategy", raw.get("strategy", "wrr"), STRATEGIES)
    if sticky and strategy == "hrw":
        # Traefik's hrw hashes the client's address and never sets a cookie.
        reader.problem(f"{at}.strategy", strategy, "wrr, p2c or leasttime for a sticky tier", f"{at}.strategy: wrr")
    cookie = _cookie(reader, f"{at}.cookie", name, raw.get("cookie", {}))
    health = f"{at}.health_path"
    health_path = reader.text(
        health, raw.get("health_path", "/healthz"), _HEALTH_PATH, "a path such as /healthz", f"{health}: /healthz"
    )
    failures = f"{at}.max_failures"
    max_failures = reader.whole(
        failures, raw.get("max_failures", DEFAULT_MAX_FAILURES), 0, MAX_FAILURES, f"{failures}: {DEFAULT_MAX_FAILURES}"
    )
    drain, stop = _stop(reader, at, raw)
    policy = policy_labels(sticky, strategy, cookie, health_path, max_failures)
    service = service_name(name, port, policy)
    count = _node_variable(name)
    return Tier(
        name=name,
        image=_image(reader, f"{at}.image", raw["image"], built=raw.get("context") is not None),
        context=context,
        port=port,
        path="" if "path" in missing else _path(reader, f"{at}.path", raw["path"]),
        strip_path=reader.flag(f"{at}.strip_path", raw.get("strip_path", False)),
        nodes=reader.whole(count, raw["nodes"], 0, MAX_NODES, f"-e {count}=3"),
        sticky=sticky,
        strategy=strategy,
        cookie=cookie,
        health_path=health_path,
        max_failures=max_failures,
        drain_seconds=drain,
        stop_seconds=stop,
        memory=_memory(reader, f"{at}.memory", raw.get("memory", "256m")),
        cpus=_cpus(reader, f"{at}.cpus", raw.get("cpus", 0)),
        pids=reader.whole(f"{at}.pids", raw.get("pids", 200), 0, MAX_PIDS, f"{at}.pids: 200"),
        environment=_environment(reader, f"{at}.environment", raw.get("environment", {})),
        mounts=_mounts(reader, f"{at}.mounts", raw.get("mounts", [])),
        service=service,
        labels=tier_labels(cluster, name, service, policy),
    )


_TIER_NAME_RULE = (
    "lower-case letters, digits and -, beginning with a letter, at most 30 characters, not ending in -<number>"
)


def _tiers(reader: _Reader, cluster: str, raw: object) -> list[Tier]:
    if not isinstance(raw, Mapping) or not raw:
        reader.problem("cluster_tiers", raw, "a mapping with at least one tier", "see roles/cluster/defaults/main.yml")
        return []
    tiers: list[Tier] = []
    for name, options in raw.items():
        if not isinstance(name, str) or _NAME.fullmatch(name) is None or re.search(r"-[0-9]+$", name):
            reader.problem("tier name", name, _TIER_NAME_RULE, "rename the tier in cluster_tiers")
        elif name in RESERVED_TIERS:
            reader.problem("tier name", name, "a name that is not reserved", f"rename the tier, for example my-{name}")
        elif not isinstance(options, Mapping):
            reader.problem(f"cluster_tiers.{name}", options, "a mapping", "see roles/cluster/defaults/main.yml")
        else:
            tiers.append(_tier(reader, cluster, str(name), options))
    _unique(reader, tiers, "path", lambda tier: tier.path, "give each tier a path of its own")
    # Labels are in the image: a tier built under, or run from, another tier's image would join that tier too.
    built = {tier.image for tier in tiers if tier.context}
    _unique(
        reader,
        tiers,
        "image",
        lambda tier: _repository(tier.image) if _repository(tier.image) in built else "",
        "give each tier an image of its own",
    )
    _unique(
        reader,
        tiers,
        "cookie.name",
        lambda tier: tier.cookie.name if tier.sticky else "",
        "give each tier its own cookie",
    )
    total = sum(tier.nodes for tier in tiers)
    if total > MAX_NODES and all(tier.nodes <= MAX_NODES for tier in tiers):
        reader.problem("nodes of all tiers", total, f"at most {MAX_NODES} on one network", "lower the counts")
    return tiers


def _repository(image: str) -> str:
    """An image reference without tag and digest."""
    match = _REPOSITORY.match(image)
    return match[0] if match else ""


def _unique(reader: _Reader, tiers: list[Tier], what: str, key: Callable[[Tier], str], fix: str) -> None:
    owner: dict[str, str] = {}
    for tier in tiers:
        value = key(tier)
        if not value:
            continue
        first = owner.setdefault(value, tier.name)
        if first != tier.name:
            reader.problem(f"cluster_tiers.{tier.name}.{what}", value, f"another than tier {first} has", fix)


def _ports(reader: _Reader, raw: Mapping[str, Any]) -> tuple[int, int, int]:
    owners: dict[int, str] = {}
    numbers = []
    for knob, default in (("web_port", 8080), ("dashboard_port", 9000), ("portainer_port", 9090)):
        known = len(reader.problems)
        number = reader.whole(f"cluster_{knob}", raw.get(knob), 1, 65535, f"-e cluster_{knob}={default}")
        numbers.append(number)
        if len(reader.problems) == known and owners.setdefault(number, knob) != knob:
            want = f"another port than cluster_{owners[number]}"
            free = next(port for port in (default, *range(8081, 8090)) if port not in owners)
            reader.problem(f"cluster_{knob}", number, want, f"-e cluster_{knob}={free}")
    return numbers[0], numbers[1], numbers[2]


def _hosts(reader: _Reader, raw: object, domain: object) -> list[str]:
    if not isinstance(raw, list):
        reader.problem("cluster_hosts", raw, "a list of host names (empty = any host)", "cluster_hosts: []")
        return []
    for host in raw:
        if not is_host_name(host) and host != domain:  # a wrong domain is told once
            reader.problem("cluster_hosts", host, "a host name", "mend or remove it")
    return list(dict.fromkeys(host for host in raw if isinstance(host, str)))


def _state_dir(reader: _Reader, raw: object) -> str:
    # Nobody else's, for it is removed with the cluster.
    parts = raw.strip("/").split("/") if isinstance(raw, str) and _is_folder(raw) else [""]
    if not isinstance(raw, str) or parts[0] in _SYSTEM_FOLDERS or len(parts) < _MIN_FOLDERS.get(parts[0], 2):
        want = "an absolute path to a folder of its own"
        reader.problem("cluster_state_dir", raw, want, "-e cluster_state_dir=/var/lib/evenkeel/evenkeel")
        return ""
    return raw.rstrip("/")


def _sources(reader: _Reader, raw: Mapping[str, Any]) -> None:
    """Where images come from; used by the roles as they are, so checked only."""
    prefix = "a registry and path that ends in / (empty = none)"
    reader.text(
        "cluster_registry_prefix",
        raw.get("registry_prefix", ""),
        _REGISTRY_PREFIX,
        prefix,
        "-e cluster_registry_prefix=localhost:5000/library/",
    )
    mirror = "the address of a mirror (empty = the distribution's own)"
    fix = "-e cluster_apt_mirror=http://mirror.example.org/debian"
    reader.text("cluster_apt_mirror", raw.get("apt_mirror", ""), _MIRROR, mirror, fix)
    bundle = raw.get("ca_bundle", "")
    if not isinstance(bundle, str) or printable(bundle) != bundle:
        reader.problem("cluster_ca_bundle", bundle, "the path of a file (empty = none)", "-e cluster_ca_bundle=")


def _node_variables(reader: _Reader, tiers: object, variables: Iterable[str]) -> None:
    if not isinstance(tiers, Mapping) or not tiers:
        return
    names = sorted(str(tier) for tier in tiers)
    knobs = sorted(_node_variable(name) for name in names)
    for variable in sorted(set(variables) - set(knobs)):
        near = difflib.get_close_matches(variable, knobs, n=1)
        fix = f"did you mean {near[0]}?" if near else "mend or remove the variable"
        reader.problem(variable, variable.removesuffix("_nodes"), "a tier of cluster_tiers: " + ", ".join(names), fix)


def _node_variable(tier: str) -> str:
    """The variable with a tier's count, by convention: ``-`` cannot be in a variable's name."""
    return f"{tier}_nodes".replace("-", "_")


def parse_cluster(raw: Mapping[str, Any], node_variables: Iterable[str] = ()) -> tuple[ClusterSpec | None, list[str]]:
    """Check and complete the declared cluster.

    :param raw: the ``cluster_*`` knobs without their prefix (``name``, ``domain``, ``hosts``, ``tiers``, ...).
    :param node_variables: names of the variables that end in ``_nodes``; each must name a tier, so that a
        mistyped ``-e statik_nodes=5`` is not silently without effect.
    :returns: the specification (``None`` when there are problems) and the problems, one line each.
    """
    reader = _Reader()
    name = reader.text(
        "cluster_name",
        raw.get("name"),
        _NAME,
        "lower-case letters, digits and -, beginning with a letter, at most 30 characters",
        "-e cluster_name=evenkeel",
    )
    if name in RESERVED_CLUSTERS:
        reader.problem("cluster_name", name, "a name that Docker does not use itself", "-e cluster_name=evenkeel")
    domain = raw.get("domain")
    if not is_host_name(domain):
        reader.problem("cluster_domain", domain, "a host name", "-e cluster_domain=labo-http.res.ch")
    hosts = _hosts(reader, raw.get("hosts"), domain)
    web_port, dashboard_port, portainer_port = _ports(reader, raw)
    tiers = _tiers(reader, name, raw.get("tiers"))
    _node_variables(reader, raw.get("tiers"), node_variables)
    _sources(reader, raw)
    spec = ClusterSpec(
        name=name,
        domain=str(domain),
        hosts=hosts,
        engine=reader.choice("cluster_engine", raw.get("engine"), ENGINES),
        network=name,
        web_port=web_port,
        dashboard_port=dashboard_port,
        portainer=reader.flag("cluster_portainer", raw.get("portainer")),
        portainer_port=portainer_port,
        image_source=reader.choice("cluster_image_source", raw.get("image_source"), IMAGE_SOURCES),
        state_dir=_state_dir(reader, raw.get("state_dir")),
        tiers=tiers,
    )
    return (None if reader.problems else spec), reader.problems
