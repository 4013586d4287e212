# shellcheck shell=bash
# What the shell of the fault catalogue's rows is made of. Read by bash before each of them; needs root.
# Variables from outside: ROOT, STATE, SCRATCH, CLUSTER, PYTHON, STATIC, DYNAMIC, EDGE, BALANCER.

daemon_file=/etc/docker/daemon.json

# pid NAME: the process that a container was started with. Never 0: to kill that is to kill oneself.
pid() {
  local found
  found=$(docker inspect --format '{{.State.Pid}}' "$1")
  if [ "${found:-0}" -eq 0 ]; then
    echo none
    return 1
  fi
  echo "$found"
}

# members ROLE: the cluster's containers of a role, in any state.
members() { docker ps --all --filter "label=evenkeel.cluster=$CLUSTER" --filter "label=evenkeel.role=$1" --format '{{.Names}}'; }

# another_process NAME PROCESS: its first process is another one than before, and runs.
another_process() {
  local now
  now=$(pid "$1") && [ "$now" != "$2" ]
}

exists() { docker inspect "$1" >/dev/null 2>&1; }

# free_name TIER: the name that its next node gets.
free_name() {
  local number=1
  while exists "$1-$number"; do number=$((number + 1)); done
  echo "$1-$number"
}

# nodes TIER: its running managed nodes.
nodes() {
  docker ps --filter "label=evenkeel.cluster=$CLUSTER" --filter label=evenkeel.managed=true --filter "label=evenkeel.tier=$1" \
    --format '{{.Names}}'
}

# beside COMMAND...: runs it in the background until end_beside.
beside() {
  setsid "$@" >>"$SCRATCH/beside.log" 2>&1 &
  echo $! >>"$SCRATCH/pids"
}

# end_beside: ends what beside has started, each with its process group.
end_beside() {
  if [ -f "$SCRATCH/pids" ]; then
    while read -r process; do
      kill -KILL -- "-$process" 2>/dev/null || true
    done <"$SCRATCH/pids"
    rm -f "$SCRATCH/pids"
  fi
}

# finished: waits for the end of all that beside has started.
finished() {
  while read -r process; do
    wait "$process" || true
  done <"$SCRATCH/pids"
}

# play PLAYBOOK...: a run that may fail, in the background.
play() { beside "$(dirname "$PYTHON")/ansible-playbook" "$@"; }

# await SECONDS COMMAND...: until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "waited in vain for: $*" >&2
      return 1
    fi
    sleep 0.1
  done
}

# --- the engine ---

dockerd_pid() { cat /run/docker.pid 2>/dev/null || pgrep --oldest --exact dockerd; }

ended() { ! kill -0 "$1" 2>/dev/null; }

# runs_containers: the engine can start one.
runs_containers() {
  docker run --rm --network none --label traefik.enable=false --entrypoint true res/express
}

# engine_stop SIGNAL: and waits for its end.
engine_stop() {
  local process
  process=$(dockerd_pid)
  kill "-$1" "$process"
  await 60 ended "$process"
}

# engine_start: as the machine does at boot; ends when the engine answers.
engine_start() {
  if [ -d /run/systemd/system ]; then
    systemctl start docker
  else
    bash "$ROOT/roles/docker_engine/files/engine.sh" started /var/log/dockerd.log
  fi
  await 60 docker version
}

engine_restart() {
  engine_stop "$1"
  engine_start
}

