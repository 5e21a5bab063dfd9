#!/bin/sh
# Installs Microsoft's KQL language service, pinned, where npm is; says so loudly where it is not.
set -eu
cd "$(dirname "$0")/../tests/kql"
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "WARNING: no node and npm here: KQL IS NOT CHECKED by Microsoft's language service." >&2
    exit 0
fi
if ! cmp -s package-lock.json node_modules/.installed; then
    echo "Installing Microsoft's KQL language service ..."
    npm ci --silent --ignore-scripts --no-audit --no-fund || {
        echo "WARNING: npm could not install it: KQL IS NOT CHECKED by Microsoft's language service." >&2
        exit 0
    }
    cp package-lock.json node_modules/.installed
fi
