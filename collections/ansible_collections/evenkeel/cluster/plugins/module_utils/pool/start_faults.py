# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Which option of its tier lets a node come up that did not. Pure: what the engine knows in, what to write out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

from ..cluster.container_options import ALL, STRICT
from ..cluster.contract import STATS_PORT
from ..cluster.leaving import HELD
from ..cluster.spec import Tier
from ..engine.port import Evidence, Listener

_MEBIBYTE = 1024**2
_KILLED = 137
_SHARED_MEMORY = posixpath.join("/dev", "shm")
_LOOPBACK = ("127.", "::1")
# Here an image has its own files: scratch space over them would hide these.
_FULL_FOLDERS = ("/app", "/bin", "/etc", "/home", "/lib", "/opt", "/root", "/sbin", "/srv", "/usr", "/var/www")
_PATH = r"/[^\s'\"\u2018\u2019:,;()\[\]]+"
_QUOTED = re.compile(rf"['\"\u2018`]({_PATH})['\"\u2019]")
_BARE = re.compile(rf"(?<![\w.:/])({_PATH})")
_PORT = re.compile(r"(?::|\bport\D{1,3})([0-9]{2,5})\b", re.IGNORECASE)
_TIME = re.compile(r"(?<![.\d])\d\d:\d\d:\d\d")
_DENIED = r"operation not permitted|permission denied|\bEPERM\b|\bEACCES\b"

