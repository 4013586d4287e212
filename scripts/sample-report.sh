#!/usr/bin/env bash
# Create docs/sample-report again: run prove.yml, keep the report without its raw measurements, take a screenshot.
# usage: scripts/sample-report.sh [FOLDER of an existing report]
set -euo pipefail
cd "$(dirname "$0")/.."

target=docs/sample-report
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo 'browser: got no chromium, want one (fix: apt-get install chromium)' >&2
  exit 1
}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

if [ $# -gt 0 ]; then
  report=$1
else
  scripts/play.sh playbooks/prove.yml -e "evidence_folder=$temporary/evidence"
  report=$(find "$temporary/evidence" -mindepth 1 -maxdepth 1 -type d)
fi

mkdir -p "$target"
cp "$report"/report.html "$report"/report.md "$report"/results.json "$target"/
"$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
  --hide-scrollbars --user-data-dir="$temporary/profile" --window-size=1280,1460 \
  --screenshot="$PWD/$target/report.png" "file://$PWD/$target/report.html" 2>/dev/null
ls -l "$target"
