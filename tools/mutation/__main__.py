"""`python -m tools.mutation`: try every mutant of the core on the fast tests.

Fails if fewer than 90 % of those that are not equivalent are killed, if one survives that
tools/mutation/survivors.toml doesn't list with its reason, or if one that it lists survives no
more.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tools.mutation import survivors
from tools.mutation.anew import tried_anew
from tools.mutation.baseline import baseline
from tools.mutation.coverage import Coverage
from tools.mutation.mutants import Mutant, Name, mutants
from tools.mutation.session import ROOT
from tools.mutation.survivors import Comparison
from tools.mutation.swapped import tried_swapped
from tools.mutation.trial import Fate, TrialError

LEAST_KILLED = 0.9
_EVERY = 100
# Of kinds what is no list of names, of pacing all but the policy.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "shared/core/kinds.py": ("read_kind",),
    "shared/border/pacing.py": ("Pace",),
}
FILES: Mapping[str, tuple[str, ...]] = {
    file: _PARTS.get(file, ())
    for file in (
        *sorted(
            str(path.relative_to(ROOT))
            for layer in ("core", "steps")
            for path in (ROOT / "shared" / layer).glob("*.py")
            if path.name not in {"__init__.py", "ports.py"}
        ),
        "shared/border/lanes.py",
        "shared/border/pacing.py",
    )
}
"""The core, the steps, and how lanes are paced; with the parts that are mutated, if not all."""
TESTS = ("tests/unit",)
"""The fast tests."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument(
        "files", nargs="*", help="modules, such as shared/core/report.py; all if none"
    )
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="trials at once")
    parser.add_argument(
        "--entries", action="store_true", help="print entries for survivors that are not listed"
    )
    return parser.parse_args()


def _main(console: Console, arguments: argparse.Namespace) -> int:
    files: Sequence[str] = arguments.files or tuple(FILES)
    every = [
        mutant
        for file in files
        for mutant in mutants(file, (ROOT / file).read_text(), FILES.get(file, ()))
    ]
    try:
        with console.status("The tests while nothing is mutated"):
            coverage = baseline(files, TESTS)
        fates = _tried(console, every, coverage, arguments.at_once)
    except TrialError as error:
        console.print(str(error), markup=False, highlight=False)
        return 2
    known = [entry for entry in survivors.read(survivors.FILE.read_text()) if entry.file in files]
    survived = [mutant for mutant in every if fates[mutant.name] is Fate.SURVIVED]
    compared = Comparison.of(survived, known)
    killed = len(every) - len(survived)
    share = killed / (len(every) - len(compared.equivalent))
    console.print(_by_file(files, every, fates, compared))
    _print_survivors(console, compared, entries=arguments.entries)
    console.print(
        f"{share:.1%} of {len(every) - len(compared.equivalent)} mutants that are not equivalent "
        f"were killed; {LEAST_KILLED:.0%} have to be.",
    )
    return 1 if share < LEAST_KILLED or compared.unknown or compared.no_more else 0


def _tried(
    console: Console, every: Sequence[Mutant], coverage: Coverage, at_once: int
) -> dict[Name, Fate]:
    fates: dict[Name, Fate] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # Without a thread that draws: a process with threads can't be forked safely.
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, auto_refresh=False
    ) as progress:
        task = progress.add_task("Mutants", total=len(every))
        for mutant, fate in _trials(every, coverage, at_once):
            fates[mutant.name] = fate
            survived = sum(fate is Fate.SURVIVED for fate in fates.values())
            progress.update(task, advance=1, description=f"Mutants ({survived} survived)")
            if console.is_terminal:
                progress.refresh()
            elif len(fates) % _EVERY == 0:
                console.print(f"{len(fates)} of {len(every)} tried, {survived} survived")
    return fates


def _trials(
    every: Sequence[Mutant], coverage: Coverage, at_once: int
) -> Iterator[tuple[Mutant, Fate]]:
    """Try each mutant in the quickest way that there is for it."""
    quick, slow = list[Mutant](), list[Mutant]()
    for mutant in every:
        if not coverage.tests_of(mutant):
            yield mutant, Fate.SURVIVED
        else:
            (slow if coverage.is_run_at_import(mutant) else quick).append(mutant)
    for mutant, fate in tried_swapped(quick, coverage, at_once):
        if fate is Fate.UNDECIDED:
            slow.append(mutant)
        else:
            yield mutant, fate
    yield from tried_anew(slow, coverage, at_once)


def _by_file(
    files: Sequence[str], every: Sequence[Mutant], fates: Mapping[Name, Fate], compared: Comparison
) -> Table:
    table = Table("module", title="Mutants")
    for heading in ("mutants", "killed", "timed out", "equivalent", "accepted", "not listed", "%"):
        table.add_column(heading, justify="right")
    for file in (*files, None):
        counts = [
            sum(file in {None, mutant.file} for mutant in group)
            for group in (
                every,
                [mutant for mutant in every if fates[mutant.name] is Fate.KILLED],
                [mutant for mutant in every if fates[mutant.name] is Fate.TIMED_OUT],
                compared.equivalent,
                compared.accepted,
                compared.unknown,
            )
        ]
        count, killed, timed_out, equivalent, *_ = counts
        share = (killed + timed_out) / max(count - equivalent, 1)
        table.add_row(file or "all", *map(str, counts), f"{share:.1%}", end_section=file is None)
    return table


def _print_survivors(console: Console, compared: Comparison, *, entries: bool) -> None:
    listed = {
        "equivalent": compared.equivalent,
        "accepted": compared.accepted,
        "not listed": compared.unknown,
    }
    if any(listed.values()):
        table = Table("where", "change", "", title="Survivors")
        for kind, found in listed.items():
            for mutant in found:
                where = f"{mutant.file}:{mutant.line}"
                table.add_row(where, Text(f"{mutant.text}\n{mutant.change}"), kind)
        console.print(table)
    for mutant in compared.unknown if entries else ():
        console.print(survivors.entry_for(mutant), markup=False, highlight=False, soft_wrap=True)
    for entry in compared.no_more:
        text = f"survives no more, or is none any more; take its entry away: {entry.name}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(_main(Console(width=None if sys.stdout.isatty() else 160), _arguments()))
