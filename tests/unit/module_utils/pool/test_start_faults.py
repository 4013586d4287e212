"""A node that does not come up: the option that lets it, by what the engine knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes.cluster import TIERS, FakeCluster
from tests.unit.module_utils.inventory.samples import cluster as declared
from tests.unit.module_utils.inventory.samples import parsed

from ansible_collections.evenkeel.cluster.plugins.module_utils.cluster.spec import Tier
from ansible_collections.evenkeel.cluster.plugins.module_utils.core.errors import Problem
from ansible_collections.evenkeel.cluster.plugins.module_utils.engine.port import EngineError, Evidence, Listener
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.reconcile import RunFailedError, reconcile_locked
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.rollout import RolloutLimits
from ansible_collections.evenkeel.cluster.plugins.module_utils.pool.start_faults import in_words, remedy

FOUND = {"image": "nginx:1.27", "port": 8080, "path": "/", "nodes": 2}
ALL = "0.0.0.0"
LOCAL = "127.0.0.1"


def tier(**options: Any) -> Tier:
    """A tier that is confined strictly, unless it says otherwise."""
    return parsed(declared(tiers={"web": {**FOUND, "confinement": "strict", **options}})).tiers[0]


def crash(*lines: str, **known: Any) -> Evidence:
    return Evidence(lines, **{"ended": True, "exit_code": 1, "architecture": "amd64", **known})


def option(found: str) -> str:
    """What is to be written, without the reason."""
    return found.partition(", because")[0]


CAPABILITIES = "cluster_tiers.web.cap_add: [{}], or cluster_tiers.web.confinement: docker"
#: As these programs print them.
SAID = [
    (
        'nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)',
        "cluster_tiers.web.tmpfs: {/var/cache/nginx: 16m}",
    ),
    (
        'nginx: [emerg] open() "/run2/nginx.pid" failed (30: Read-only file system)',
        "cluster_tiers.web.tmpfs: {/run2: 16m}",
    ),
    ("OSError: [Errno 30] Read-only file system: '/var/lib/app/x'", "cluster_tiers.web.tmpfs: {/var/lib/app: 16m}"),
    ("Error: EROFS: read-only file system, mkdir '/data'", "cluster_tiers.web.tmpfs: {/data: 16m}"),
    ("/entry.sh: 3: cannot create /var/log/a.log: Read-only file system", "cluster_tiers.web.tmpfs: {/var/log: 16m}"),
    ("touch: cannot touch '/etc/app.conf': Read-only file system", "cluster_tiers.web.read_only: false"),
    ("mkdir: cannot create directory 'cache': Read-only file system", "cluster_tiers.web.read_only: false"),
    (
        'nginx: [emerg] chown("/var/cache/nginx/client_temp", 101) failed (1: Operation not permitted)',
        CAPABILITIES.format("CHOWN, SETGID, SETUID"),
    ),
    (
        "chown: changing ownership of '/var/lib/x': Operation not permitted",
        CAPABILITIES.format("CHOWN, SETGID, SETUID"),
    ),
    ("[emerg] 7#7: setgid(101) failed (1: Operation not permitted)", CAPABILITIES.format("SETGID, SETUID")),
    ('error: failed switching to "redis": setgroups: operation not permitted', CAPABILITIES.format("SETGID, SETUID")),
    ("[emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", CAPABILITIES.format("NET_BIND_SERVICE")),
    ("chroot: cannot change root directory: Operation not permitted", CAPABILITIES.format("SYS_CHROOT")),
    ("chmod: changing permissions of '/x': Operation not permitted", CAPABILITIES.format("FOWNER")),
    ('[emerg] open() "/var/log/nginx/error.log" failed (13: Permission denied)', CAPABILITIES.format("DAC_OVERRIDE")),
    ("open /dev/dri/card0: permission denied", "cluster_tiers.web.devices: [/dev/dri/card0]"),
    ("sh: 1: /tmp/tool: Permission denied", 'cluster_tiers.web.tmpfs: {/tmp: "64m,exec"}'),
    (
        "java.lang.UnsatisfiedLinkError: /tmp/librocks.so: /tmp/librocks.so: failed to map segment from shared object",
        'cluster_tiers.web.tmpfs: {/tmp: "64m,exec"}',
    ),
    ("cp: error writing '/tmp/a': No space left on device", "cluster_tiers.web.tmpfs: {/tmp: 256m}"),
    ("could not resize '/dev/shm/a': No space left on device", "cluster_tiers.web.shm_size: 256m"),
    ("s6-overlay-suexec: fatal: can only run as pid 1", "cluster_tiers.web.leaving: balancer"),
    (
        "Trying to run as user instance, but the system has not been booted with systemd.",
        "cluster_tiers.web.leaving: balancer",
    ),
    (
        "exec /usr/local/bin/app: exec format error",
        "cluster_tiers.web.platform: linux/amd64, or an image for this machine",
    ),
    ("FATAL ERROR: Reached heap limit - JavaScript heap out of memory", "cluster_tiers.web.memory: 512m"),
    ("java.lang.OutOfMemoryError: Java heap space", "cluster_tiers.web.memory: 512m"),
    (
        'could not select device driver "" with capabilities: [[gpu]]',
        "install what lets Docker give GPUs to containers (NVIDIA Container Toolkit), or remove cluster_tiers.web.gpus",
    ),
    ("RuntimeError: can't start new thread", "cluster_tiers.web.pids: 400"),
    ("Error: EMFILE: too many open files, watch", "cluster_tiers.web.ulimits: {nofile: 65536}"),
    (
        'could not translate host name "db" to address: Name or service not known',
        "cluster_tiers.web.networks: [the network of what it looks for]",
    ),
]


TAKEN = [
    "nginx: [emerg] bind() to 0.0.0.0:9180 failed (98: Address already in use)",
    "Error: listen EADDRINUSE: address already in use :::9180",
    "OSError: [Errno 98] Address already in use",
    "listen tcp :9180: bind: address already in use",
    "[emerg] bind() to [::]:9180 failed (98: Address in use)",
    "2026-01-02 03:04:05 OSError: [Errno 98] Address already in use",
    "Port 9180 was already in use: address already in use",
]


@pytest.mark.parametrize("line", TAKEN)
def test_an_application_that_wants_the_port_of_hold_is_told_so(line: str) -> None:
    found = remedy(tier(), crash(line, "nginx: [emerg] still could not bind()"))
    assert found == (
        "let the application listen on another port than 9180, by cluster_tiers.web.command or environment, or"
        " cluster_tiers.web.leaving: balancer, because hold answers the balancer on 9180"
    )
    assert remedy(tier(leaving="own"), crash(line)) == "", "where there is no hold, it is another process of its own"


@pytest.mark.parametrize("line", [TAKEN[0], TAKEN[1], TAKEN[3]])
def test_another_port_that_is_taken_is_not_holds(line: str) -> None:
    assert remedy(tier(), crash(line.replace("9180", "8080"))) == ""


@pytest.mark.parametrize("line, words", SAID, ids=[line[:40] for line, _words in SAID])
def test_the_last_words_name_the_option(line: str, words: str) -> None:
    assert option(remedy(tier(), crash("starting", line))) == words


@pytest.mark.parametrize(
    "evidence, answer, words",
    [
        (crash("bye", exit_code=137), 0, "cluster_tiers.web.memory: 512m"),
        (crash("bye", out_of_memory=True), 0, "cluster_tiers.web.memory: 512m"),
        (Evidence(("Read-only file system",), out_of_memory=True), 0, "cluster_tiers.web.memory: 512m"),
        (crash(exit_code=0), 0, "cluster_tiers.web.command: a command that stays in the foreground"),
        (crash("no idea"), 0, ""),
        (
            Evidence(listeners=(Listener(LOCAL, 8080),)),
            0,
            "let the application listen on 0.0.0.0:8080, by cluster_tiers.web.command or environment",
        ),
        (Evidence(listeners=(Listener("::1", 3000),)), 0, "let the application listen on 0.0.0.0:8080"),
        (Evidence(listeners=(Listener(LOCAL, 9000), Listener("::", 3000))), 0, "cluster_tiers.web.port: 3000"),
        (Evidence(listeners=(Listener(ALL, 8080),)), 0, ""),
        (Evidence(listeners=()), 0, "cluster_tiers.web.ready_seconds: 120 if it only starts slowly"),
        (Evidence(listeners=None), 0, ""),
        (
            Evidence(listeners=()),
            404,
            "cluster_tiers.web.health_status: 404, or cluster_tiers.web.health_path: another page",
        ),
        (Evidence(listeners=()), 400, "cluster_tiers.web.health_host: the application's own name"),
        (Evidence(listeners=()), 503, "cluster_tiers.web.ready_seconds: 120 if it only starts slowly"),
    ],
)
def test_what_the_engine_knows_names_the_option(evidence: Evidence, answer: int, words: str) -> None:
    assert option(remedy(tier(), evidence, answer)) == words


def test_the_reason_stands_behind_the_option() -> None:
    found = Evidence(listeners=(Listener(ALL, 3000), Listener(ALL, 9000)))
    assert remedy(tier(), found) == (
        "cluster_tiers.web.port: 3000, because it listens on 3000 and 9000 and not on 8080"
    )
    assert remedy(tier(), Evidence(listeners=(Listener(LOCAL, 3000),))).endswith("it listens on 127.0.0.1:3000 alone")
    assert remedy(tier(ready_seconds=90), Evidence(listeners=())).startswith("cluster_tiers.web.ready_seconds: 180")


def test_a_harmless_line_before_the_last_word_does_not_count() -> None:
    lines = (
        "cannot modify /etc/nginx/conf.d/default.conf (read-only file system?)",
        "setgid(33): operation not permitted",
    )
    assert option(remedy(tier(), crash(*lines))) == CAPABILITIES.format("SETGID, SETUID")


def test_what_the_tier_has_already_is_not_proposed_again() -> None:
    denied = crash("chown: changing ownership of '/x': Operation not permitted")
    assert option(remedy(tier(cap_add=["CHOWN"]), denied)) == CAPABILITIES.format("CHOWN, SETGID, SETUID")
    assert remedy(tier(cap_add=["CHOWN", "SETGID", "SETUID"]), denied) == ""
    assert remedy(tier(confinement="docker"), denied) == ""
    for words, name in (("mlock", "IPC_LOCK"), ("setpriority", "SYS_NICE"), ("setrlimit", "SYS_RESOURCE")):
        asked = crash(f"app: {words}: Operation not permitted")
        assert option(remedy(tier(confinement="docker"), asked)) == f"cluster_tiers.web.cap_add: [{name}]"
        assert remedy(tier(confinement="docker", cap_add=[name]), asked) == ""
    missing = crash("ping: socket: Operation not permitted")
    assert option(remedy(tier(confinement="docker"), missing)) == "cluster_tiers.web.cap_add: [NET_RAW]"
    assert remedy(tier(tmpfs={"/tmp": "64m,exec"}), crash("sh: 1: /tmp/tool: Permission denied")) == ""


def test_a_user_that_may_not_open_a_file() -> None:
    denied = crash("open '/data/db': Permission denied", root=False)
    assert option(remedy(tier(), denied)) == "cluster_tiers.web.user: the owner of /data/db"


def test_an_image_whose_first_process_is_its_own_needs_no_other() -> None:
    told = crash("s6-overlay-suexec: fatal: can only run as pid 1")
    assert option(remedy(tier(init=True), told)) == "cluster_tiers.web.init: false"


#: What the engine says -> the end of the option's name, and what to write.
REFUSED = [
    ("unable to find user ghost: no matching entries in passwd file", "user: one that the image has, or a number"),
    ('exec: "serve": executable file not found in $PATH', "entrypoint: a program that the image has"),
    ("unknown or invalid runtime name: runsc", "runtime: one that docker info lists"),
    ('error gathering device information while adding custom device "/dev/x"', "devices: those that the machine has"),
    (
        "Decoding seccomp profile failed: invalid character '/'",
        "security_opt: seccomp=/<a file with a profile, on the machine of the nodes>",
    ),
    ("network backend not found", "networks: those that docker network ls lists"),
    (
        "image with reference a was found but does not match the specified platform",
        "platform: the machine's, or an image for this machine",
    ),
]


@pytest.mark.parametrize("refusal, words", REFUSED)
def test_what_the_engine_refuses_names_the_option(refusal: str, words: str) -> None:
    assert option(in_words(tier(), [refusal])).endswith(f"cluster_tiers.web.{words}")
    assert in_words(tier(), ["the disk is on fire"]) == ""


# -- where it is told ----------------------------------------------------------------


def failed(cluster: FakeCluster, count: int = 3) -> str:
    request = cluster.request(tiers=cluster.resized("dates", count), limits=RolloutLimits(ready_timeout=6.0))
    with pytest.raises(RunFailedError) as raised:
        reconcile_locked(request, cluster.ports, clock=cluster.clock)
    return str(raised.value)


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(
        tmp_path, tiers={**TIERS, "dates": {**TIERS["dates"], "confinement": "strict", "leaving": "balancer"}}
    )


def test_a_run_tells_it_of_a_node_that_ends(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.engine.seen["dates-3"] = crash(*map(str, range(9)), "mkdir '/var/cache/x': Read-only file system")
    start = cluster.engine.start

    def start_and_end(name: str, build: Any) -> None:
        start(name, build)
        cluster.engine.by_name(name).put(state="broken", detail="restarting")

    monkeypatch.setattr(cluster.engine, "start", start_and_end)
    assert failed(cluster) == (
        "node dates-3: got state restarting, want it running; last log lines: 2 | 3 | 4 | 5 | 6 | 7 | 8 | mkdir"
        " '/var/cache/x': Read-only file system (fix: cluster_tiers.dates.tmpfs: {/var/cache: 16m}, because it writes"
        " to /var/cache/x; the nodes that ran before keep serving)"
    )


def test_a_run_tells_it_of_a_node_that_does_not_answer(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.engine, "health", lambda url, headers=None: 0)
    cluster.engine.seen["dates-3"] = Evidence(("listening",), listeners=(Listener(LOCAL, 8081),))
    assert failed(cluster) == (
        "node dates-3: got no answer from / within 6 s, want status below 500; last log lines: listening (fix: let"
        " the application listen on 0.0.0.0:8081, by cluster_tiers.dates.command or environment, because it listens on"
        " 127.0.0.1:8081 alone; the nodes that ran before keep serving)"
    )


def test_a_run_tells_it_of_an_engine_that_refuses(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, build: Any) -> None:
        raise EngineError(Problem(f"node {name}", "'network backend not found'", "success", "see dockerd's log"))

    monkeypatch.setattr(cluster.engine, "start", refuse)
    assert failed(cluster) == (
        "node dates-3: got 'network backend not found', want success"
        " (fix: cluster_tiers.dates.networks: those that docker network ls lists)"
    )


def test_where_nothing_tells_the_usual_advice_stays(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.engine, "health", lambda url, headers=None: 0)
    assert failed(cluster).endswith("(fix: docker run the image and request /; the nodes that ran before keep serving)")
