"""The odd answers as a machine that the soak's hunt can drive."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial

from soak import planted
from soak.driver import quiet
from soak.hunt import LawBrokenError, Machine, Tally, as_by_default, without
from soak.odd.example import Example, Focus, Options, Subscription, examples
from soak.odd.laws import judge
from soak.odd.world import Happened, happen


def run(example: Example, bug: planted.Bug | None = None) -> Happened:
    """Run an example, with a bug planted or without, and return what was recorded."""
    with quiet(), planted.plant(bug):
        return asyncio.run(happen(example))


def check(example: Example, tally: Tally, bug: planted.Bug | None = None) -> None:
    """Run an example and judge it. Raises LawBrokenError."""
    happened = run(example, bug)
    tally.add(happened.record)
    broken = judge(happened)
    if broken:
        raise LawBrokenError(example, broken)


def odd(focus: Focus | None = None) -> Machine[Example]:
    """Return the machine, which bends answers as the focus says; None: anywhere, in any way."""
    return Machine(examples(focus), check, _smaller)


def _smaller(example: Example) -> Iterator[Callable[[Example], Example]]:
    """Leave out bends, subscriptions and accounts; set back what was set."""
    for index in reversed(range(len(example.bends))):
        yield partial(without, field="bends", index=index)
    for number in reversed(range(len(example.subscriptions))):
        yield partial(without, field="subscriptions", index=number)
        for index in reversed(range(len(example.subscriptions[number].accounts))):
            yield partial(_without_account, number=number, index=index)
    for option in fields(Options):
        yield partial(as_by_default, options="options", option=option.name)


def _without_account(example: Example, *, number: int, index: int) -> Example:
    drawn = list(example.subscriptions)
    if number < len(drawn) and index < len(drawn[number].accounts):
        smaller: Subscription = without(drawn[number], field="accounts", index=index)
        drawn[number] = smaller
    return replace(example, subscriptions=tuple(drawn))
