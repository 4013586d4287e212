# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Reads the options of a container as compose files write them. Pure."""

from __future__ import annotations

import difflib
import posixpath
import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from typing import Any

from ..cluster.container_options import ALL, NO_NEW_PRIVILEGES
from ..core.errors import quote
from ..core.values import parse_size, whole_number
from .reader import Reader, is_address, is_folder, is_host_name

_CAPABILITY_NAMES = (
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH"
    " FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN"
    " NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT"
    " SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)
_LIMIT_NAMES = "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
CAPABILITIES = frozenset(_CAPABILITY_NAMES.split())
LIMITS = frozenset(_LIMIT_NAMES.split())
#: What Docker itself or this project decides by.
RESERVED_LABELS = ("evenkeel.", "traefik.")
# A node that is killed at once loses its requests, and one that is only stopped never ends.
# The signals that hold knows by name (files/hold/signals.c), but those that no application can handle.
_STOP_SIGNALS = frozenset(
    {"SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGUSR1", "SIGSEGV", "SIGUSR2"}
    | {"SIGPIPE", "SIGALRM", "SIGTERM", "SIGCHLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU"}
    | {"SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS", "SIGRTMIN", "SIGRTMAX"}
)
# As the kernel and Docker count.
_FIRST_REAL_TIME, _LAST_REAL_TIME = 34, 64
_NO_NETWORKS = frozenset({"bridge", "default", "host", "ingress", "none"})
_HIGHEST_ID = 2**31 - 1
_NAME_OR_ID = r"(?:[a-z_][a-z0-9_-]{0,31}|0|[1-9][0-9]{0,9})"
_USER = re.compile(rf"{_NAME_OR_ID}(?::{_NAME_OR_ID})?", re.ASCII)
_GROUP = re.compile(_NAME_OR_ID, re.ASCII)
_DEVICE = re.compile(r"(/dev/[^:\x00-\x20]+)(?::(/dev/[^:\x00-\x20]+))?(?::([rwm]{1,3}))?", re.ASCII)
_SYSCTL = re.compile(r"net\.[A-Za-z0-9_./-]+", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*", re.ASCII)
_SECURITY = re.compile(
    r"(?:apparmor[=:][A-Za-z0-9._/-]+|seccomp[=:]/[^:\x00-\x1f\x7f]+"
    r"|label[=:](?:user|role|type|level)[:=][A-Za-z0-9_.:,-]+)",
    re.ASCII,
)
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_TMPFS = "rw,nosuid,nodev,{exec},mode=1777,size={size}"
_REAL_TIME = re.compile(r"SIGRTM(?:IN\+|AX-)([0-9]{1,2})", re.ASCII)


def _items(reader: Reader, what: str, raw: object, kind: str, example: str) -> Iterator[tuple[str, object]]:
    """The items of a list, each with its place."""
    if isinstance(raw, list):
        yield from ((f"{what}[{index}]", item) for index, item in enumerate(raw))
    else:
        reader.problem(what, raw, f"a list of {kind}", f"{what}: {example}")


def _pairs(reader: Reader, what: str, raw: object, kind: str, example: str, sign: str = "=") -> dict[str, object]:
    """A mapping, or a list of ``name=value``, as compose files have both."""
    if isinstance(raw, Mapping):
        return {str(name): value for name, value in raw.items()}
    if isinstance(raw, list) and all(isinstance(item, str) and sign in item for item in raw):
        return {name: value for name, _sign, value in (item.partition(sign) for item in raw)}
    reader.problem(what, raw, f"a mapping of {kind}", f"{what}: {example}")
    return {}


def _text_of(value: object) -> str | None:
    """Text, or a number or a flag as text; None for anything else."""
    if isinstance(value, str):
        return None if "\0" in value else str(value)
    return quote(value) if isinstance(value, (bool, int, float)) else None


def _ids_fit(text: str) -> bool:
    return all(int(part) <= _HIGHEST_ID for part in text.split(":") if part.isdigit())


def user(reader: Reader, what: str, raw: object) -> str:
    """A user, with a group or without."""
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
    if text == "":
        return ""
    if not isinstance(text, str) or _USER.fullmatch(text) is None or not _ids_fit(text):
        reader.problem(what, raw, "a user, or user:group, by name or number", f'{what}: "1000:1000"')
        return ""
    return text


def groups(reader: Reader, what: str, raw: object) -> list[str]:
    """Groups by name or number."""
    found = []
    for place, item in _items(reader, what, raw, "groups", "[33]"):
        text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        if isinstance(text, str) and _GROUP.fullmatch(text) and _ids_fit(text):
            found.append(text)
        else:
            reader.problem(place, item, "a group by name or number", f"{what}: [33]")
    return found


def tmpfs(reader: Reader, what: str, raw: object) -> dict[str, str]:
    """Scratch space: folder -> its size, and whether programs in it may run."""
    if not isinstance(raw, Mapping):
        reader.problem(what, raw, "a mapping of folders to sizes", f"{what}: {{/var/cache: 16m}}")
        return {}
    found: dict[str, str] = {}
    for folder, value in raw.items():
        if not isinstance(folder, str) or not is_folder(folder):
            reader.problem(what, folder, "an absolute path in the node", f"{what}: {{/var/cache: 16m}}")
            continue
        written, _comma, runs = str(value).partition(",") if isinstance(value, str) else ("", "", "")
        size = parse_size(value if isinstance(value, int) else written)
        if size is None or runs not in {"", "exec"} or (isinstance(value, str) and value.endswith(",")):
            want = "a size such as 16m, with ,exec where programs in it must run"
            reader.problem(f"{what}.{folder}", value, want, f"{what}: {{{folder}: 16m}}")
            continue
        found[folder.rstrip("/")] = _TMPFS.format(exec=runs or "noexec", size=size)
    return found


def _capability(reader: Reader, place: str, item: object, fix: str) -> str:
    name = item.upper().removeprefix("CAP_") if isinstance(item, str) else ""
    if name in CAPABILITIES:
        return name
    near = difflib.get_close_matches(name, sorted(CAPABILITIES), n=1)
    reader.problem(place, item, "a Linux capability", f"did you mean {near[0]}?" if near else fix)
    return ""


def capabilities(reader: Reader, what: str, raw: object, *, every: bool) -> list[str]:
    """Names of capabilities; with *every*, also the word for all of them."""
    kind, example = ("capabilities, or ALL", "[ALL]") if every else ("capabilities", "[CHOWN]")
    found = []
    for place, item in _items(reader, what, raw, kind, example):
        if not isinstance(item, str) or item.upper() != ALL:
            found.append(_capability(reader, place, item, f"{what}: {example}"))
        elif every:
            found.append(ALL)
        else:
            want = "the capabilities that are needed, because all of them are the host's root"
            reader.problem(place, item, want, f"{what}: [CHOWN, SETGID, SETUID]")
    return sorted(set(found) - {""})


def cap_add(reader: Reader, what: str, raw: object) -> list[str]:
    """Capabilities to give; never all of them."""
    return capabilities(reader, what, raw, every=False)


def cap_drop(reader: Reader, what: str, raw: object) -> list[str]:
    """Capabilities to take away."""
    return capabilities(reader, what, raw, every=True)


def security_opt(reader: Reader, what: str, raw: object) -> list[str]:
    """Profiles of the kernel's security modules; a node is never without one."""
    found = []
    for place, item in _items(reader, what, raw, "profiles", "[apparmor=my-profile]"):
        text = item if isinstance(item, str) else ""
        if text in {NO_NEW_PRIVILEGES, f"{NO_NEW_PRIVILEGES}:true", f"{NO_NEW_PRIVILEGES}=true"}:
            continue  # every node has it
        if _SECURITY.fullmatch(text) and not text.endswith("unconfined"):
            found.append(re.sub("^(seccomp|apparmor|label):", r"\1=", text))
        else:
            want = "apparmor=<profile>, seccomp=/<file> or label=<kind>:<value>, and no unconfined"
            reader.problem(place, item, want, f"{what}: [apparmor=my-profile]")
    return found


def arguments(reader: Reader, what: str, raw: object) -> list[str] | None:
    """A command and its arguments: a list, or words as a shell splits them."""
    example = f'{what}: [serve, --port, "8080"]'
    if raw is None:
        return None
    if isinstance(raw, str):
        try:
            words: list[str] | None = shlex.split(raw) if "\0" not in raw else []
        except ValueError as error:  # it says which quotation is open
            reader.problem(what, raw, f"balanced quotes ({str(error).lower()})", example)
            return None
    else:
        texts = [_text_of(item) for item in raw] if isinstance(raw, list) else []
        words = [text for text in texts if text is not None]
        words = words if len(words) == len(texts) else []
    if not words:
        reader.problem(what, raw, "a command and its arguments", example)
        return None
    return words


def folder(reader: Reader, what: str, raw: object) -> str:
    """A folder in the node; empty for the image's own."""
    if not isinstance(raw, str) or not (raw in {"", "/"} or is_folder(raw)):
        reader.problem(what, raw, "an absolute path in the node", f"{what}: /app")
        return ""
    return raw


def extra_hosts(reader: Reader, what: str, raw: object) -> dict[str, str]:
    """Host names with their addresses."""
    example = "{db.example.org: 192.0.2.7}"
    found = {}
    for name, value in _pairs(reader, what, raw, "host names to addresses", example, ":").items():
        if not is_host_name(name):
            reader.problem(what, name, "a host name", f"{what}: {example}")
        elif value == "host-gateway" or is_address(value):
            found[name] = str(value)
        else:
            reader.problem(f"{what}.{name}", value, "an IP address, or host-gateway", f"{what}: {example}")
    return found


def dns(reader: Reader, what: str, raw: object) -> list[str]:
    """Addresses of name servers."""
    found = []
    for place, item in _items(reader, what, raw, "addresses", "[192.0.2.53]"):
        if is_address(item):
            found.append(str(item))
        else:
            reader.problem(place, item, "an IP address", f"{what}: [192.0.2.53]")
    return found


def ulimits(reader: Reader, what: str, raw: object) -> dict[str, list[int]]:
    """Limits of processes: one number, or a soft and a hard one; -1 for none."""
    found: dict[str, list[int]] = {}
    if not isinstance(raw, Mapping):
        reader.problem(what, raw, "a mapping of names to limits", f"{what}: {{nofile: 65536}}")
        return found
    reader.known_keys(what, raw, LIMITS)
    for name in LIMITS & raw.keys():
        value = raw[name]
        both = [value.get("soft"), value.get("hard")] if isinstance(value, Mapping) else [value, value]
        limits = [-1 if item == -1 and not isinstance(item, bool) else whole_number(item) for item in both]
        extra = isinstance(value, Mapping) and value.keys() - {"soft", "hard"}
        soft, hard = limits
        if soft is None or hard is None or extra or (hard != -1 and not 0 <= soft <= hard):
            want = "a whole number, or {soft, hard} with soft at most hard (-1 = no limit)"
            reader.problem(f"{what}.{name}", value, want, f"{what}: {{{name}: 65536}}")
        else:
            found[name] = [soft, hard]
    return dict(sorted(found.items()))


def size(reader: Reader, what: str, raw: object) -> int:
    """Bytes; 0 for the engine's own."""
    found = 0 if whole_number(raw) == 0 else parse_size(raw)
    if found is None:
        reader.problem(what, raw, "a size such as 128m (0 = Docker's own)", f"{what}: 128m")
        return 0
    return found


def sysctls(reader: Reader, what: str, raw: object) -> dict[str, str]:
    """Kernel parameters of the node's own network; all others are the host's too."""
    example = "{net.core.somaxconn: 1024}"
    found = {}
    for name, value in _pairs(reader, what, raw, "kernel parameters to values", example).items():
        text = _text_of(value)
        if _SYSCTL.fullmatch(name) is None:
            reader.problem(what, name, "a parameter that begins with net.", f"{what}: {example}")
        elif text is None or not text:
            reader.problem(f"{what}.{name}", value, "a value", f"{what}: {example}")
        else:
            found[name] = text
    return found


def devices(reader: Reader, what: str, raw: object) -> list[str]:
    """Device files of the host, each with its path in the node and what is allowed with it."""
    found = []
    for place, item in _items(reader, what, raw, "device files", "[/dev/dri]"):
        match = _DEVICE.fullmatch(item) if isinstance(item, str) else None
        if match is None or ".." in match[0].split("/"):
            want = "/dev/<outside>, then :/dev/<inside> and :rwm where they differ"
            reader.problem(place, item, want, f"{what}: [/dev/dri]")
        else:
            found.append(":".join([match[1], match[2] or match[1], match[3] or "rwm"]))
    return found


def labels(reader: Reader, what: str, raw: object) -> dict[str, str]:
    """Labels of people; those that the balancer and this project read are not theirs."""
    example = "{org.example.team: shop}"
    found = {}
    for name, value in _pairs(reader, what, raw, "labels to values", example).items():
        text = _text_of(value)
        # The balancer reads labels in any case of letters.
        if name.lower().startswith(RESERVED_LABELS):
            reader.problem(
                what, name, "a name that begins neither with traefik. nor with evenkeel.", f"{what}: {example}"
            )
        elif _LABEL.fullmatch(name) is None:
            reader.problem(what, name, "a name of letters, digits and . _ / -", f"{what}: {example}")
        elif text is None:
            reader.problem(f"{what}.{name}", value, "text", f"{what}: {example}")
        else:
            found[name] = text
    return found


def stop_signal(reader: Reader, what: str, raw: object) -> str:
    """The signal that asks the application to end, by name."""
    name = raw.upper() if isinstance(raw, str) else ""
    if raw == "" and isinstance(raw, str):
        return ""
    number = whole_number(raw)
    if number is not None and _FIRST_REAL_TIME <= number <= _LAST_REAL_TIME:
        name = f"SIGRTMIN+{number - _FIRST_REAL_TIME}" if number > _FIRST_REAL_TIME else "SIGRTMIN"
    elif number is not None and number in set(signal.Signals):
        name = signal.Signals(number).name
    name = name if name.startswith("SIG") else f"SIG{name}"
    real_time = _REAL_TIME.fullmatch(name)
    known = 1 <= int(real_time[1]) <= _LAST_REAL_TIME - _FIRST_REAL_TIME if real_time else name in _STOP_SIGNALS
    if not known:
        reader.problem(what, raw, "a signal that an application can handle", f"{what}: SIGQUIT")
        return ""
    return name


def networks(reader: Reader, what: str, raw: object) -> list[str]:
    """Networks beside the cluster's own."""
    found: list[str] = []
    for place, item in _items(reader, what, raw, "networks", "[backend]"):
        if not isinstance(item, str) or _NETWORK.fullmatch(item) is None or item in _NO_NETWORKS:
            want = "the name of a network that users made, not one of Docker's own"
            reader.problem(place, item, want, f"docker network create backend, then {what}: [backend]")
        elif item not in found:
            found.append(item)
    return found


def above_the_socket(path: str, sockets: tuple[str, ...] = ("/run/docker.sock", "/var/run/docker.sock")) -> bool:
    """Whether the path is Docker's socket or a folder that it is in."""
    place = posixpath.normpath("/" + path.lstrip("/"))
    return any(socket == place or socket.startswith(place.rstrip("/") + "/") for socket in sockets)


def word(pattern: str, want: str, example: str) -> Any:
    """Reads text of this form; empty for what the engine or the image says."""
    form = re.compile(rf"(?:{pattern})?", re.ASCII)
    return lambda reader, what, raw: reader.text(what, raw, form, want, f"{what}: {example}")