# What Docker gives to every container.
_GIVEN_BY_DOCKER = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"}
    | {"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
#: What was refused, by words near the refusal -> the capabilities that allow it.
_CAPABILITIES = (
    (r"\b[fl]?chown|changing ownership", ("CHOWN", "SETGID", "SETUID")),
    (r"set(res|re|e)?[ug]id|setgroups|initgroups|switch(ing)? to (user|group)|su-exec|gosu", ("SETGID", "SETUID")),
    (r"\bbind|listen", ("NET_BIND_SERVICE",)),
    (r"chroot", ("SYS_CHROOT",)),
    (r"chmod|utime|changing permissions", ("FOWNER",)),
    (r"mlock|memory lock", ("IPC_LOCK",)),
    (r"\b(re)?nice\b|sched_set|setpriority", ("SYS_NICE",)),
    (r"raw socket|\bping\b|SOCK_RAW", ("NET_RAW",)),
    (r"mknod", ("MKNOD",)),
    (r"\bkill\(|\bkill:", ("KILL",)),
    (r"setrlimit|ulimit", ("SYS_RESOURCE",)),
)


def remedy(tier: Tier, evidence: Evidence, answer: int = 0) -> str:
    """What to write for the tier so that its nodes come up; empty when nothing tells.

    Args:
        tier: as declared.
        evidence: what the engine knows of one of its nodes.
        answer: the status of the last health answer; 0 for none.
    """
    at = _at(tier)
    if evidence.out_of_memory or (evidence.ended and evidence.exit_code == _KILLED):
        return _more_memory(tier)
    if answer:
        return _of_answer(tier, answer)
    if not evidence.ended and evidence.listeners and (elsewhere := _of_listeners(tier, evidence.listeners)):
        return elsewhere
    said = in_words(tier, evidence.lines, evidence)
    if said:
        return said
    if evidence.ended and not evidence.exit_code:
        return f"{at}.command: a command that stays in the foreground, because this one ended by itself"
    if not evidence.ended and evidence.listeners == ():
        return f"{at}.ready_seconds: {_longer(tier)} if it only starts slowly, because it listens on no port yet"
    return ""


def in_words(tier: Tier, lines: Sequence[str], evidence: Evidence | None = None) -> str:
    """The same by what an application, or the engine, said; the last words count, because they tell of the end."""
    known = evidence or Evidence()
    for line in reversed(lines):
        for pattern, told in _SIGNS:
            match = re.search(pattern, line, re.IGNORECASE)
            found = told(tier, line, match, known) if match else ""
            if found:
                return found
    return ""


def _at(tier: Tier) -> str:
    return f"cluster_tiers.{tier.name}"


# -- memory and listeners ------------------------------------------------------------


def _more_memory(tier: Tier) -> str:
    return f"{_at(tier)}.memory: {max(2 * tier.memory // _MEBIBYTE, 1)}m, because it ran out of memory"


def _longer(tier: Tier) -> int:
    return 2 * tier.ready_seconds if tier.ready_seconds else 120


def _of_listeners(tier: Tier, listeners: Iterable[Listener]) -> str:
    """Where it listens instead of where it is asked."""
    reached = [item for item in listeners if not item.address.startswith(_LOOPBACK)]
    at = _at(tier)
    if any(item.port == tier.port for item in reached):
        return ""
    if any(item.port == tier.port for item in listeners):
        return (
            f"let the application listen on 0.0.0.0:{tier.port}, by {at}.command or environment, because it listens on"
            f" 127.0.0.1:{tier.port} alone"
        )
    if reached:
        ports = sorted({item.port for item in reached})
        others = f" and {', '.join(map(str, ports[1:]))}" if ports[1:] else ""
        return f"{at}.port: {ports[0]}, because it listens on {ports[0]}{others} and not on {tier.port}"
    where = ", ".join(sorted({f"{item.address}:{item.port}" for item in listeners}))
    return f"let the application listen on 0.0.0.0:{tier.port}, because it listens on {where} alone"


def _of_answer(tier: Tier, answer: int) -> str:
    """Which health check fits the answer."""
    at, asked = _at(tier), tier.health.path
    if answer == HTTPStatus.BAD_REQUEST and not tier.health.host:
        return f"{at}.health_host: the application's own name, because it answers 400 to {asked} without it"
    if answer >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"{at}.ready_seconds: {_longer(tier)} if it only starts slowly, because it answers {answer} to {asked}"
    return f"{at}.health_status: {answer}, or {at}.health_path: another page, because it answers {answer} to {asked}"


# -- what it said --------------------------------------------------------------------

_Told = Callable[[Tier, str, "re.Match[str]", Evidence], str]


def _path_in(line: str, match: re.Match[str]) -> str:
    """The path that a refusal is about: the last one before it, else the first one after it."""
    for pattern in (_QUOTED, _BARE):
        before = pattern.findall(line[: match.start()])
        after = pattern.findall(line[match.end() :])
        if before or after:
            return str(before[-1] if before else after[0])
    return ""


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def _read_only(tier: Tier, line: str, match: re.Match[str], _known: Evidence) -> str:
    at, path = _at(tier), _path_in(line, match)
    folder = posixpath.dirname(path.rstrip("/"))
    folder = path if folder == "/" else folder
    if not path or _below(folder, _FULL_FOLDERS):
        return f"{at}.read_only: false, because it writes to {path or 'its own files'}"
    return f"{at}.tmpfs: {{{folder}: 16m}}, because it writes to {path}"


def _denied(tier: Tier, line: str, match: re.Match[str], known: Evidence) -> str:
    at = _at(tier)
    for pattern, capabilities in _CAPABILITIES:
        if re.search(pattern, line, re.IGNORECASE):
            return _give(tier, capabilities)
    path = _path_in(line, match)
    if path and _below(path, tier.container.tmpfs):
        return _let_run(tier, path)
    if path.startswith("/dev/"):
        return f"{at}.devices: [{path}], because it may not open it"
    if not path:
        return ""
    if known.root:
        return _give(tier, ("DAC_OVERRIDE",))
    return f"{at}.user: the owner of {path}, because its user may not open it"


def _give(tier: Tier, capabilities: Iterable[str]) -> str:
    """Capabilities that it lacks; nothing when it has them."""
    container, at = tier.container, _at(tier)
    given = _GIVEN_BY_DOCKER - set(container.cap_drop) if ALL not in container.cap_drop else frozenset[str]()
    lacking = [name for name in capabilities if name not in {ALL, *container.cap_add, *given}]
    if not lacking or ALL in container.cap_add:
        return ""
    every = ", ".join(sorted({*container.cap_add, *lacking}))
    wider = f", or {at}.confinement: docker" if container.confinement == STRICT else ""
    return f"{at}.cap_add: [{every}]{wider}, because that was refused"


def _let_run(tier: Tier, path: str) -> str:
    folder = next((name for name in tier.container.tmpfs if _below(path, [name])), "")
    if not folder or "noexec" not in tier.container.tmpfs[folder].split(","):
        return ""
    return f'{_at(tier)}.tmpfs: {{{folder}: "64m,exec"}}, because it runs a program in {folder}'


def _runs_in_scratch(tier: Tier, line: str, match: re.Match[str], _known: Evidence) -> str:
    return _let_run(tier, _path_in(line, match))


def _full(tier: Tier, line: str, match: re.Match[str], _known: Evidence) -> str:
    at, path = _at(tier), _path_in(line, match)
    if _below(path, [_SHARED_MEMORY]):
        return f"{at}.shm_size: 256m, because {_SHARED_MEMORY} is full"
    folder = next((name for name in tier.container.tmpfs if _below(path, [name])), "")
    return f"{at}.tmpfs: {{{folder}: 256m}}, because {folder} is full" if folder else ""


def _first_process(tier: Tier, _line: str, _match: re.Match[str], _known: Evidence) -> str:
    at = _at(tier)
    if tier.container.init:
        return f"{at}.init: false, because it must be process 1 itself"
    return f"{at}.leaving: balancer, because it must be process 1 itself"


def _port_taken(tier: Tier, line: str, _match: re.Match[str], _known: Evidence) -> str:
    """An application that wants the port that hold has; not every one says which port it wanted."""
    ports = {int(port) for port in _PORT.findall(_TIME.sub("", line))}
    if tier.leaving != HELD or (ports and STATS_PORT not in ports):
        return ""
    at = _at(tier)
    return (
        f"let the application listen on another port than {STATS_PORT}, by {at}.command or environment, or"
        f" {at}.leaving: balancer, because hold answers the balancer on {STATS_PORT}"
    )


def _platform(tier: Tier, _line: str, _match: re.Match[str], known: Evidence) -> str:
    platform = f"linux/{known.architecture}" if known.architecture else "the machine's"
    return f"{_at(tier)}.platform: {platform}, or an image for this machine, because its programs are for another one"


def _always(words: str) -> _Told:
    """A remedy that depends on the tier's name alone."""
    return lambda tier, _line, _match, _known: words.format(at=_at(tier), pids=max(2 * tier.pids, 400))


_SIGNS: tuple[tuple[str, _Told], ...] = (
    (r"read-only file ?system|\bEROFS\b|Errno 30\b", _read_only),
    (
        r"can only run as pid 1|must (be )?run as pid 1|not been booted with systemd|run as user instance",
        _first_process,
    ),
    (r"address (already )?in use|\bEADDRINUSE\b|Errno 98\b", _port_taken),
    (r"exec format error|does not match the (specified|detected host) platform", _platform),
    (r"failed to map segment from shared object|UnsatisfiedLinkError", _runs_in_scratch),
    (r"no space left on device|\bENOSPC\b", _full),
    (
        r"unable to find (user|group)|no matching entries in (passwd|group) file",
        _always("{at}.user: one that the image has, or a number"),
    ),
    (
        r"executable file not found|exec: .*(not found|no such file)",
        _always("{at}.command or {at}.entrypoint: a program that the image has"),
    ),
    (r"unknown (or invalid )?runtime", _always("{at}.runtime: one that docker info lists")),
    (r"error gathering device information", _always("{at}.devices: those that the machine has")),
    (
        r"could not select device driver",
        _always("install what lets Docker give GPUs to containers (NVIDIA Container Toolkit), or remove {at}.gpus"),
    ),
    (r"seccomp profile", _always("{at}.security_opt: seccomp=/<a file with a profile, on the machine of the nodes>")),
    (r"network \S+ not found", _always("{at}.networks: those that docker network ls lists")),
    (_DENIED, _denied),
    (
        r"cannot allocate memory|outofmemoryerror|heap out of memory|\bENOMEM\b",
        lambda tier, _line, _match, _known: _more_memory(tier),
    ),
    (
        r"resource temporarily unavailable|can't start new thread|unable to create (new |native )*thread",
        _always("{at}.pids: {pids}, because it may start no more processes"),
    ),
    (
        r"too many open files|\bEMFILE\b",
        _always("{at}.ulimits: {{nofile: 65536}}, because it may open no more files"),
    ),
    (
        r"could not translate host name|name or service not known|\bENOTFOUND\b|no such host|in name resolution",
        _always("{at}.networks: [the network of what it looks for], because it does not find that name"),
    ),
)
