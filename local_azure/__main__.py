"""`python -m local_azure`: the local Azure on its own, for any Azure client to talk to.

It prints the environment to export. `--behaviours` and `--unmodelled` print what it knows and
what it doesn't.
"""

import argparse
import json
import shlex
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from local_azure import LocalAzure, RunningClock, graph, scenarios, sources
from local_azure.scenarios import Scenario
from local_azure.services import Settings
from local_azure.state.tenant import Tenant

_MEANINGS = {
    "recorded": "Recorded: seen in real answers",
    "documented": "Documented: Microsoft says so",
    "inferred": "Inferred: follows from those, nobody showed it",
    "unverified": "Unverified: from memory or a guess",
}


# A checkout's `.venv` has what `keysweep` needs, and not the command itself.
_COMMAND = (
    f"keysweep() {{ PYTHONPATH={shlex.quote(str(Path(__file__).parents[1]))} "
    f'{shlex.quote(sys.executable)} -P -m keysweep "$@"; }}'
)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted, or print a list."""
    parser = argparse.ArgumentParser(prog="python -m local_azure", description=__doc__)
    parser.add_argument(
        "--scenario",
        choices=("demo", "four-accounts", "empty", "large"),
        default="demo",
        help="the tenant to serve (demo)",
    )
    parser.add_argument(
        "--person",
        action="store_true",
        help="print the environment of a person with a terminal, for `keysweep`",
    )
    parser.add_argument(
        "--environ",
        type=Path,
        metavar="FILE",
        help="write the environment into a file to be sourced, and don't print it; the file also "
        "has this checkout's `keysweep` as a command",
    )
    parser.add_argument("--behaviours", action="store_true", help="print what is modelled")
    parser.add_argument("--unmodelled", action="store_true", help="print what is not")
    parser.add_argument(
        "--capture", type=Path, metavar="FILE", help="at the end, keep the telemetry that came"
    )
    options = parser.parse_args(arguments)
    if options.behaviours or options.unmodelled:
        if options.behaviours:
            _print_behaviours()
        if options.unmodelled:
            _say("Not modelled", *(f"  {line}" for line in sources.UNMODELLED))
        return 0
    _serve(options.scenario, options.capture, options.environ, person=options.person)
    return 0


def _print_behaviours() -> None:
    # The others are registered by what plays them, all of which the server imports.
    known = {*sources.BEHAVIOURS, *graph.BEHAVIOURS}
    for mark, meaning in _MEANINGS.items():
        found = sorted((item for item in known if item.mark == mark), key=lambda item: item.name)
        _say(f"{meaning} ({len(found)})")
        for item in found:
            _say(f"  {item.name}", f"      {item.source}")
        _say("")


def _serve(name: str, capture: Path | None, file: Path | None, *, person: bool) -> None:
    clock = RunningClock()
    settings = Settings(reachable_endpoints=True)
    with LocalAzure(_scenario(name, clock), clock, settings=settings) as azure:
        environ = azure.operator_environ if person else azure.environ
        if file is None:
            _say(*_exports(environ))
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sourced(environ))
        sys.stderr.write(f"The local Azure serves {name!r}. Ctrl-C stops it.\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stderr.write(f"\n{len(azure.operations)} requests, {len(azure.writes)} writes.\n")
        if capture is not None:
            capture.write_text(json.dumps(azure.telemetry.envelopes))


def sourced(environ: Mapping[str, str]) -> str:
    """Return what a shell sources to type `keysweep` in this environment."""
    return "\n".join([*_exports(environ), _COMMAND, ""])


def _exports(environ: Mapping[str, str]) -> list[str]:
    return [f"export {key}={shlex.quote(value)}" for key, value in environ.items()]


def _scenario(name: str, clock: RunningClock) -> Scenario | Tenant:
    match name:
        case "four-accounts":
            return scenarios.four_accounts()
        case "empty":
            return scenarios.empty()
        case "large":
            return scenarios.large()
        case _:
            return scenarios.demo(clock.now().date())


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
