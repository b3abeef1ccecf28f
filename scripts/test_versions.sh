#!/bin/sh
# Runs the tests that need no torch on other Pythons than the one that `make test` uses.
# Usage: sh scripts/test_versions.sh 3.10 3.13
# A version that this machine lacks is named, and is no failure.
set -eu

# The program of one version: on the PATH, or among pyenv's.
find_python() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
        "$candidate" --version >/dev/null 2>&1 && { echo "$candidate"; return; }
    done
}

# by what they import, the benches that need torch included
need_torch='torch|numpy|lab_module|labs|safetensors|costs|honest_edits'
lab_tests=$(grep -lE "^(import|from) ($need_torch)|import torch" \
    tests/unit/*.py tests/contract/*.py || true)
ignored=$(printf -- '--ignore=%s ' $lab_tests)
failed=
for version in "$@"; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "== no Python $version on this machine: not tested"
        continue
    fi
    folder=.venv-$version
    echo "== Python $version"
    [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
    "$folder/bin/python" -m pip --disable-pip-version-check -q install -c requirements.txt \
        -e '.[hub,postgres,researcher,mcp]' \
        feedparser hypothesis playwright pytest pytest-timeout schemathesis
    "$folder/bin/python" -m pytest -q -p no:cacheprovider tests/unit tests/contract $ignored ||
        failed="$failed $version"
done
[ -z "$failed" ] || { echo "tests failed on Python$failed" >&2; exit 1; }
