# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""The tiers of the inventory: raw values in, checked tiers out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..cluster.contract import STATS_PORT
from ..cluster.in_turn import count_problem
from ..cluster.leaving import HELD, OWN, probe_of
from ..cluster.names import CONSOLE_IMAGES, HOLD, derived_name, image_name, node_name, node_variable
from ..cluster.spec import Tier
from ..core.errors import printable
from ..traefik.labels import policy_labels, service_name, tier_labels
from . import tier_values as values
from .container_options import CONTAINER_KEYS, INSTEAD, read_container
from .health_options import HEALTH_KEYS, read_health
from .leaving_options import LEAVING_KEYS, read_leaving, with_defaults
from .reader import NAME, Reader
from .secret_options import SECRET_KEYS, check_places, read_secrets
from .tier_options import OPTIONS, names, read_options

# A Linux bridge takes 1,024 ports; the balancer, the console and a margin for guests come off.
MAX_NODES = 1000
MAX_DRAIN_SECONDS = 600
MAX_STOP_SECONDS = 3600
RESERVED_TIERS = frozenset(
    {"all", "api", "balancer", "base", "bridge", "console", "dashboard", "empty", "evenkeel", "guard", "hold", "host"}
    | {"internal", "none", "portainer", "registry", "traefik"}
)
# Images that the project builds itself; a tier's image of the same name would replace them.
RESERVED_IMAGES = frozenset({"evenkeel/base", "evenkeel/hold", "res/traefik", *CONSOLE_IMAGES.values()})
_OURS = "evenkeel/"
_IMAGE_LENGTH = 255
_HOST_LABEL_LENGTH = 63  # the name of a node is its host name
_REPOSITORY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*",
    re.ASCII,
)
_REFERENCE_SUFFIX = re.compile(r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?", re.ASCII)
_PATH = re.compile(r"/(?:[A-Za-z0-9_~.-]+/)*", re.ASCII)
_OWN_KEYS = frozenset(
    {"image", "context", "port", "path", "nodes", "cookie", "mounts", "drain_seconds", "stop_seconds"}
)
TIER_KEYS = _OWN_KEYS | names(OPTIONS) | CONTAINER_KEYS | HEALTH_KEYS | LEAVING_KEYS | SECRET_KEYS


def _image(reader: Reader, what: str, raw: object, *, built: bool, cluster: str, tier: str) -> str:
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
    repository = text[: match.end()]
    if built and (repository in RESERVED_IMAGES or repository.startswith(_OURS)):
        # What is derived from images of others is named evenkeel/<tier>.
        reader.problem(what, text, "a name that is not reserved", f"{what}: res/express")
        return ""
    if not built and repository in {derived_name(cluster, HOLD), derived_name(cluster, tier)}:
        # Derived once more, it would be replaced by its own product in every run.
        want = "the image of an application, not what a run built"
        reader.problem(what, text, want, "name the image below it")
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


def _tier_port(reader: Reader, what: str, raw: object, leaving: object) -> int:
    port = reader.whole(what, raw, 1, 65535, f"{what}: 8080")
    if port == STATS_PORT:
        why = "hold answers the balancer there" if leaving == HELD else "nodes report their counters there"
        reader.problem(what, port, f"another, because {why}", f"{what}: 8080")
    return port


def _tier(reader: Reader, cluster: str, name: str, raw: Mapping[str, Any], given: Mapping[str, Any]) -> Tier:
    at = f"cluster_tiers.{name}"
    reader.known_keys(at, raw, TIER_KEYS, "an option of a tier", INSTEAD)
    missing = [required for required in ("image", "port", "path", "nodes") if required not in raw]
    for required in missing:
        reader.problem(f"{at}.{required}", None, "a value", f"add {required} to the tier")
    # Missing options are reported above; stand-ins keep the checks below from reporting them again.
    raw = with_defaults({"image": "missing", "port": 1, "nodes": 0, **raw})
    context = _context(reader, f"{at}.context", name, raw.get("context"))
    built = raw.get("context") is not None
    image = _image(reader, f"{at}.image", raw["image"], built=built, cluster=cluster, tier=name)
    port = _tier_port(reader, f"{at}.port", raw["port"], raw["leaving"])
    options = read_options(reader, at, raw, OPTIONS)
    container = read_container(reader, at, raw, built=built, cluster=cluster, memory=options["memory"])
    sticky, strategy = options["sticky"], options["strategy"]
    if sticky and strategy == "hrw":
        # Traefik's hrw hashes the client's address and never sets a cookie.
        reader.problem(f"{at}.strategy", strategy, "wrr, p2c or leasttime for a sticky tier", f"{at}.strategy: wrr")
    cookie = values.cookie(reader, f"{at}.cookie", name, raw.get("cookie", {}))
    ending = read_leaving(reader, at, cluster, name, raw)
    health = read_health(reader, at, raw, contract=ending.leaving == OWN, held=ending.leaving == HELD)
    drain, stop = _stop(reader, at, raw)
    secrets, visible = read_secrets(reader, at, raw, given, ending.leaving, options["environment"])
    options["environment"] = {**options["environment"], **visible}
    mounts = values.mounts(reader, f"{at}.mounts", raw.get("mounts", []), list(container.tmpfs))
    check_places(reader, at, secrets, container.tmpfs, mounts)
    policy = policy_labels(sticky, strategy, cookie, probe_of(ending.leaving, health), options["max_failures"])
    service = service_name(name, port, policy)
    count = node_variable(name)
    nodes = reader.whole(count, raw["nodes"], 0, MAX_NODES, f"-e {count}=3")
    if problem := count_problem(name, nodes, options["roll"]):
        reader.problems.append(problem)
    return Tier(
        name=name,
        image=image,
        context=context,
        port=port,
        path="" if "path" in missing else _path(reader, f"{at}.path", raw["path"]),
        nodes=nodes,
        cookie=cookie,
        health=health,
        drain_seconds=drain,
        stop_seconds=stop,
        mounts=mounts,
        container=container,
        secrets=secrets,
        service=service,
        labels=tier_labels(cluster, name, service, policy),
        **ending.options,
        **options,
    )


_TIER_NAME_RULE = (
    "lower-case letters, digits and -, beginning with a letter, at most 30 characters, not ending in -<number>"
)


def read_tiers(reader: Reader, cluster: str, raw: object, secrets: Mapping[str, Mapping[str, Any]]) -> list[Tier]:
    """The tiers of ``cluster_tiers``; those that cannot be used are reported and left out.

    Args:
        reader: collects the problems.
        cluster: the cluster's name.
        raw: the tiers as they were written.
        secrets: tier to its secret values, as :func:`cluster.secrets.unpack` gives them.
    """
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
            tiers.append(_tier(reader, cluster, str(name), options, secrets.get(name, {})))
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
