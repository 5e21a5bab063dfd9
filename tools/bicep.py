"""The Bicep compiler, where there is one, and what was compiled with it. `make infra` writes anew.

Committed: the compiled JSON in `infra/compiled/`, and in `tests/data/deployments/` the snapshot of
each parameter file: every resource that it would make, with names, ids and properties resolved.
"""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
INFRA = ROOT / "infra"
COMPILED = INFRA / "compiled"
DEPLOYMENTS = ROOT / "tests" / "data" / "deployments"
SOURCES = tuple(sorted(INFRA.glob("*.bicep")))
# What is deployed by itself; the other files are parts of these.
ENTRIES = ("app", "main", "tenant")
CASES = ("audit", "enforce", "ringed", "removed", "everything", "private", "corp")
BESIDE = ROOT.parent / "shared" / "tools" / "bicep"
NONE = (
    f"no Bicep CLI on PATH, in ~/.azure/bin (`az bicep install` puts it there) or at {BESIDE}: "
    "only the compiled JSON and the snapshots that are committed were looked at"
)
_WHERE = (
    *("--tenant-id", "11111111-1111-1111-1111-111111111111"),
    *("--management-group-id", "contoso-landingzones"),
    *("--location", "westeurope", "--deployment-name", "keysweep"),
)


@cache
def compiler() -> str | None:
    """Return the path of the Bicep CLI: on PATH, where `az bicep install` puts it, or beside us."""
    places = (Path.home() / ".azure" / "bin" / "bicep", BESIDE)
    return shutil.which("bicep") or next((str(place) for place in places if place.exists()), None)


def run(*arguments: str) -> str:
    """Run the CLI and return what it prints. Raises RuntimeError for an error or any warning."""
    path = compiler()
    assert path is not None
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    # It exits with 0 in spite of warnings (run).
    if done.returncode != 0 or done.stderr:
        raise RuntimeError(done.stderr or done.stdout)
    return done.stdout


def compile_entry(name: str) -> str:
    """Return what an entry compiles to, without the compiler's own version and hash."""
    return (
        json.dumps(
            _plain(json.loads(run("build", str(INFRA / f"{name}.bicep"), "--stdout"))), indent=2
        )
        + "\n"
    )


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items() if name != "_generator"}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def snapshot(case: str, mode: str) -> None:
    """Write or validate the snapshot of a parameter file. Raises RuntimeError if it differs."""
    run("snapshot", str(DEPLOYMENTS / f"{case}.bicepparam"), "--mode", mode, *_WHERE)


@cache
def resources(case: str) -> list[dict[str, Any]]:
    """Return every resource that a parameter file would make, from the committed snapshot."""
    loaded = json.loads((DEPLOYMENTS / f"{case}.snapshot.json").read_text())
    found: list[dict[str, Any]] = loaded["predictedResources"]
    return found


@cache
def compiled(name: str) -> dict[str, Any]:
    """Return the committed template of an entry."""
    template: dict[str, Any] = json.loads((COMPILED / f"{name}.json").read_text())
    return template


def write() -> None:
    """Format every source, and write what is compiled from it anew."""
    for source in [*SOURCES, *DEPLOYMENTS.glob("*.bicepparam"), *INFRA.glob("*.bicepparam")]:
        run("format", str(source))
    COMPILED.mkdir(exist_ok=True)
    for name in ENTRIES:
        (COMPILED / f"{name}.json").write_text(compile_entry(name))
    for case in CASES:
        snapshot(case, "overwrite")


if __name__ == "__main__":
    if compiler() is None:
        sys.exit(NONE)
    write()
