#!/usr/bin/env bash
# Run the ecosystem's own checks on the collection: ansible-test sanity and antsibull-docs lint-collection-docs.
# usage: scripts/sanity.sh [arguments of ansible-test sanity, for example --test pylint]
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

lock=requirements-sanity.txt
# Both tools write below their home, which is not the user's. The path must be absolute.
home=$PWD/.cache/ansible-test
wheels=$home/wheels

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

# What the cache was made for. Wheels fit one Python, and environments hold the path of their own folder.
fingerprint() {
  printf '%s %s %s\n' "$(sha256sum <"$lock" | cut -d' ' -f1)" "$(python -c 'import sys; print(sys.version_info[:3])')" "$home"
}

# ansible-test hides the user's settings from pip, and checks no hashes. So what it installs is fetched here, with both,
# and its own pip sees nothing but these files.
prepare() {
  if [ "$(cat "$home/stamp" 2>/dev/null)" = "$(fingerprint)" ]; then return; fi
  rm -rf "$home"
  mkdir -p "$home/.ansible/test/cache" "$home/.config/pip" "$wheels"
  echo "==> Fetching $lock into ${wheels#"$PWD"/}"
  python -m pip --disable-pip-version-check --no-input -qq download --dest "$wheels" \
    --only-binary :all: --require-hashes -r "$lock" ||
    fail "$lock: got an error from pip (above), want all packages fetched (fix: check that this machine reaches its Python package index; see pip's own configuration for proxies and mirrors)"
  # As a URL, because pip splits the setting at spaces.
  printf '[global]\nno-index = true\nfind-links = %s\n' \
    "$(python -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).as_uri())' "$wheels")" >"$home/.config/pip/pip.conf"
  bootstrap
  fingerprint >"$home/stamp"
}

# ansible-test would download a script that puts pip into its environments. Python's own copy of pip does as well.
bootstrap() {
  local version
  version=$(python -c 'import types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version=""))["pip"].replace(".", "_"))')
  printf 'import ensurepip\nensurepip.bootstrap()\n' >"$home/.ansible/test/cache/get_pip_$version.py"
}

prepare

# A copy outside of any repository: ansible-test looks at what Git knows, and writes its results beside the sources.
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
collection=$temporary/ansible_collections/evenkeel/cluster
mkdir -p "${collection%/*}"
cp -R collections/ansible_collections/evenkeel/cluster "$collection"
find "$collection" -name __pycache__ -prune -exec rm -rf {} +

failed=()
python=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
echo "==> ansible-test sanity on Python $python"
(cd "$collection" && HOME=$home ansible-test sanity --python "$python" --color no "$@") || failed+=('ansible-test sanity')
echo '==> antsibull-docs lint-collection-docs'
HOME=$home antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs dependent \
  --disallow-unknown-collection-refs "$collection" || failed+=('antsibull-docs')

if [ ${#failed[@]} -gt 0 ]; then
  fail "sanity: got findings from $(printf '%s, ' "${failed[@]}" | sed 's/, $//'), want none (fix: see above)"
fi
echo 'sanity: no findings'
