#!/bin/sh
# Runs Python 3.13 with the arguments given; with none, prints where it is.
set -eu

# A name on PATH can be a pyenv shim that can't run: each candidate is tried before it counts.
runs() {
    "$1" -c 'import sys, pip; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1
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
if [ $# -eq 0 ]; then
    echo "$python"
else
    exec "$python" "$@"
fi
