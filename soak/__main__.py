"""`python -m soak`: tenant and sweeps together, for as long as you like.

With `--odd` one sweep at a time meets odd answers instead (`soak.odd`), so many of them; with
`--line` a person types commands while others change the tenant (`soak.line`). With `--planted`
each of the planted bugs is hunted, and a table says by what it was found, and how soon.
"""

import os

from local_azure import trust

if __name__ == "__main__":
    # aiohttp reads its certificates when it is imported.
    os.environ.update(trust.environ())

import argparse
import pprint
import sys
import time
from collections.abc import Callable
from typing import Any, assert_never

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from soak.hunt import Hunt, LawBrokenError, Machine, Tally, soak
from soak.line import examples
from soak.line.hunt import line
from soak.odd.hunt import odd
from soak.planted import BREAKS, UNSEEN, Bug, Hunted
from tests.support.real_sweeps import insights


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (for each bug)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="where to begin")
    parser.add_argument("--planted", action="store_true", help="hunt the planted bugs")
    parser.add_argument("--in-process", action="store_true", help="no child processes: faster")
    parser.add_argument("--odd", action="store_true", help="odd answers in place of the soak")
    parser.add_argument("--line", action="store_true", help="a person's commands in their place")
    parser.add_argument("--sweeps", type=int, help="stop after so many, if time is left")
    parser.add_argument("--once", action="store_true", help="stop at the first finding")
    return parser.parse_args()


def _main(arguments: argparse.Namespace) -> int:
    console = Console()
    insights()
    console.print(f"Soaking from seed {arguments.seed}, {arguments.minutes:g} minutes.")
    if arguments.planted:
        return _hunt_planted(console, arguments)
    machine, what = _chosen(arguments)
    until = time.monotonic() + 60 * arguments.minutes
    tally, findings, number = Tally(), 0, arguments.seed
    with _progress(console) as progress:
        hunt = Hunt(machine, until, tally, most_sweeps=arguments.sweeps)
        hunt.progress = _shown(progress, tally, what)
        while not (hunt.is_over or (arguments.once and findings)):
            found = hunt.hunt(number)
            # Far from the seeds that this hunt used.
            number += 100_000
            if found is not None:
                findings += 1
                _print_finding(console, found)
    console.print(f"{_counted(tally)}, {findings} findings.")
    return 1 if findings else 0


def _chosen(arguments: argparse.Namespace) -> tuple[Machine[Any], str]:
    """Return the machine that the arguments ask for, and what it is called."""
    if arguments.odd:
        return odd(), "odd answers"
    if arguments.line:
        return line(), "the command line"
    return soak(kill=not arguments.in_process), "soaking"


def _hunt_planted(console: Console, arguments: argparse.Namespace) -> int:
    """Return 0 if every bug was found by the law that it breaks."""
    table = Table("Planted", "Hunted by", "Law", "Found after", title="Planted bugs")
    missed = 0
    for bug, hunted in BREAKS.items():
        tally = Tally()
        until = time.monotonic() + 60 * arguments.minutes
        machine = _machine(bug, hunted)
        with _progress(console) as progress:
            hunt = Hunt(machine, until, tally, bug, hunted.law)
            # It is only to be found: `examples` keep one that was made small.
            hunt.shrink_seconds = 0.0
            hunt.progress = _shown(progress, tally, bug)
            found = hunt.hunt(arguments.seed)
        missed += found is None
        after = f"{hunt.found_after} sweeps" if found else f"not found in {tally.sweeps} sweeps"
        console.print(f"{bug}: {after}")
        table.add_row(bug, hunted.by, hunted.law, after)
    console.print(table)
    unseen = Table("Not planted", "Why", title="What no machine can see", show_lines=True)
    for finding, reason in UNSEEN.items():
        unseen.add_row(finding, reason)
    console.print(unseen)
    return 1 if missed else 0


def _machine(bug: Bug, hunted: Hunted) -> Machine[Any]:
    """Return what has to find a planted bug, steered to what the bug hangs on."""
    match hunted.by:
        case "soak":
            return soak(kill=False, first=hunted.first)
        case "odd":
            return odd(hunted.focus)
        case "line":
            return line(examples.PLANTED[bug])
        case _:
            assert_never(hunted.by)


def _shown(progress: Progress, tally: Tally, what: str) -> Callable[[str], None]:
    task = progress.add_task(what, total=None)

    def show(now: str) -> None:
        progress.update(task, description=f"{what}: {_counted(tally)} ({now})")

    return show


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _print_finding(console: Console, found: LawBrokenError[Any]) -> None:
    for breach in found.broken:
        console.print(f"  {breach.law}: {breach.how}", markup=False, highlight=False)
    console.print(pprint.pformat(found.drawn, width=100), markup=False, highlight=False)


def _counted(tally: Tally) -> str:
    return (
        f"{tally.programs} programs, {tally.sweeps} sweeps ({tally.cut} cut short), "
        f"{tally.writes} writes, {tally.faults} faults"
    )


if __name__ == "__main__":
    sys.exit(_main(_arguments()))
