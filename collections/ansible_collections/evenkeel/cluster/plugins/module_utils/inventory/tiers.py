# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The tiers of the inventory: raw values in, checked tiers out. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..cluster.contract import SCRATCH_FOLDERS, STATS_PORT
from ..cluster.logs import LOG_FILES, LOG_SIZE, MAX_LOG_FILES, MIN_LOG_SIZE
from ..cluster.names import image_name, node_name
from ..cluster.spec import SAME_SITE, STRATEGIES, Cookie, Tier
from ..core.errors import printable, quote
from ..core.values import parse_size, whole_number
from ..traefik.labels import policy_labels, service_name, tier_labels
from .knobs import node_variable
from .reader import NAME, Reader, is_folder

# A Linux bridge takes 1,024 ports; the balancer, the console and a margin for guests come off.
MAX_NODES = 1000
MAX_DRAIN_SECONDS = 600
MAX_STOP_SECONDS = 3600
MAX_PIDS = 4_194_304  # the kernel's own limit (PID_MAX_LIMIT)
# The passive health check takes a node out after this many failures within 0.3 s without a success. The attempts of one
# request to reach a dead node do that (one every 2 to 4 ms); requests for a URL that answers 500 rarely do.
DEFAULT_MAX_FAILURES = 40
MAX_FAILURES = 100
RESERVED_TIERS = frozenset(
    {"all", "api", "balancer", "base", "bridge", "console", "dashboard", "empty", "evenkeel", "guard", "host"}
    | {"internal", "none", "portainer", "registry", "traefik"}
)
# Images that the project builds itself; a tier's image of the same name would replace them.
RESERVED_IMAGES = frozenset({"evenkeel/base", "res/traefik"})
_IMAGE_LENGTH = 255
_HOST_LABEL_LENGTH = 63  # the name of a node is its host name
_COOKIE_MAX_AGE = 400 * 86400  # browsers keep no cookie for longer (RFC 6265bis, section 5.6.2)
_MIN_CPUS = 0.01  # Docker refuses less
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?", re.ASCII)
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
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}", re.ASCII)
#: The limit of a tier that declares none, in bytes.
DEFAULT_MEMORY = 256 * 1024**2
_MEMORY_FLOOR = 16 * 1024**2
_TIER_KEYS = frozenset(field.name for field in dataclasses.fields(Tier)) - {"name", "service", "labels"}
_COOKIE_KEYS = frozenset(field.name for field in dataclasses.fields(Cookie))
# Each node has a tmpfs of its own here.
_SCRATCH = frozenset(f"/{folder}" for folder in SCRATCH_FOLDERS)
_MOUNT_KEYS = frozenset({"source", "target", "read_only"})


def _cookie(reader: Reader, what: str, tier: str, raw: object) -> Cookie:
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


def _memory(reader: Reader, what: str, raw: object) -> int:
    size = parse_size(raw)
    if size is None or size < _MEMORY_FLOOR:
        reader.problem(what, raw, "a size of at least 16m, such as 256m or 1g", f"{what}: 256m")
        return _MEMORY_FLOOR
    return size


def _log_size(reader: Reader, what: str, raw: object) -> int:
    if whole_number(raw) == 0:
        return 0
    size = parse_size(raw)
    if size is None or size < MIN_LOG_SIZE:
        reader.problem(what, raw, "a size of at least 1m, or 0 for Docker's own log driver", f"{what}: 10m")
        return LOG_SIZE
    return size


def _cpus(reader: Reader, what: str, raw: object) -> float:
    written = raw if isinstance(raw, str) else repr(raw) if isinstance(raw, float) else quote(raw)
    number = float(written) if not isinstance(raw, bool) and _DECIMAL.fullmatch(written) else -1.0
    if number < 0 or 0 < number < _MIN_CPUS:
        reader.problem(what, raw, "a number of CPUs such as 0.5 (0 = no limit)", f"{what}: 0")
        return 0.0
    return number


def _kind(value: object) -> object:
    """What can be told of a value that may be secret."""
    if isinstance(value, (bool, type(None))):
        return value
    kinds = {str: "text", list: "a list", Mapping: "a mapping", int: "a number", float: "a number"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "something else")


def _environment(reader: Reader, what: str, raw: object) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        # What is in it may be secret.
        reader.problem(what, _kind(raw), "a mapping of names to values", f"{what}: {{NAME: value}}")
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
            environment[name] = quote(value)
        else:
            reader.problem(f"{what}.{name}", _kind(value), "text, a number or true/false", "quote the value")
    return environment


def _mounts(reader: Reader, what: str, raw: object) -> list[dict[str, Any]]:
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
        if not isinstance(source, str) or not (_VOLUME.fullmatch(source) or is_folder(source)):
            reader.problem(f"{place}.source", source, "a volume name or an absolute path", f"{place}.source: my-data")
        target = item.get("target")
        if not isinstance(target, str) or not is_folder(target):
            reader.problem(f"{place}.target", target, "an absolute path in the node", f"{place}.target: /data")
        elif target.rstrip("/") in targets:
            want = "another than /run, /tmp and the other mounts"
            reader.problem(f"{place}.target", target, want, f"{place}.target: /data")
        else:
            targets.add(target.rstrip("/"))
        read_only = reader.flag(f"{place}.read_only", item.get("read_only", True))
        mounts.append({"source": source, "target": target, "read_only": read_only})
    return mounts


def _image(reader: Reader, what: str, raw: object, built: bool, cluster: str) -> str:
    """The image of a tier; the name of one that is built here carries the cluster's name unless it is the default."""
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
    name = image_name(cluster, text) if built else text
    if len(name) > _IMAGE_LENGTH:
        want = f"at most {_IMAGE_LENGTH} characters with the cluster's name"
        reader.problem(what, name, want, f"{what}: res/express")
    return name


