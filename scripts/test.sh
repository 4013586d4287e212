#!/usr/bin/env bash
# Run every check, in two lines side by side: most checks keep one processor busy, or wait. What measures requests runs
# alone, at the end. The output of the second line is shown when the first has ended.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
second=''

finish() {
  if [ -n "$second" ]; then kill -- "-$second" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap finish EXIT

# Waits until this machine's Docker has what the tests need.
await_setup() {
  while [ ! -e "$scratch/setup" ]; do sleep 1; done
  [ "$(<"$scratch/setup")" = ready ]
}

second_line() {
  make lint sanity unit node
  if await_setup; then make hold browser console containers; fi
}

echo '==> lint, sanity, unit, node, hold, browser, console and containers run beside test-setup and molecule; their output follows'
# With job control it is a process group of its own, which ends as a whole when this run is interrupted.
set -m
second_line >"$scratch/output" 2>&1 &
second=$!
set +m

failed=''
if make test-setup; then
  echo ready >"$scratch/setup"
  make molecule || failed=molecule
else
  echo failed >"$scratch/setup"
  failed=test-setup
fi

result=0
wait "$second" || result=$?
second=''
cat "$scratch/output"
if [ "$result" -ne 0 ]; then failed="${failed:+$failed; }lint, sanity, unit, node, hold, browser, console or containers"; fi
if [ -n "$failed" ]; then
  printf 'test: got a failure of %s, want none (fix: see above)\n' "$failed" >&2
  exit 1
fi

# The integration tests come last and alone: they measure what becomes of requests, and their summary closes the output.
make integration
