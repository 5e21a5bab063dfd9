#!/bin/sh
# Makes .venv with Python 3.13 and the pinned packages, unless it is there and up to date.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/.installed
if [ -f "$stamp" ] && cmp -s requirements-dev.txt "$stamp"; then
    exit 0
fi

# A name on PATH can be a pyenv shim that can't run: each candidate is tried before it counts.
runs() {
    "$1" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
}
find_python() {
    for candidate in $(command -v -a python3.13 python3 python 2>/dev/null || true) \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
        if runs "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    if command -v uv >/dev/null 2>&1; then
        uv python install --quiet 3.13 >/dev/null 2>&1 || true
        candidate=$(uv python find 3.13 2>/dev/null || true)
        if [ -n "$candidate" ] && runs "$candidate"; then
            echo "$candidate"
            return
        fi
    fi
    echo "Python 3.13 was found neither on PATH, nor under pyenv, nor by uv. Install it and run this again." >&2
    exit 1
}

python=$(find_python)
echo "Making .venv with $("$python" --version) ..."
rm -rf .venv
"$python" -m venv .venv
count=$(grep -c '^[a-z].*==' requirements-dev.txt)
echo "Installing $count pinned packages, each checked by its hash (a minute or two the first time) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements-dev.txt 2>&1 | grep -v 'is ignored: it is neither a file nor a directory' || true
.venv/bin/python -c 'import azure.functions, azure_functions_runtime, duckdb_kql, pytest' || {
    echo "The packages did not install; the lines above say why." >&2
    exit 1
}
cp requirements-dev.txt "$stamp"
echo "Ready."
