"""The options of a tier's containers: what they become, and the line of each mistake."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.module_utils.inventory.samples import assert_one_line, cluster, parsed, problems_of, with_static

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.container_options import ContainerOptions
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.container_options import (
    CONTAINER_KEYS,
    INSTEAD,
)
from ansible_collections.evenkeel.cluster.plugins.module_utils.inventory.tiers import TIER_KEYS

#: The four lines of an image as people find it.
FOUND = {"image": "nginx:1.27", "port": 80, "path": "/web/", "nodes": 2}


def of_static(**options: Any) -> ContainerOptions:
    return parsed(with_static(**options)).tiers[0].container


def of_found(**options: Any) -> ContainerOptions:
    return parsed(cluster(tiers={"web": {**FOUND, **options}})).tiers[0].container


def test_an_image_that_is_built_here_is_confined_strictly() -> None:
    assert of_static() == ContainerOptions()
    strict = ContainerOptions()
    assert (strict.read_only, strict.cap_drop, strict.cap_add) == (True, ["ALL"], [])
    assert strict.security_opt == ["no-new-privileges"]
    assert strict.tmpfs.keys() == {"/run", "/tmp"}
    assert all("noexec" in options.split(",") for options in strict.tmpfs.values())


def test_an_image_that_is_found_is_confined_as_docker_does_it() -> None:
    found = of_found()
    assert (found.confinement, found.read_only, found.tmpfs) == ("docker", False, {})
    assert (found.cap_drop, found.cap_add) == (["MKNOD", "NET_RAW"], [])
    assert found.security_opt == ["no-new-privileges"]
    assert of_found(confinement="strict") == of_static()
    assert of_static(confinement="docker") == found


def test_what_is_said_goes_over_the_confinement() -> None:
    assert of_found(read_only="true").read_only is True
    assert of_static(read_only=False).read_only is False
    assert of_found(cap_add=["net_raw", "CAP_SYS_NICE"]).cap_drop == ["MKNOD"]
    assert of_found(cap_add=["net_raw", "CAP_SYS_NICE"]).cap_add == ["NET_RAW", "SYS_NICE"]
    assert of_found(cap_drop=["ALL"], cap_add=["CHOWN"]).cap_drop == ["ALL"]
    assert of_found(cap_drop=["KILL"]).cap_drop == ["KILL", "MKNOD", "NET_RAW"]
    assert of_static(cap_add=["CHOWN"]).cap_drop == ["ALL"]
    assert of_static(tmpfs={"/var/cache/": "16m"}).tmpfs.keys() == {"/run", "/tmp", "/var/cache"}
    assert of_static(tmpfs={"/tmp": "1g,exec"}).tmpfs["/tmp"] == "rw,nosuid,nodev,exec,mode=1777,size=1073741824"


@pytest.mark.parametrize(
    "option, raw, value",
    [
        ("user", "www-data", "www-data"),
        ("user", 1000, "1000"),
        ("user", "1000:1000", "1000:1000"),
        ("user", "root:adm", "root:adm"),
        ("group_add", [33, "adm"], ["33", "adm"]),
        ("tmpfs", {"/cache": "16m"}, {"/cache": "rw,nosuid,nodev,noexec,mode=1777,size=16777216"}),
        ("tmpfs", {"/cache": 4096}, {"/cache": "rw,nosuid,nodev,noexec,mode=1777,size=4096"}),
        ("security_opt", ["apparmor=web", "no-new-privileges:true"], ["no-new-privileges", "apparmor=web"]),
        ("security_opt", ["seccomp:/etc/web.json"], ["no-new-privileges", "seccomp=/etc/web.json"]),
        ("security_opt", ["label=type:web_t"], ["no-new-privileges", "label=type:web_t"]),
        ("command", "serve --name 'two words' --port 80", ["serve", "--name", "two words", "--port", "80"]),
        ("command", ["serve", 80, True], ["serve", "80", "true"]),
        ("entrypoint", "sh -c 'exec serve'", ["sh", "-c", "exec serve"]),
        ("entrypoint", None, None),
        ("working_dir", "/srv/app", "/srv/app"),
        ("init", "yes", True),
        ("extra_hosts", {"a.b": "192.0.2.7", "me": "host-gateway"}, {"a.b": "192.0.2.7", "me": "host-gateway"}),
        ("extra_hosts", ["db:192.0.2.7", "six:2001:db8::7"], {"db": "192.0.2.7", "six": "2001:db8::7"}),
        ("dns", ["192.0.2.53"], ["192.0.2.53"]),
        ("ulimits", {"nofile": 65536, "core": {"soft": 0, "hard": -1}}, {"core": [0, -1], "nofile": [65536, 65536]}),
        ("ulimits", {"memlock": -1}, {"memlock": [-1, -1]}),
        ("shm_size", "128m", 2**27),
        ("sysctls", {"net.core.somaxconn": 1024}, {"net.core.somaxconn": "1024"}),
        ("sysctls", ["net.ipv4.tcp_fin_timeout=10"], {"net.ipv4.tcp_fin_timeout": "10"}),
        ("devices", ["/dev/dri", "/dev/a:/dev/b:r"], ["/dev/dri:/dev/dri:rwm", "/dev/a:/dev/b:r"]),
        ("runtime", "runsc", "runsc"),
        ("memory_reservation", "64m", 2**26),
        ("cpu_shares", "512", 512),
        ("labels", {"org.example.team": "shop", "n": 1}, {"org.example.team": "shop", "n": "1"}),
        ("labels", ["a=b=c"], {"a": "b=c"}),
        ("platform", "linux/arm/v7", "linux/arm/v7"),
        ("stop_signal", "SIGQUIT", "SIGQUIT"),
        ("stop_signal", "winch", "SIGWINCH"),
        ("stop_signal", 3, "SIGQUIT"),
        ("stop_signal", "SIGRTMIN+3", "SIGRTMIN+3"),
        ("stop_signal", 37, "SIGRTMIN+3"),
        ("stop_signal", 34, "SIGRTMIN"),
        ("networks", ["backend", "backend", "db_1"], ["backend", "db_1"]),
    ],
)  # fmt: skip
def test_values_take_their_final_form(option: str, raw: object, value: object) -> None:
    assert getattr(of_found(**{option: raw}), option) == value


MISTAKES: list[tuple[str, object, str]] = [
    ("confinement", "loose", "got 'loose', want one of strict, docker (fix: {what}: strict)"),
    ("read_only", "maybe", "got 'maybe', want true or false (fix: {what}: true)"),
    ("user", "root:", "got 'root:', want a user, or user:group, by name or number (fix: {what}: \"1000:1000\")"),
    ("group_add", "33", "got '33', want a list of groups (fix: {what}: [33])"),
    (
        "tmpfs",
        ["/run"],
        'got ["/run"], want a mapping of folders to sizes (fix: {what}: {{/var/cache: 16m}})',
    ),
    ("security_opt", "x", "got 'x', want a list of profiles (fix: {what}: [apparmor=my-profile])"),
    (
        "command",
        "serve 'all",
        "got 'serve 'all', want balanced quotes (no closing quotation) (fix: {what}: [serve, --port, \"8080\"])",
    ),
    ("entrypoint", [], 'got [], want a command and its arguments (fix: {what}: [serve, --port, "8080"])'),
    ("working_dir", "app", "got 'app', want an absolute path in the node (fix: {what}: /app)"),
    ("init", 1, "got 1, want true or false (fix: {what}: true)"),
    ("runtime", "a b", "got 'a b', want the name of a runtime (fix: {what}: runsc)"),
    ("shm_size", "much", "got 'much', want a size such as 128m (0 = Docker's own) (fix: {what}: 128m)"),
    ("cpu_shares", 1, "got 1, want at least 2, or 0 (fix: {what}: 0)"),
    ("cpu_shares", "half", "got 'half', want a whole number from 0 to 262144 (fix: {what}: 0)"),
    ("platform", "amd64", "got 'amd64', want linux/<architecture> (fix: {what}: linux/amd64)"),
    (
        "memory_reservation",
        "1g",
        "got 1073741824, want at most the tier's memory (268435456 bytes) (fix: {what}: 268435456)",
    ),
    ("stop_signal", "SIGKILL", "got 'SIGKILL', want a signal that an application can handle (fix: {what}: SIGQUIT)"),
    ("networks", "backend", "got 'backend', want a list of networks (fix: {what}: [backend])"),
    (
        "networks",
        ["evenkeel"],
        "got 'evenkeel', want others, because every node is in the cluster's own (fix: remove it)",
    ),
]


@pytest.mark.parametrize("option, raw, words", MISTAKES, ids=lambda value: str(value)[:20])
def test_a_mistake_is_one_line(option: str, raw: object, words: str) -> None:
    what = f"cluster_tiers.static.{option}"
    assert problems_of(with_static(**{option: raw})) == [f"{what}: " + words.format(what=what)]


BELOW: list[tuple[str, object, str, str]] = [
    (
        "tmpfs",
        {"/run": "rw"},
        "tmpfs./run",
        "got 'rw', want a size such as 16m, with ,exec where programs in it must run"
        " (fix: cluster_tiers.static.tmpfs: {/run: 16m})",
    ),
    (
        "cap_add",
        ["ALL"],
        "cap_add[0]",
        "got 'ALL', want the capabilities that are needed, because all of them are the host's root"
        " (fix: cluster_tiers.static.cap_add: [CHOWN, SETGID, SETUID])",
    ),
    ("cap_add", ["CHWON"], "cap_add[0]", "got 'CHWON', want a Linux capability (fix: did you mean CHOWN?)"),
    (
        "cap_drop",
        ["Q"],
        "cap_drop[0]",
        "got 'Q', want a Linux capability (fix: cluster_tiers.static.cap_drop: [ALL])",
    ),
    (
        "security_opt",
        ["seccomp=unconfined"],
        "security_opt[0]",
        "got 'seccomp=unconfined', want apparmor=<profile>, seccomp=/<file> or label=<kind>:<value>, and no"
        " unconfined (fix: cluster_tiers.static.security_opt: [apparmor=my-profile])",
    ),
    (
        "sysctls",
        {"kernel.shmmax": 1},
        "sysctls",
        "got 'kernel.shmmax', want a parameter that begins with net."
        " (fix: cluster_tiers.static.sysctls: {net.core.somaxconn: 1024})",
    ),
    (
        "labels",
        {"Traefik.enable": "false"},
        "labels",
        "got 'Traefik.enable', want a name that begins neither with traefik. nor with evenkeel."
        " (fix: cluster_tiers.static.labels: {org.example.team: shop})",
    ),
    (
        "networks",
        ["host"],
        "networks[0]",
        "got 'host', want the name of a network that users made, not one of Docker's own"
        " (fix: docker network create backend, then cluster_tiers.static.networks: [backend])",
    ),
    (
        "mounts",
        [{"source": "/var/run", "target": "/host"}],
        "mounts[0].source",
        "got '/var/run', want a folder without Docker's socket in it, because whoever has that is root on the host"
        " (fix: cluster_tiers.static.mounts[0].source: /srv/data)",
    ),
]  # fmt: skip


@pytest.mark.parametrize("option, raw, place, words", BELOW, ids=lambda value: str(value)[:20])
def test_a_mistake_in_an_item_is_one_line_that_names_it(option: str, raw: object, place: str, words: str) -> None:
    assert problems_of(with_static(**{option: raw})) == [f"cluster_tiers.static.{place}: {words}"]


MORE: dict[str, list[object]] = {
    "confinement": [None, "", "Strict", True, []],
    "read_only": [None, "", "rw", []],
    "user": [None, "a b", ":1", "1:2:3", -1, True, 1.5, [], "4294967296", "Root!"],
    "group_add": [None, 5, [None], ["a b"], [True], [-1], {"a": 1}],
    "tmpfs": [
        *({"/a": value} for value in (None, "", "16mb", "16m,suid", "16m,", ",exec", 0, True, "exec")),
        *({value: "1m"} for value in ("a", "/", "", 5, "/a/../b", "/a:b")),
    ],
    "cap_add": [None, "CHOWN", ["all"], [None], [5], [""], ["CAP_"]],
    "cap_drop": [None, "ALL", [None], ["everything"]],
    "security_opt": [
        *([value] for value in (None, "", "apparmor=unconfined", "apparmor:unconfined", "label=disable")),
        *(
            [f"{value}"]
            for value in ("systempaths=unconfined", "no-new-privileges:false", "seccomp=x.json", "seccomp=")
        ),
    ],
    "command": ["", "   ", 5, True, {}, [None], [[]], "a\0b", ["a", "b\0"], 'say "', "back\\"],
    "working_dir": [None, 5, "./a", "/a/../b", [], "/a\n"],
    "init": [None, "tini", 2],
    "extra_hosts": [None, "a:1.2.3.4", ["a"], {"a": "b"}, {"a b": "1.2.3.4"}, {"a": None}, [5]],
    "dns": [None, "192.0.2.53", ["dns.example.org"], [None], [5]],
    "ulimits": [
        *({"nofile": value} for value in (None, "many", -2, True, {"soft": 5, "hard": 4}, {"soft": 5})),
        *([], "nofile", {"nofiles": 5}, {"nofile": {"soft": 1, "hard": 2, "x": 3}}),
    ],
    "shm_size": [None, -1, "1t", True, [], ""],
    "sysctls": [None, 5, ["net.a"], {"net.": 1}, {"net.core.x": None}, {"net.core.x": ""}, "a"],
    "devices": [None, "/dev/dri", ["/etc"], ["/dev/../etc"], ["/dev/a:b"], ["/dev/a::x"], [5]],
    "runtime": [None, 5, "-x", [], "a/b"],
    "memory_reservation": [None, "lots", -1, "257m", []],
    "cpu_shares": [None, -1, "many", 262_145, [], 1.5],
    "labels": [
        *(None, 5, ["a"], {"": "b"}, {"a b": "c"}, {"a": None}, {"a": []}, "a=b"),
        *({value: "x"} for value in ("traefik.enable", "TRAEFIK.http.x", "evenkeel.tier", "Evenkeel.role")),
    ],
    "platform": [None, 5, "linux", "linux/", "windows/amd64", "linux/amd64/8", []],
    "stop_signal": [
        None,
        "KILL",
        "SIGSTOP",
        9,
        0,
        99,
        65,
        32,
        "SIGCLD",
        "SIGPOLL",
        "SIGRTMIN+99",
        "SIGRTMAX-0",
        "SIGNOTHING",
        "TERM KILL",
        [],
        1.5,
    ],
    "networks": [None, "a", [None], ["bridge"], ["none"], ["container:x"], ["a b"], [""], [5]],
    "mounts": [
        [{"source": value, "target": "/host"}]
        for value in ("/", "/var", "/run", "/run/", "/var/run/docker.sock", "/run/docker.sock", "//", "//run")
    ],
}


@pytest.mark.parametrize("option, raw", [(option, raw) for option, values in MORE.items() for raw in values], ids=ascii)
def test_whatever_is_wrong_is_one_line_that_names_the_option(option: str, raw: object) -> None:
    (line,) = problems_of(with_static(**{option: raw}))
    assert line.startswith(f"cluster_tiers.static.{option}")
    assert_one_line([line], line.partition(": got ")[0])


def test_the_same_capability_given_and_taken() -> None:
    assert problems_of(with_static(cap_add=["CHOWN"], cap_drop=["CHOWN", "ALL"])) == [
        "cluster_tiers.static.cap_drop: got 'CHOWN', want another than those of cap_add"
        " (fix: remove CHOWN from one of them)"
    ]


def test_a_mount_where_there_is_scratch_space() -> None:
    mount = [{"source": "data", "target": "/cache"}]
    assert problems_of(cluster(tiers={"web": {**FOUND, "mounts": mount}})) == []
    assert problems_of(cluster(tiers={"web": {**FOUND, "mounts": mount, "tmpfs": {"/cache": "1m"}}})) == [
        "cluster_tiers.web.mounts[0].target: got '/cache', want another than /cache and the other mounts"
        " (fix: cluster_tiers.web.mounts[0].target: /data)"
    ]
    # Without scratch space of our own, these are folders as any others.
    assert problems_of(cluster(tiers={"web": {**FOUND, "mounts": [{"source": "data", "target": "/tmp"}]}})) == []


@pytest.mark.parametrize("key", ["privileged", "ports", "network_mode", "pid", "ipc", "uts", "volumes", "healthcheck"])
def test_what_compose_files_have_and_tiers_do_not(key: str) -> None:
    assert problems_of(with_static(**{key: True})) == [
        f"cluster_tiers.static: got '{key}', want an option of a tier (fix: {INSTEAD[key]})"
    ]


def test_what_is_said_instead_exists_and_no_option_is_refused() -> None:
    assert not INSTEAD.keys() & TIER_KEYS
    assert CONTAINER_KEYS < TIER_KEYS
    named = {word.strip(":,") for text in INSTEAD.values() for word in text.split() if text.startswith("say")}
    assert {"cap_add", "devices", "environment", "log_size", "memory", "mounts", "networks", "stop_seconds"} <= named
