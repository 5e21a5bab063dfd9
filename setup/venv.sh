#!/bin/sh
# Makes a virtual environment with the packages that a file of setup/requirements/ pins, each checked
# by its hash, unless it is there and up to date.
# Usage: setup/venv.sh FOLDER NAME-OF-THE-FILE
set -eu
cd "$(dirname "$0")/.."
folder=$1 pins=setup/requirements/$2.txt
if cmp -s "$pins" "$folder/.installed"; then
    exit 0
fi

count=$(grep -c '^[a-z].*==' "$pins")
echo "Making $folder: $count pinned packages, each checked by its hash ..."
setup/uv.sh venv --quiet --clear --python "$(setup/python.sh)" "$folder"
setup/uv.sh pip sync --quiet --require-hashes --compile-bytecode --python "$folder/bin/python" "$pins"
cp "$pins" "$folder/.installed"
