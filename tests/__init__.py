"""Tests, by kind: unit, azure (end to end), cli, dashboard, infra, docs, and of our own tools."""

import os
import sys

# Keep what is compiled, even where it is said otherwise: tests and the programs that they start
# would each compile Azure's SDKs anew, which took half of the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
