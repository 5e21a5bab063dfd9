"""The judge of `soak` is judged: it finds what is planted, and every law can be broken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from soak.examples import PLANTED
from soak.hunt import run
from soak.laws import LAWS, TAG, Record, Seen, Standing, Swept, Written, judge
from soak.planted import BREAKS, Bug

START = datetime(2026, 11, 24, 9, tzinfo=UTC)
SUBSCRIPTION = "/subscriptions/s"
GROUP = f"{SUBSCRIPTION}/resourcegroups/g"
ACCOUNT = f"{GROUP}/providers/microsoft.cognitiveservices/accounts/a"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_breaks_its_law_in_the_program_that_found_it(bug: Bug) -> None:
    broken = judge(run(PLANTED[bug], bug))

    assert BREAKS[bug].law in {breach.law for breach in broken}


@pytest.mark.parametrize("bug", PLANTED)
def test_without_the_bug_the_same_program_breaks_none(bug: Bug) -> None:
    assert judge(run(PLANTED[bug])) == []


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def completed(**counts: Any) -> dict[str, Any]:
    numbers = dict.fromkeys(
        (
            "accounts",
            "compliant",
            "exempt",
            "held",
            "drift",
            "disabled",
            "deferred",
            "needingAttention",
            "gaps",
        ),
        0.0,
    )
    said = {"whole": "true", "changeLog": "read", "subscriptionsRead": 1.0}
    return event("SweepCompleted", **{**numbers, **said, **counts})


def outcome(result: str = "DISABLED", accepted: str = "true") -> dict[str, Any]:
    return event("RemediationOutcome", accountId=ACCOUNT, result=result, accepted=accepted)


def key_change(at: datetime, ours: str = "true") -> dict[str, Any]:
    when = at.isoformat()
    return event("KeyAccessChanged", accountId=ACCOUNT, changedAt=when, ours=ours, turned="off")


def read(ordinal: int, at: datetime, *, keys_on: bool) -> Seen:
    return Seen(ordinal, 0, "GET", ACCOUNT, at, at, shown=True, keys_on=keys_on, kind="OpenAI")


def blameless() -> Record:
    """One sweep that reads an account, turns its keys off, reads it back, and says so."""
    disabled = completed(accounts=1.0, drift=1.0, disabled=1.0)
    found = event("DriftFound", accountId=ACCOUNT)
    return Record(
        inherit=False,
        requests=[
            read(1, after(0), keys_on=True),
            Seen(
                2, 0, "PATCH", ACCOUNT, after(1), after(1), shown=True, keys_on=True, announced=True
            ),
            read(3, after(2), keys_on=False),
        ],
        writes=[Written(2, 0, ACCOUNT, after(1), failed=False)],
        sweeps=[
            Swept(
                0,
                "enforce",
                START,
                60,
                ended=after(3),
                readable=frozenset({"s"}),
                events=[found, outcome(), disabled],
            )
        ],
        before_last=[Standing(ACCOUNT, keys_on=True, says="open")],
    )


def test_a_blameless_record_breaks_no_law() -> None:
    assert judge(blameless()) == []


def change_request(record: Record, index: int, **fields: Any) -> None:
    record.requests[index] = replace(record.requests[index], **fields)


def not_announced(record: Record) -> None:
    change_request(record, 1, announced=False)


def another_kind(record: Record) -> None:
    change_request(record, 0, kind="SpeechServices")


def exempt_when_read(record: Record) -> None:
    change_request(record, 0, tags={TAG.upper(): "until=2026-11-24"})


def near_miss_above(record: Record) -> None:
    record.inherit = True
    seen = {"served": after(0), "shown": True}
    record.requests[1:1] = [
        Seen(1, 0, "GET", GROUP, after(0), tags={"LocalAuthExempt": "x"}, **seen),  # type: ignore[arg-type]
        Seen(1, 0, "GET", SUBSCRIPTION, after(0), **seen),  # type: ignore[arg-type]
    ]
    for number, request in enumerate(record.requests):
        record.requests[number] = replace(request, ordinal=number)
    record.writes[0] = replace(record.writes[0], ordinal=3)


def nothing_showed_the_levels(record: Record) -> None:
    record.inherit = True


def old_read(record: Record) -> None:
    change_request(record, 1, arrived=after(5.5))


def read_that_did_not_arrive(record: Record) -> None:
    change_request(record, 0, shown=False)


def sent_twice(record: Record) -> None:
    record.requests.insert(2, replace(record.requests[1], ordinal=3))
    change_request(record, 3, ordinal=4)


def audited(record: Record) -> None:
    record.sweeps[0].mode = "audit"


def in_no_ring(record: Record) -> None:
    record.ring = "another"


def untold(record: Record) -> None:
    record.sweeps[0].events[1] = outcome(accepted="false")


def someone_elses(record: Record) -> None:
    record.sweeps[0].events.append(key_change(after(700)))


def never_read_back(record: Record) -> None:
    change_request(record, 2, keys_on=True)


def failed_later(record: Record) -> None:
    record.writes[0] = replace(record.writes[0], failed=True)


def miscounted(record: Record) -> None:
    record.sweeps[0].events[2] = completed(accounts=2.0, drift=1.0, disabled=1.0)


def two_outcomes(record: Record) -> None:
    record.sweeps[0].events.insert(1, outcome("DEFERRED"))


def whole_without_subscriptions(record: Record) -> None:
    done = record.sweeps[0].events[2]
    record.sweeps[0].events[2] = {**done, "subscriptionsRead": 0.0}
    record.sweeps[0].readable = frozenset()


def one_subscription_less(record: Record) -> None:
    record.sweeps[0].readable = frozenset({"s", "t"})


def raised_though_whole(record: Record) -> None:
    record.sweeps[0].error = "SweepNotWhole"


def too_long(record: Record) -> None:
    record.sweeps[0].ended = after(71)


def still_on(record: Record) -> None:
    record.on_at_last = frozenset({ACCOUNT})


def another_result(record: Record) -> None:
    record.before_last[0] = replace(record.before_last[0], stopped="LOCKED")


def another_count(record: Record) -> None:
    record.before_last.append(Standing("b", keys_on=True, says="exempt"))


def crashed(record: Record) -> None:
    record.sweeps[0].unexpected = "KeyError: 'id'"


@pytest.mark.parametrize(
    ("law", "how"),
    [
        ("protected", exempt_when_read),
        ("protected", near_miss_above),
        ("protected", nothing_showed_the_levels),
        ("protected", old_read),
        ("protected", read_that_did_not_arrive),
        ("protected", sent_twice),
        ("audit writes nothing", audited),
        ("rings", in_no_ring),
        ("protected", another_kind),
        ("announced", not_announced),
        ("outcomes", untold),
        ("ours is ours", someone_elses),
        ("done is done", never_read_back),
        ("done stays done", failed_later),
        ("counts", miscounted),
        ("counts", two_outcomes),
        ("counts", whole_without_subscriptions),
        ("counts", one_subscription_less),
        ("counts", raised_though_whole),
        ("budget", too_long),
        ("converges", still_on),
        ("converges", another_result),
        ("converges", another_count),
        ("ends as it may", crashed),
    ],
)
def test_each_law_can_be_broken(law: str, how: Callable[[Record], None]) -> None:
    record = blameless()
    how(record)

    assert law in {breach.law for breach in judge(record)}


def test_every_law_is_broken_above_by_something() -> None:
    marks = test_each_law_can_be_broken.pytestmark  # type: ignore[attr-defined]

    assert {law for law, _ in marks[0].args[1]} == set(LAWS)


def test_a_sweep_that_was_cut_may_leave_its_changes_without_an_outcome() -> None:
    record = blameless()
    record.sweeps[0].cut, record.sweeps[0].events = True, record.sweeps[0].events[:1]

    assert judge(record) == []


def test_time_in_which_a_process_stood_still_is_not_held_against_it() -> None:
    record = blameless()
    too_long(record)
    record.sweeps[0].paused = 10

    assert judge(record) == []
