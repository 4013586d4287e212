"""Rows about the engine: it ends, it is started again, it hangs, it loses its socket."""

from __future__ import annotations

from tests.bench.faults.fault import CLOCK, ENGINE, MENDS, REFUSED, Fault

GROUP = "engine"
# An engine without live-restore stops all containers when it ends: requests are lost until it is back.
_STOPS_ALL = "without live-restore the engine stops every container when it ends"
_PROXY = (
    "the engine's userland proxy ends with the engine, so this machine's own connections are refused until it is back"
)
_PROBES = (
    "an engine that starts writes its packet filter rules again: a health check may fail in that moment, and the"
    " sessions of its node move"
)
_NAMES = (
    "the engine tells the addresses of nodes: one that loses its connection to the balancer is out of rotation until"
    " the engine answers, and its sessions move"
)
_LIVE = """engine_option '{"live-restore": true, "userland-proxy": false}'"""
_LIVE_PROXY = """engine_option '{"live-restore": true, "userland-proxy": true}'"""
# Also where this project has installed Docker, which has live-restore.
_DEAD = """engine_option '{"live-restore": false}'"""
_NO_ENGINE = "engine_start; engine_as_before"

ROWS = (
    Fault(
        "engine-restarted",
        GROUP,
        "dockerd ends by SIGTERM and is started again, as in an upgrade",
        "engine_restart TERM",
        lost=None,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean=_NO_ENGINE,
        then="joins",
        because=_STOPS_ALL,
    ),
    Fault(
        "engine-killed",
        GROUP,
        "dockerd ends by SIGKILL and is started again",
        "engine_restart KILL",
        lost=None,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean=_NO_ENGINE,
        then="joins",
        because="without live-restore the new engine stops and starts the containers that the killed one has left",
    ),
    Fault(
        "engine-restarted-twice",
        GROUP,
        "dockerd is restarted again before all nodes are back",
        "engine_restart TERM; engine_restart TERM",
        lost=None,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean=_NO_ENGINE,
        because=_STOPS_ALL,
    ),
    Fault(
        "engine-upgraded-live",
        GROUP,
        "with live-restore and without userland proxy: dockerd ends by SIGTERM and is started again",
        "engine_restart TERM",
        needs=(ENGINE,),
        prepare=_LIVE,
        clean=_NO_ENGINE,
        then="joins",
        short=True,
        because=_PROBES,
    ),
    Fault(
        "engine-killed-live",
        GROUP,
        "with live-restore and without userland proxy: dockerd ends by SIGKILL and is started again",
        "engine_restart KILL",
        needs=(ENGINE,),
        prepare=_LIVE,
        clean=_NO_ENGINE,
        then="joins",
        because=_PROBES,
    ),
    Fault(
        "engine-upgraded-live-proxy",
        GROUP,
        "with live-restore and with userland proxy: dockerd ends by SIGTERM and is started again",
        "engine_restart TERM",
        lost=None,
        needs=(ENGINE,),
        prepare=_LIVE_PROXY,
        clean=_NO_ENGINE,
        then="joins",
        because=_PROXY + "; " + _PROBES,
    ),
    Fault(
        "engine-hangs",
        GROUP,
        "dockerd gets SIGSTOP for 30 s, so the balancer hears of no change",
        'kill -STOP "$(dockerd_pid)"',
        hold=30,
        lift='kill -CONT "$(dockerd_pid)"',
        clean='kill -CONT "$(dockerd_pid)"',
        then="joins",
        because=_NAMES,
    ),
    Fault(
        "engine-hangs-and-a-node-dies",
        GROUP,
        "a node is killed while dockerd hangs for 10 s: no event tells the balancer",
        'process=$(pid "$STATIC"); kill -STOP "$(dockerd_pid)"; kill -KILL "$process"',
        posts=5,
        hold=10,
        lift='kill -CONT "$(dockerd_pid)"',
        clean='kill -CONT "$(dockerd_pid)"',
        because="POSTs that the node had received are never sent to a second one",
    ),
    Fault(
        "engine-runtime-killed",
        GROUP,
        "containerd gets SIGKILL; dockerd starts it again",
        'kill -KILL "$(pgrep --exact containerd | head -1)"; await 30 runs_containers',
        seconds=20,
        clean="await 30 runs_containers",
        then="joins",
    ),
    Fault(
        "engine-stopped-node-stays",
        GROUP,
        "a node is stopped by hand, then dockerd is restarted",
        # What has stopped in the last two seconds before the edge is taken for stopped by the engine.
        'docker stop "$STATIC"; sleep 4; engine_restart TERM',
        ends=MENDS,
        lost=None,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean=_NO_ENGINE,
        because="a node that a person stopped stays stopped, and the status names it; " + _STOPS_ALL,
    ),
    Fault(
        "engine-restarted-in-a-run",
        GROUP,
        "dockerd is restarted in the middle of site.yml",
        "play site.yml; sleep 4; engine_restart TERM; finished",
        ends=MENDS,
        lost=None,
        told=False,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean="end_beside; " + _NO_ENGINE,
        because=_STOPS_ALL,
    ),
    Fault(
        "engine-restarted-in-a-roll",
        GROUP,
        "dockerd is restarted in the middle of a roll",
        "play playbooks/roll.yml -e tier=static; sleep 3; engine_restart TERM; finished",
        ends=MENDS,
        lost=None,
        told=False,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean="end_beside; " + _NO_ENGINE,
        because=_STOPS_ALL,
    ),
    Fault(
        "engine-restarted-live-in-a-roll",
        GROUP,
        "with live-restore: dockerd is restarted in the middle of a roll",
        "play playbooks/roll.yml -e tier=static; sleep 3; engine_restart TERM; finished",
        ends=MENDS,
        told=False,
        needs=(ENGINE,),
        prepare=_LIVE,
        clean="end_beside; " + _NO_ENGINE,
    ),
    Fault(
        "engine-restarted-in-a-replacement",
        GROUP,
        "dockerd is restarted while the balancer is replaced",
        "play site.yml --tags balancer -e load_balancer_pids=513; sleep 3; engine_restart TERM; finished",
        ends=MENDS,
        lost=None,
        told=False,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean="end_beside; " + _NO_ENGINE,
        because=_STOPS_ALL,
    ),
    Fault(
        "engine-killed-in-a-replacement",
        GROUP,
        "dockerd ends by SIGKILL and is started again while the balancer is replaced",
        "play site.yml --tags balancer -e load_balancer_pids=513; sleep 3; engine_restart KILL; finished",
        ends=MENDS,
        lost=None,
        told=False,
        needs=(ENGINE,),
        prepare=_DEAD,
        clean="end_beside; " + _NO_ENGINE,
        because=_STOPS_ALL,
    ),
    Fault(
        "engine-socket-removed",
        GROUP,
        "the file of Docker's socket is removed",
        "mv /run/docker.sock /run/docker.sock.faults",
        ends=REFUSED,
        seconds=0,
        lift="mv /run/docker.sock.faults /run/docker.sock",
        clean="test ! -e /run/docker.sock.faults || mv /run/docker.sock.faults /run/docker.sock",
        says="docker",
        told=False,
    ),
    Fault(
        "clock-forward",
        GROUP,
        "the clock is set forward by a day, and back after 10 s",
        "date --set=@$(($(date +%s) + 86400))",
        hold=10,
        lift="date --set=@$(($(date +%s) - 86400))",
        needs=(CLOCK,),
        moved=0,
    ),
    Fault(
        "clock-back",
        GROUP,
        "the clock is set back by a day, and forward after 10 s",
        "date --set=@$(($(date +%s) - 86400))",
        hold=10,
        lift="date --set=@$(($(date +%s) + 86400))",
        needs=(CLOCK,),
        moved=0,
    ),
)
