"""Whatever a person types, and whatever happens meanwhile: the laws of `soak.line.laws` hold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from soak.hunt import Tally, judge_some
from soak.line import examples
from soak.line.hunt import check, run
from soak.line.laws import LAWS, Change, InForce, Look, Put, Ran, Record, judge
from soak.line.program import Command, programs
from soak.planted import BREAKS, Bug

# The same programs each time. `make soak` draws others, and makes what it finds small.
PARTS = 4
PROGRAMS = 3


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_typed_the_laws_hold(part: int) -> None:
    judge_some(programs(), part, PROGRAMS, lambda program: check(program, Tally()))


@pytest.mark.parametrize("bug", examples.PLANTED)
def test_a_planted_bug_breaks_its_law_and_without_it_none_is_broken(bug: Bug) -> None:
    program = examples.PLANTED[bug]

    assert BREAKS[bug].law in {broken.law for broken in judge(run(program, bug))}
    assert judge(run(program)) == []


# The judge is judged: each law that no planted bug breaks can be broken.

ACCOUNT = "/subscriptions/s/resourcegroups/g/providers/microsoft.cognitiveservices/accounts/bot"
NAMESAKE = ACCOUNT.replace("/g/", "/h/")
TODAY = date(2026, 11, 24)
IN_FORCE = InForce(
    subscriptions=frozenset({"s"}),
    kinds=frozenset({"openai"}),
    tag="local-auth-exempt",
    inherit=False,
    audits=False,
    most_changes=25,
)
ON = Look(ACCOUNT, "OpenAI", keys_on=True, tags={}, above=())
OFF = replace(ON, keys_on=False)


def blameless() -> Record:
    """Return a sweep that takes one account, and an undo of it that shows its plan alone."""
    flag = {"properties": {"disableLocalAuth": True}}
    put = Put(1, 9, ACCOUNT, 0, flag, read=ON, read_at=8, before=ON, turned=True)
    arguments = ("sweep", "--yes")
    swept = Ran(0, Command("sweep"), arguments, IN_FORCE, frozenset(), TODAY, code=0, end=[OFF])
    swept.record = [Change(ACCOUNT, "DISABLED")]
    shows = Command("undo", flags=("--dry-run",))
    undone = Ran(1, shows, ("undo",), IN_FORCE, frozenset(), TODAY, code=1, sweep=0, end=[OFF])
    return Record(commands=[swept, undone], puts=[put])


def test_a_blameless_record_breaks_no_law() -> None:
    assert judge(blameless()) == []


def one_of_several(record: Record) -> None:
    record.commands[0].command = Command("sweep", (0,), by="name")
    record.commands[0].matches = frozenset({ACCOUNT, NAMESAKE})
    record.commands[0].end = [OFF, replace(OFF, account=NAMESAKE)]


def keys_on_by_a_sweep(record: Record) -> None:
    body = {"properties": {"disableLocalAuth": False}}
    record.puts[0] = replace(record.puts[0], body=body)


def more_than_the_flag(record: Record) -> None:
    record.puts[0] = replace(record.puts[0], body={**record.puts[0].body, "tags": {}})


def nobody_said_yes(record: Record) -> None:
    record.commands[0].command = Command("sweep", flags=())


def exempt_when_read(record: Record) -> None:
    exempt = replace(ON, tags={IN_FORCE.tag: "true"})
    record.puts[0] = replace(record.puts[0], read=exempt, before=exempt)


def never_read(record: Record) -> None:
    record.puts[0] = replace(record.puts[0], read=None)


def left_without_a_reason(record: Record) -> None:
    record.commands[1].command = Command("undo")


BREACHES: list[tuple[str, Callable[[Record], None]]] = [
    ("namesakes", one_of_several),
    ("its own", keys_on_by_a_sweep),
    ("its own", more_than_the_flag),
    ("agreed", nobody_said_yes),
    ("protected", exempt_when_read),
    ("protected", never_read),
    ("given back", left_without_a_reason),
]


@pytest.mark.parametrize(("law", "how"), BREACHES)
def test_each_other_law_can_be_broken(law: str, how: Callable[[Record], None]) -> None:
    record = blameless()
    how(record)

    assert law in {broken.law for broken in judge(record)}


def test_every_law_is_broken_above_by_something() -> None:
    planted = {BREAKS[bug].law for bug in examples.PLANTED}

    assert planted | {law for law, _ in BREACHES} == set(LAWS)