def _path(reader: Reader, what: str, raw: object) -> str:
    text = raw if isinstance(raw, str) else ""
    path = text if text.endswith("/") else text + "/"
    segments = path.strip("/").split("/")
    if not text.startswith("/") or _PATH.fullmatch(path) is None or {".", ".."} & set(segments):
        reader.problem(what, raw, "a path such as / or /api/dates/", f"{what}: /app/")
        return ""
    return path


def _stop(reader: Reader, at: str, raw: Mapping[str, Any]) -> tuple[int, int]:
    known = len(reader.problems)
    drain_fix, stop_fix = f"{at}.drain_seconds: 3", f"{at}.stop_seconds: 30"
    drain = reader.whole(f"{at}.drain_seconds", raw.get("drain_seconds", 3), 0, MAX_DRAIN_SECONDS, drain_fix)
    stop = reader.whole(f"{at}.stop_seconds", raw.get("stop_seconds", 30), 1, MAX_STOP_SECONDS, stop_fix)
    if len(reader.problems) == known and stop <= drain:
        want = f"more than drain_seconds ({drain}), because Docker kills the node then"
        reader.problem(f"{at}.stop_seconds", stop, want, f"{at}.stop_seconds: {drain + 30}")
    return drain, stop


def _context(reader: Reader, what: str, name: str, raw: object) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not raw or printable(raw) != raw:
        reader.problem(what, raw, "a folder with a Dockerfile", f"{what}: files/{name}")
        return None
    return raw


def _tier_port(reader: Reader, what: str, raw: object) -> int:
    port = reader.whole(what, raw, 1, 65535, f"{what}: 8080")
    if port == STATS_PORT:
        reader.problem(what, port, "another, because nodes report their counters there", f"{what}: 8080")
    return port


def _tier(reader: Reader, cluster: str, name: str, raw: Mapping[str, Any]) -> Tier:
    at = f"cluster_tiers.{name}"
    reader.known_keys(at, raw, _TIER_KEYS)
    missing = [required for required in ("image", "port", "path", "nodes") if required not in raw]
    for required in missing:
        reader.problem(f"{at}.{required}", None, "a value", f"add {required} to the tier")
    # Missing options are reported above; stand-ins keep the checks below from reporting them again.
    raw = {"image": "missing", "port": 1, "nodes": 0, **raw}
    context = _context(reader, f"{at}.context", name, raw.get("context"))
    image = _image(reader, f"{at}.image", raw["image"], built=raw.get("context") is not None, cluster=cluster)
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
    count = node_variable(name)
    return Tier(
        name=name,
        image=image,
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
        repeat=reader.flag(f"{at}.repeat", raw.get("repeat", False)),
        drain_seconds=drain,
        stop_seconds=stop,
        memory=_memory(reader, f"{at}.memory", raw.get("memory", str(DEFAULT_MEMORY))),
        cpus=_cpus(reader, f"{at}.cpus", raw.get("cpus", 0)),
        pids=reader.whole(f"{at}.pids", raw.get("pids", 200), 0, MAX_PIDS, f"{at}.pids: 200"),
        log_size=_log_size(reader, f"{at}.log_size", raw.get("log_size", LOG_SIZE)),
        log_files=reader.whole(
            f"{at}.log_files", raw.get("log_files", LOG_FILES), 1, MAX_LOG_FILES, f"{at}.log_files: {LOG_FILES}"
        ),
        environment=_environment(reader, f"{at}.environment", raw.get("environment", {})),
        mounts=_mounts(reader, f"{at}.mounts", raw.get("mounts", [])),
        service=service,
        labels=tier_labels(cluster, name, service, policy),
    )


_TIER_NAME_RULE = (
    "lower-case letters, digits and -, beginning with a letter, at most 30 characters, not ending in -<number>"
)


def read_tiers(reader: Reader, cluster: str, raw: object) -> list[Tier]:
    """The tiers of ``cluster_tiers``; those that cannot be used are reported and left out."""
    if not isinstance(raw, Mapping) or not raw:
        reader.problem("cluster_tiers", raw, "a mapping with at least one tier", "see roles/cluster/defaults/main.yml")
        return []
    tiers: list[Tier] = []
    for name, options in raw.items():
        if not isinstance(name, str) or NAME.fullmatch(name) is None or re.search(r"-[0-9]+$", name):
            reader.problem("tier name", name, _TIER_NAME_RULE, "rename the tier in cluster_tiers")
        elif name in RESERVED_TIERS:
            reader.problem("tier name", name, "a name that is not reserved", f"rename the tier, for example my-{name}")
        elif not isinstance(options, Mapping):
            reader.problem(f"cluster_tiers.{name}", options, "a mapping", "see roles/cluster/defaults/main.yml")
        elif len(longest := node_name(cluster, name, MAX_NODES)) > _HOST_LABEL_LENGTH:
            want = f"a name of nodes with at most {_HOST_LABEL_LENGTH} characters"
            reader.problem(f"cluster_tiers.{name}", longest, want, "shorten the name of the tier or of the cluster")
        else:
            tiers.append(_tier(reader, cluster, str(name), options))
    _unique(reader, tiers, "path", lambda tier: tier.path, "give each tier a path of its own")
    # Images carry their tier's labels: a tier with another tier's image would join that tier too.
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


def _unique(reader: Reader, tiers: list[Tier], what: str, key: Callable[[Tier], str], fix: str) -> None:
    owner: dict[str, str] = {}
    for tier in tiers:
        value = key(tier)
        if not value:
            continue
        first = owner.setdefault(value, tier.name)
        if first != tier.name:
            reader.problem(f"cluster_tiers.{tier.name}.{what}", value, f"another than tier {first} has", fix)
