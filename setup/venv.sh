#!/bin/sh
# Makes .venv with Python 3.13 and the pinned packages, unless it is there and up to date.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/.installed
if [ -f "$stamp" ] && cmp -s requirements-dev.txt "$stamp"; then
    exit 0
fi

python=$(setup/python.sh)
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
