"""Whatever happens to a tenant, to Azure and to sweeps: the laws of `soak.laws` hold."""

import asyncio
import itertools
from datetime import date
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.core.decision import Rules, Scope, decide
from shared.core.model import Account, AccountId, Level, TagsAbove, Verdict
from soak import examples
from soak.driver import quiet
from soak.hunt import Tally, check, judge_some, run
from soak.laws import TAG, Say, judge, levels_say
from soak.program import (
    Actor,
    Admit,
    Born,
    Cut,
    Fault,
    Finish,
    Program,
    Start,
    Team,
    Wait,
    programs,
)
from soak.world import happen

# Sixty sweeps in all, of which some run in processes that are killed: the same ones each time.
# `make soak` draws others, and makes what it finds small.
PARTS = 2
SWEEPS = 30
PARTS_THAT_KILL = 1


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_the_laws_hold(part: int) -> None:
    tally = Tally()
    draws = itertools.count(1_000 * part)

    while tally.sweeps < SWEEPS:
        judge_some(
            programs(kill=part < PARTS_THAT_KILL),
            next(draws),
            10,
            lambda program: check(program, tally),
        )


LIVELY = Program(
    accounts=(
        Born("a"),
        Born("b", "near miss", keys="absent"),
        Born("c", keys="null", form="ASYNC_OPERATION"),
        Born("d", "lapsed", form="LOCATION"),
    ),
    steps=(
        Fault("patch", "503 for 2 s after acting"),
        Start(0),
        Admit(3),
        Start(2),
        Admit(9),
        Team("tag", "c", "reason"),
        Start(1, audit=True),
        Admit(5),
        Wait(4),
        Fault("get", "broken JSON", 2),
        Admit(4),
        Cut(2, acted=True),
        Finish(),
        Wait(95),
        Team("keys on", "a"),
        Fault("graph", "429", 5),
        Start(1),
        Admit(12),
        Cut(1),
        Start(0),
        Finish(),
    ),
    order=(2, 0, 5, 3, 1),
    inherit=True,
)


def test_a_program_goes_the_same_way_each_time_processes_and_all() -> None:
    with quiet():
        first, second = (asyncio.run(happen(LIVELY)) for _ in range(2))

    assert first[1] == second[1]
    assert len(first[1]) > 60
    results = [
        [
            (sweep.number, event["accountName"], event["result"])
            for sweep in record.sweeps
            for event in sweep.named("RemediationOutcome")
        ]
        for record, _ in (first, second)
    ]
    assert results[0] == results[1]


def test_requests_are_let_in_in_the_order_that_the_program_says() -> None:
    def reads(*order: int) -> list[str]:
        accounts = (Born("a"), Born("b"), Born("c"))
        with quiet():
            _, trail = asyncio.run(happen(Program(accounts, (Start(0), Finish()), order)))
        return [name for _, _, method, name, _ in trail if method == "GET" and len(name) == 1][:3]

    assert reads(0) == ["a", "b", "c"]
    # What comes before these reads has used up two of each three places in the order.
    assert reads(0, 2, 1) == ["c", "b", "a"]


@pytest.mark.parametrize("actor", [0, 2], ids=["cancelled", "killed"])
@pytest.mark.parametrize("requests", range(6, 12))
def test_a_sweep_cut_at_any_request_loses_nothing_that_it_changed(
    actor: int, requests: int
) -> None:
    who = cast("Actor", actor)
    steps = (Start(who), Admit(requests), Cut(who, acted=True), Wait(95), Start(1), Finish())

    record = run(Program((Born("a"), Born("d")), steps))

    assert judge(record) == []
    cut, *_ = record.sweeps
    assert cut.cut
    assert cut.completed is None
    announced = {event["accountId"] for event in cut.named("DriftFound")}
    written = {write.account for write in record.writes if write.sweep == cut.number}
    assert announced >= written
    # Seven requests are discovery's and the change log's, then come reads, and PATCHes after them.
    assert bool(written) == (requests > 7)


@pytest.mark.parametrize("name", examples.FINDINGS)
def test_what_the_soak_found_stays_mended(name: str) -> None:
    program, law = examples.FINDINGS[name]

    broken = {breach.law for breach in judge(run(program))}

    assert law not in broken


_VERDICTS: dict[Verdict, Say] = {
    Verdict.DRIFT: "open",
    Verdict.EXEMPT: "exempt",
    Verdict.HELD: "held",
}
_DAY = date(2026, 11, 24)
_names = st.one_of(
    st.sampled_from((TAG, TAG.upper(), "LocalAuthExempt", "local_auth.exempt", "owner")),
    st.text(st.characters(codec="ascii", exclude_characters="<>%&\\?/"), min_size=1, max_size=5),
)
_days = st.dates(date(2026, 11, 20), date(2026, 11, 28)).map(str)
_field = st.builds(
    "{}={}".format,
    st.sampled_from(("until", "UNTIL ", " reason", "owner", "ticket", "")),
    st.one_of(_days, st.sampled_from(("", "soon", "2026-02-30", "x=y"))),
)
_values = st.one_of(
    st.sampled_from(("", " True", "off", "0", "1", "yes ", "NO", "31/12/2026", "2026-02-30", "=")),
    _days,
    st.lists(_field, min_size=1, max_size=3).map(";".join),
    st.text(max_size=12),
)
# Tag names differ by more than case: Azure sees to that.
_tags = st.lists(st.tuples(_names, _values), max_size=2, unique_by=lambda tag: tag[0].lower()).map(
    dict
)


@given(_tags, _tags, st.booleans())
@example({TAG: ";=;"}, {}, False)  # noqa: FBT003 - it is an example
def test_the_judge_and_the_product_read_tags_alike(
    own: dict[str, str],
    above: dict[str, str],
    inherit: bool,  # noqa: FBT001 - Hypothesis draws it
) -> None:
    levels = (TagsAbove(Level.RESOURCE_GROUP, above),) if inherit else ()
    name = AccountId("s", "g", "n")
    account = Account(
        name, "OpenAI", "x", keys_on=True, tags=own, custom_subdomain="n", above=levels
    )

    verdict = decide(account, Scope(), Rules(), _DAY).verdict

    assert _VERDICTS[verdict] == levels_say([own, above] if inherit else [own], _DAY)
