#!/usr/bin/env bash
# Run a playbook in .venv; ask for sudo's password only if the run needs it.
# usage: scripts/play.sh PLAYBOOK [ansible-playbook arguments]
set -euo pipefail
cd "$(dirname "$0")/.."

docker_answers() {
  .venv/bin/python -c 'import docker; docker.from_env(timeout=5).ping()' 2>/dev/null
}

ask=()
if [ "$(id -u)" -ne 0 ] && ! docker_answers && ! sudo -n true 2>/dev/null; then
  ask=(--ask-become-pass -e cluster_become=true)
fi
exec .venv/bin/ansible-playbook "${ask[@]}" "$@"