# engine_option JSON: restarts the engine with these options beside those that it has; does nothing when it has them.
engine_option() {
  local changed
  engine_as_before
  # An option that the file does not have is what the engine takes by itself.
  changed=$("$PYTHON" -c 'import json, os, sys
file, asked = sys.argv[1], json.loads(sys.argv[2])
has = json.load(open(file)) if os.path.exists(file) else {}
now = {"live-restore": False, "userland-proxy": True, **has}
if any(now.get(name) != value for name, value in asked.items()):
    json.dump(has, open(file + ".before-faults", "w"), indent=4)
    json.dump({**has, **asked}, open(file, "w"), indent=4)
    print("changed")' "$daemon_file" "$1")
  if [ -n "$changed" ]; then engine_anew; fi
}

# engine_as_before: takes engine_option back.
engine_as_before() {
  if [ -f "$daemon_file.before-faults" ]; then
    mv "$daemon_file.before-faults" "$daemon_file"
    engine_anew
  fi
}

# engine_anew: the engine with its new options, and all that ran. An engine without live-restore takes what one with
# live-restore has left for stopped by hand, so it starts none of that.
engine_anew() {
  local ran each
  ran=$(docker ps --quiet)
  engine_restart TERM
  for each in $ran; do
    docker start "$each" >/dev/null || true
  done
  restart_all
}

# restart_all: the cluster's own containers, edge first: the row begins with a cluster that serves. Their ports are
# published anew, with or without docker-proxy.
restart_all() {
  local each
  for each in $(members edge) $(members balancer); do
    docker restart --time 1 "$each" >/dev/null
  done
}

# port_proxy PORT: the docker-proxy of a published port.
port_proxy() { pgrep --full "docker-proxy .*-host-port $1 " | head -1; }

# joins: a guest that is started now gets requests within 15 s.
joins() {
  local guest name
  guest=$(docker run --detach res/express)
  name=$(docker inspect --format '{{.Config.Hostname}}' "$guest")
  if ! await 15 answers_from "$name"; then
    docker rm --force "$guest" >/dev/null
    return 1
  fi
  docker stop "$guest" >/dev/null
  docker rm --force "$guest" >/dev/null
}

answers_from() {
  for _ in 1 2 3 4 5 6 7 8; do
    if curl -sS --max-time 2 -D - -o /dev/null http://localhost:8080/api/dates/ | grep -qi "^x-served-by: $1"; then return 0; fi
  done
  return 1
}

portainer_answers() { [ "$(curl -s --max-time 2 -o /dev/null -w '%{http_code}' http://127.0.0.1:9090/api/system/status)" = 200 ]; }

# never_again CONTAINER: removes it where its restart policy is off, which a run may not have mended.
never_again() {
  if [ "$(docker inspect --format '{{.HostConfig.RestartPolicy.Name}}' "$1" 2>/dev/null)" = no ]; then docker rm --force "$1"; fi
}

# --- memory ---

# eat CONTAINER: a process in the container's memory group takes all that it may, and the kernel ends the container's own first.
eat() {
  local process group
  process=$(pid "$1") || return 1
  echo 1000 >"/proc/$process/oom_score_adj"
  group=$(memory_group "$process")
  # shellcheck disable=SC2016
  beside bash -c 'echo $$ >"$1/cgroup.procs" && exec perl -e '\''my @all; push @all, "x" x 1e6 while 1'\''' eat "$group"
  await 30 ended "$process"
}

memory_group() {
  if [ -d /sys/fs/cgroup/memory ]; then
    echo "/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' "/proc/$1/cgroup")"
  else
    echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
  fi
}

# --- files ---

# small FOLDER OPTIONS: a small disk in the place of a folder, with what the folder holds.
small() {
  local copy
  copy=$SCRATCH/copy
  cp -a "$1" "$copy"
  mount -t tmpfs -o "$2,mode=0755" tmpfs "$1"
  echo "$1" >>"$SCRATCH/mounts"
  cp -a "$copy/." "$1" 2>/dev/null || true
  chown --reference="$copy" "$1"
}

read_only() {
  mount --bind "$1" "$1"
  echo "$1" >>"$SCRATCH/mounts"
  mount -o remount,ro,bind "$1"
}

# garbage_in FILE: in one step, so that the balancer does not read an empty file in between.
garbage_in() {
  printf 'http: [\n' >"$1.faults"
  mv "$1.faults" "$1"
}

# mode_of FILE: in digits.
mode_of() { stat --format %a "$1"; }

# folder_back: ends a move of the state folder to another place.
folder_back() {
  if [ -d "$STATE.faults" ] && [ -d "$STATE" ]; then
    rm -rf "$STATE.faults"
  elif [ -d "$STATE.faults" ]; then
    mv "$STATE.faults" "$STATE"
  fi
}

# without_inodes: no file can be added to the balancer's configuration.
without_inodes() {
  small "$STATE/balancer/dynamic" nr_inodes=12
  for one in $(seq 12); do touch "$STATE/balancer/dynamic/.$one" 2>/dev/null || true; done
}

# over FILE CONTENT: another file in the place of one that may be mounted itself.
over() {
  printf '%s\n' "$2" >"$SCRATCH/over"
  mount --bind "$SCRATCH/over" "$1"
  echo "$1" >>"$SCRATCH/mounts"
}

unmounted() {
  if [ -f "$SCRATCH/mounts" ]; then
    tac "$SCRATCH/mounts" | while read -r place; do umount --lazy "$place"; done
    rm -f "$SCRATCH/mounts"
  fi
}

# --- the network ---

bridge() { echo "br-$(docker network inspect --format '{{slice .Id 0 12}}' "$CLUSTER")"; }

# loss SHARE, loss_over: of the packets on the cluster's bridge.
loss() {
  echo "$(bridge) $1" >"$SCRATCH/loss"
  loss_rules -I
}

loss_over() {
  if [ -f "$SCRATCH/loss" ]; then
    loss_rules -D
    rm -f "$SCRATCH/loss"
  fi
}

loss_rules() {
  local name share
  read -r name share <"$SCRATCH/loss"
  iptables "$1" FORWARD -i "$name" -m statistic --mode random --probability "$share" -j DROP
  iptables "$1" FORWARD -o "$name" -m statistic --mode random --probability "$share" -j DROP
}

# pool_taken: every network of the engine's address pool that is not in use.
pool_taken() {
  "$PYTHON" - <<'PYTHON' >"$SCRATCH/subnets"
import ipaddress, json, subprocess
def ask(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout
pools = json.loads(ask("info", "--format", "{{json .DefaultAddressPools}}")) or [
    {"Base": "172.17.0.0/12"}, {"Base": "192.168.0.0/16"}]
used = [
    ipaddress.ip_network(config["Subnet"])
    for network in json.loads(ask("network", "inspect", *ask("network", "ls", "--quiet").split()))
    for config in network["IPAM"]["Config"] or ()
]
free = [ipaddress.ip_network(pool["Base"], strict=False) for pool in pools]
for network in (one for one in used if one.version == 4):
    free = [
        part
        for each in free
        for part in ([each] if not each.overlaps(network) else
                     list(each.address_exclude(network)) if network.subnet_of(each) else [])
    ]
print(*free, sep="\n")
PYTHON
  while read -r subnet; do
    docker network create --label evenkeel.faults=yes --subnet "$subnet" "faults-${subnet//[.\/]/-}" >/dev/null
  done <"$SCRATCH/subnets"
}

pool_given_back() { docker network ls --quiet --filter label=evenkeel.faults | xargs --no-run-if-empty docker network rm >/dev/null; }

# --- containers of others ---

# foreign_gone: removes what the rows have started by hand.
foreign_gone() { docker ps --all --quiet --filter label=evenkeel.faults | xargs --no-run-if-empty docker rm --force --volumes >/dev/null; }

# by_hand OPTIONS...: docker run -d, to be removed by foreign_gone.
by_hand() { docker run --detach --label evenkeel.faults=yes "$@" >/dev/null; }

# stranger OPTIONS...: a container that is no part of the cluster.
stranger() {
  docker create --label evenkeel.faults=yes --label evenkeel.cluster=none --label evenkeel.role=none --label traefik.enable=false \
    "$@" res/express >/dev/null
}

# all_thawed: no container of the cluster is frozen.
all_thawed() {
  docker ps --quiet --filter status=paused --filter "label=evenkeel.cluster=$CLUSTER" | xargs --no-run-if-empty docker unpause >/dev/null
}

# copy NODE NAME: what "Duplicate" in a console does: all labels, host name, alias; another name.
copy() {
  "$PYTHON" - "$1" "$2" <<'PYTHON'
import sys, docker
api = docker.from_env().api
old = api.inspect_container(sys.argv[1])
name = sys.argv[1]
host = api.create_host_config(network_mode=old["HostConfig"]["NetworkMode"])
networks = api.create_networking_config({
    network: api.create_endpoint_config(aliases=[name]) for network in old["NetworkSettings"]["Networks"]})
labels = {**old["Config"]["Labels"], "evenkeel.faults": "yes"}
made = api.create_container(old["Config"]["Image"], name=sys.argv[2], hostname=name, labels=labels,
                            environment=old["Config"]["Env"], host_config=host, networking_config=networks)
api.start(made["Id"])
PYTHON
}

# clients KIND COUNT: many clients of one bad kind, see clients.py.
clients() {
  beside "$PYTHON" "$ROOT/tests/bench/faults/clients.py" "$1" "$2" "$SCRATCH/clients-ready"
  await 60 test -e "$SCRATCH/clients-ready"
}
