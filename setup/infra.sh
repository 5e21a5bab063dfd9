#!/bin/sh
# Makes .venv-infra with checkov, pinned by hash, unless it is there and up to date.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv-infra/.installed
if [ -f "$stamp" ] && cmp -s requirements-infra.txt "$stamp"; then
    exit 0
fi

rm -rf .venv-infra
"$(setup/python.sh)" -m venv .venv-infra
echo "Installing checkov, each package checked by its hash (a minute or two the first time) ..."
.venv-infra/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements-infra.txt 2>&1 | grep -v 'is ignored: it is neither a file nor a directory' || true
.venv-infra/bin/python -c 'import checkov' || {
    echo "checkov did not install; the lines above say why." >&2
    exit 1
}
cp requirements-infra.txt "$stamp"
