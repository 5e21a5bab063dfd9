#!/bin/sh
# Installs what a folder of tools needs from npm, pinned by its package-lock.json, unless it is there
# and up to date; then runs the command given, if any, at the root. Where that can't be, says loudly
# what is not checked, and goes on.
# Usage: setup/npm.sh FOLDER WHAT-IT-CHECKS BY-WHAT [COMMAND ARGUMENT...]
set -eu
folder=$1 checked=$2 by=$3
shift 3
cd "$(dirname "$0")/.."
if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "WARNING: no node and npm here: $checked NOT CHECKED by $by." >&2
    exit 0
fi
if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed"; then
    echo "Installing $by ..."
    npm ci --prefix "$folder" --silent --ignore-scripts --no-audit --no-fund || {
        echo "WARNING: npm could not install it: $checked NOT CHECKED by $by." >&2
        exit 0
    }
    cp "$folder/package-lock.json" "$folder/node_modules/.installed"
fi
if [ $# -gt 0 ]; then
    command=$1
    shift
    exec "$folder/node_modules/.bin/$command" "$@"
fi
