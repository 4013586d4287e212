#!/bin/bash
# Starts and stops a dockerd without a service manager, and removes its stale files and all containers.
# Prints one line for each change, and nothing if there was nothing to do.
set -euo pipefail

pid_file=/run/docker.pid
# Installed beside an engine of this role; see hold.sh.
hold=/usr/local/sbin/docker-hold-connections

# runs PID NAME: whether the process runs and is that program. The PID may belong to another program by now, and a process that
# was killed keeps its name until its parent has taken note.
runs() {
  [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null || true)" = "$2" ] &&
    ! grep --quiet '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null
}

pid_of() {
  if [ -f "$1" ]; then
    tr -dc 0-9 <"$1"
  fi
}

dockerd_runs() {
  runs "$(pid_of "$pid_file")" dockerd
}

# listening SOCKET: whether a process accepts connections there; /var/run is the same directory as /run.
listening() {
  awk -v socket="$1" '$4 ~ /^0001/ && ($8 == socket || $8 == "/var" socket) { found = 1 } END { exit !found }' /proc/net/unix
}

remove_remains() {
  if dockerd_runs; then
    return
  fi
  for entry in docker.pid:dockerd docker-ssd.pid:dockerd docker/containerd/containerd.pid:containerd; do
    file=/run/${entry%:*}
    if [ -f "$file" ] && ! runs "$(pid_of "$file")" "${entry#*:}"; then
      rm -f "$file"
      echo "removed $file: its process is gone"
    fi
  done
  # With a stale /run/containerd/containerd.sock, dockerd would wait for that containerd instead of starting its own.
  for socket in /run/docker.sock /run/docker/metrics.sock /run/docker/containerd/*.sock* /run/containerd/containerd.sock*; do
    if [ -S "$socket" ] && ! listening "$socket"; then
      rm -f "$socket"
      echo "removed $socket: no process listens on it"
    fi
  done
}

# hold on|off: new connections wait until dockerd has written its packet filter rules.
hold() {
  if [ -x "$hold" ]; then "$hold" "$1" || true; fi
}

# await_ready: until dockerd answers, has ended, or 60 s are over.
await_ready() {
  tries=0
  until docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ] || { [ "$tries" -gt 50 ] && ! dockerd_runs; }; then return; fi
    sleep 0.1
  done
}

start() {
  if dockerd_runs; then
    return
  fi
  remove_remains
  trap 'hold off' EXIT
  hold on
  ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -H -n)"
  # A clean environment: only what a service manager would set, and the proxy settings for pulls.
  environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root)
  for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR; do
    if [ -n "${!name:-}" ]; then
      environment+=("$name=${!name}")
    fi
  done
  (
    # Nor the caller's open files: a lock among them would be held for as long as dockerd runs.
    for descriptor in "/proc/$BASHPID/fd/"*; do
      descriptor=${descriptor##*/}
      if [ "$descriptor" -gt 2 ]; then eval "exec $descriptor>&-"; fi
    done
    exec setsid --fork env --ignore-environment "${environment[@]}" dockerd </dev/null >>"$1" 2>&1
  )
  if [ -x "$hold" ]; then await_ready; fi
  echo "started dockerd"
}

stop() {
  if ! dockerd_runs; then
    return
  fi
  pid=$(pid_of "$pid_file")
  kill -TERM "$pid"
  tries=0
  while runs "$pid" dockerd; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then
      echo "dockerd: got no end in 30 s after SIGTERM, want it stopped (fix: see its log)" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "stopped dockerd"
}

remove_containers() {
  if ! docker version >/dev/null 2>&1; then
    return
  fi
  mapfile -t containers < <(docker ps --all --quiet)
  if [ "${#containers[@]}" -gt 0 ]; then
    docker rm --force --volumes "${containers[@]}" >/dev/null
    echo "removed ${#containers[@]} containers"
  fi
}

case $1 in
  remains) remove_remains ;;
  started) start "$2" ;;
  stopped) stop ;;
  emptied) remove_containers ;;
  restarted)
    stop
    start "$2"
    ;;
  *)
    echo "engine.sh: got '$1', want remains, started, stopped, emptied or restarted" >&2
    exit 2
    ;;
esac
