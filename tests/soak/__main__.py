"""`python -m tests.soak`: tenant and sweeps together, for as long as you like.

With `--planted` each of the five planted bugs is hunted instead, and what finds it is printed.
"""

import os

from tests.local_azure import trust

if __name__ == "__main__":
    # aiohttp reads its certificates when it is imported.
    os.environ.update(trust.environ())

import argparse
import pprint
import sys
import time

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.keysweep import insights
from tests.soak.hunt import Hunt, LawBrokenError, Tally
from tests.soak.planted import BREAKS, Bug


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (for each bug)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="where to begin")
    parser.add_argument("--planted", action="store_true", help="hunt the planted bugs")
    parser.add_argument("--in-process", action="store_true", help="no child processes: faster")
    parser.add_argument("--once", action="store_true", help="stop at the first finding")
    return parser.parse_args()


def _main(arguments: argparse.Namespace) -> int:
    console = Console()
    insights()
    console.print(f"Soaking from seed {arguments.seed}, {arguments.minutes:g} minutes.")
    if arguments.planted:
        return _hunt_planted(console, arguments)
    until = time.monotonic() + 60 * arguments.minutes
    tally, findings, number = Tally(), 0, arguments.seed
    with _progress(console) as progress:
        while time.monotonic() < until and not (arguments.once and findings):
            hunt = _hunt(progress, tally, until, None, kill=not arguments.in_process)
            found = hunt.hunt(number)
            # Far from the seeds that this hunt used.
            number += 100_000
            if found is not None:
                findings += 1
                _print_finding(console, found)
    console.print(f"{_counted(tally)}, {findings} findings.")
    return 1 if findings else 0


def _hunt_planted(console: Console, arguments: argparse.Namespace) -> int:
    """Return 0 if every bug was found by the law that it breaks."""
    missed = 0
    for bug in Bug:
        tally = Tally()
        until = time.monotonic() + 60 * arguments.minutes
        with _progress(console) as progress:
            found = _hunt(progress, tally, until, bug, kill=False).hunt(arguments.seed)
        if found is None or BREAKS[bug] not in {each.law for each in found.broken}:
            missed += 1
            console.print(f"[red]NOT FOUND[/]: {bug}. {_counted(tally)}.")
        else:
            console.print(f"[green]found[/]: {bug}. {_counted(tally)}, shrinking included.")
        if found is not None:
            _print_finding(console, found)
    return 1 if missed else 0


def _hunt(progress: Progress, tally: Tally, until: float, bug: Bug | None, *, kill: bool) -> Hunt:
    task = progress.add_task(str(bug or "soaking"), total=None)

    def show(what: str) -> None:
        progress.update(task, description=f"{bug or 'soaking'}: {_counted(tally)} ({what})")

    return Hunt(until, tally, bug, kill, progress=show)


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _print_finding(console: Console, found: LawBrokenError) -> None:
    for each in found.broken:
        console.print(f"  {each.law}: {each.how}", markup=False, highlight=False)
    console.print(pprint.pformat(found.program, width=100), markup=False, highlight=False)


def _counted(tally: Tally) -> str:
    return (
        f"{tally.programs} programs, {tally.sweeps} sweeps ({tally.cut} cut short), "
        f"{tally.writes} writes, {tally.faults} faults"
    )


if __name__ == "__main__":
    sys.exit(_main(_arguments()))
