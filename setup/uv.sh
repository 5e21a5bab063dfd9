#!/bin/sh
# Runs uv, the version and the hashes of setup/requirements/uv.txt. pip brings it into .uv, for us alone.
set -eu
cd "$(dirname "$0")/.."
pins=setup/requirements/uv.txt

if ! cmp -s "$pins" .uv/.installed; then
    echo "Installing uv, which installs the rest ..." >&2
    rm -rf .uv
    setup/python.sh -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --require-hashes --only-binary :all: --target .uv -r "$pins" >&2
    cp "$pins" .uv/.installed
fi

# uv doesn't read pip's settings: it asks the same index as pip, and trusts the same certificates.
index=${PIP_INDEX_URL:-$(setup/python.sh -m pip config get global.index-url 2>/dev/null || true)}
if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
    export UV_DEFAULT_INDEX="$index"
fi
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
exec .uv/bin/uv "$@"
