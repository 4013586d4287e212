#!/usr/bin/env bash
# Run the linters; continue after a finding, so that one run shows all findings.
# usage: scripts/lint.sh [CHECK ...], for example: scripts/lint.sh mypy ruff-check. Without names, all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

failed=()
wanted=("$@")
known=()

# Whether a check was asked for, by its name with - for spaces; all are when none is named.
asked() {
  local name
  for name in "${wanted[@]}"; do
    if [ "$name" = "${1// /-}" ]; then return; fi
  done
  [ ${#wanted[@]} -eq 0 ]
}

check() {
  local name=$1
  shift
  known+=("${name// /-}")
  asked "$name" || return 0
  echo "==> $name"
  "$@" || failed+=("$name")
}

# Prints the files of the project, without files that tools created.
files() {
  find . \( -path ./.git -o -path ./.venv -o -path ./.ansible -o -path ./.cache -o -name node_modules -o -path './files/*/node' \) \
    -prune -o -type f "$@" -print0
}

mapfile -d '' dockerfiles < <(files -name 'Dockerfile*' ! -name '*.j2')
shell=()
while IFS= read -r -d '' file; do
  IFS= read -r first <"$file" 2>/dev/null || continue
  if [[ $first =~ ^#!.*[/\ ](ba|da)?sh( |$) ]]; then shell+=("$file"); fi
done < <(files ! -name '*.j2')

check 'ruff check' ruff check .
check 'ruff format' ruff format --check .
check mypy mypy
# Low severity would report every use of subprocess; ruff's rules of the same names are more precise.
check bandit bandit --quiet --severity-level medium --recursive collections files --exclude '*/node_modules/*,*/node/*'
check yamllint yamllint --strict .
check hadolint hadolint "${dockerfiles[@]}"
check shellcheck shellcheck -x "${shell[@]}"
check ansible-lint ansible-lint

for name in "${wanted[@]}"; do
  if [[ " ${known[*]} " != *" $name "* ]]; then
    printf 'lint: got the check %s, want one of %s\n' "$name" "${known[*]}" >&2
    exit 2
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint: got findings from %s, want none (fix: see above)\n' "$(printf '%s, ' "${failed[@]}" | sed 's/, $//')" >&2
  exit 1
fi
echo 'lint: no findings'
