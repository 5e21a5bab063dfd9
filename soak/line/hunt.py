"""The command line as a machine that the soak's hunt can drive."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial

from soak import planted
from soak.driver import quiet
from soak.hunt import LawBrokenError, Machine, Tally, as_by_default, without
from soak.line.laws import Record, judge
from soak.line.program import AppSettings, Command, Program, programs
from soak.line.world import happen


def run(program: Program, bug: planted.Bug | None = None) -> Record:
    """Run a program, with a bug planted or without, and return what was recorded."""
    with quiet(), planted.plant(bug):
        return happen(program)


def check(program: Program, tally: Tally, bug: planted.Bug | None = None) -> None:
    """Run a program and judge it. Raises LawBrokenError."""
    record = run(program, bug)
    tally.programs += 1
    tally.sweeps += len(record.commands) + record.timers
    tally.cut += sum(ran.interrupted for ran in record.commands)
    tally.writes += len(record.puts)
    tally.faults += record.faults
    broken = judge(record)
    if broken:
        raise LawBrokenError(program, broken)


def line(first: Program | None = None) -> Machine[Program]:
    """Return the machine; what it draws comes after `first`, if there is one."""
    drawn = programs() if first is None else programs().map(partial(_after, first))
    return Machine(drawn, check, _smaller)


def _after(first: Program, drawn: Program) -> Program:
    there = {(account.where, account.called) for account in first.accounts}
    others = [account for account in drawn.accounts if (account.where, account.called) not in there]
    return replace(first, accounts=(*first.accounts, *others), steps=(*first.steps, *drawn.steps))


def _smaller(program: Program) -> Iterator[Callable[[Program], Program]]:
    """Leave out steps and accounts; set back what was set."""
    for index in reversed(range(len(program.steps))):
        yield partial(without, field="steps", index=index)
    for number, step in reversed(list(enumerate(program.steps))):
        if isinstance(step, Command):
            for index in reversed(range(len(step.meanwhile))):
                yield partial(_calmer, number=number, index=index)
            for name in (field.name for field in fields(Command) if field.name != "verb"):
                if name not in ("named", "flags"):
                    yield partial(_plainer, number=number, name=name)
    for option in fields(AppSettings):
        yield partial(as_by_default, options="app_settings", option=option.name)


def _calmer(program: Program, *, number: int, index: int) -> Program:
    return _stepwise(program, number, lambda step: without(step, field="meanwhile", index=index))


def _plainer(program: Program, *, number: int, name: str) -> Program:
    default = getattr(Command("sweep"), name)
    return _stepwise(program, number, lambda step: replace(step, **{name: default}))


def _stepwise(program: Program, number: int, change: Callable[[Command], Command]) -> Program:
    steps = list(program.steps)
    if number < len(steps) and isinstance(step := steps[number], Command):
        steps[number] = change(step)
    return replace(program, steps=tuple(steps))
