"""However Azure answers, what the server saw of a sweep obeys the laws of `soak.odd.laws`."""

import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from soak.hunt import Hunt, Tally, judge_some
from soak.laws import Record, Seen, Swept, Written
from soak.odd import examples
from soak.odd.bends import UNNOTICEABLE
from soak.odd.example import BODIES, FIELDS, HOWS, Example, Field, Options, Subscription
from soak.odd.example import examples as drawn
from soak.odd.hunt import check, odd, run
from soak.odd.laws import LAWS, judge
from soak.odd.world import START, Asked, Happened, Truth
from soak.planted import BREAKS, Bug

# The same ones each time. `make soak` draws others, and makes what it finds small.
PARTS = 4
SWEEPS = 20
# What a hunt finds soonest; `make soak` hunts for all.
HUNTED = (Bug.ONLY_AN_ID,)
SEED = 1
MOST_SWEEPS = 50


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_however_azure_answers_the_laws_hold(part: int) -> None:
    tally = Tally()

    judge_some(drawn(), part, SWEEPS, lambda example: check(example, tally))

    assert tally.sweeps >= SWEEPS
    assert tally.faults > SWEEPS / 3, "hardly any answer was odd: this proves little"


@pytest.mark.parametrize("bug", examples.PLANTED)
def test_a_planted_bug_breaks_its_law_in_the_example_that_found_it(bug: Bug) -> None:
    broken = judge(run(examples.PLANTED[bug], bug))

    assert BREAKS[bug].law in {breach.law for breach in broken}


@pytest.mark.parametrize("bug", examples.PLANTED)
def test_without_the_bug_the_same_example_breaks_none(bug: Bug) -> None:
    assert judge(run(examples.PLANTED[bug])) == []


@pytest.mark.parametrize("bug", HUNTED)
def test_a_planted_bug_is_found_by_hunting_for_it(bug: Bug) -> None:
    hunted, tally = BREAKS[bug], Tally()
    hunt = Hunt(odd(hunted.focus), math.inf, tally, bug, hunted.law, MOST_SWEEPS, 0.0)

    assert hunt.hunt(SEED) is not None


@pytest.mark.parametrize("name", examples.FINDINGS)
def test_what_odd_answers_found_stays_mended(name: str) -> None:
    example, _ = examples.FINDINGS[name]

    assert judge(run(example)) == []


SUBSCRIPTION = "s"
ACCOUNT = "/subscriptions/s/resourcegroups/g/providers/microsoft.cognitiveservices/accounts/a"


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(name: str, **fields: object) -> dict[str, Any]:
    return {"name": name, **fields}


def blameless() -> Happened:
    """One sweep that reads an account, turns its keys off, reads it back, and says so."""
    path, kind = ACCOUNT, "OpenAI"
    zero = dict.fromkeys(("compliant", "exempt", "held", "deferred", "needingAttention", "gaps"), 0)
    events = [
        event("DriftFound", accountId=ACCOUNT),
        event("SubscriptionRead", subscriptionId=SUBSCRIPTION),
        event("RemediationOutcome", accountId=ACCOUNT, result="DISABLED", accepted="true"),
        event(
            "SweepCompleted",
            whole="true",
            changeLog="read",
            subscriptionsRead=1,
            accounts=1,
            drift=1,
            disabled=1,
            **zero,
        ),
    ]
    record = Record(
        inherit=False,
        requests=[
            Seen(1, 0, "GET", path, after(0), after(0), shown=True, keys_on=True, kind=kind),
            Seen(2, 0, "PATCH", path, after(1), after(1), shown=True, announced=True),
            Seen(3, 0, "GET", path, after(2), after(2), shown=True, kind=kind),
        ],
        writes=[Written(2, 0, ACCOUNT, after(1), failed=False)],
        sweeps=[Swept(0, "enforce", START, 120, ended=after(3), events=events)],
    )
    listing = "/providers/microsoft.resourcegraph/resources"
    return Happened(
        Example((Subscription(),)),
        record,
        [Truth(ACCOUNT, SUBSCRIPTION, keys_on=True, says="open", in_scope=True)],
        frozenset({SUBSCRIPTION}),
        frozenset(),
        [
            Asked(0, "listing", "POST", listing, after(0), after(0)),
            Asked(1, "account", "GET", path, after(0), after(0)),
            Asked(2, "patch", "PATCH", path, after(1), after(1)),
        ],
    )


def test_a_blameless_sweep_breaks_no_law() -> None:
    assert judge(blameless()) == []


def change_request(happened: Happened, index: int, **fields: Any) -> None:
    requests = happened.record.requests
    requests[index] = replace(requests[index], **fields)


def exempt(happened: Happened) -> None:
    happened.truth[0] = replace(happened.truth[0], says="exempt")


def out_of_scope(happened: Happened) -> None:
    happened.truth[0] = replace(happened.truth[0], in_scope=False, why_not="excluded")


def on_a_bent_read(happened: Happened) -> None:
    change_request(happened, 0, shown=False)


def in_audit(happened: Happened) -> None:
    happened.swept.mode = "audit"


def not_announced(happened: Happened) -> None:
    change_request(happened, 1, announced=False)


def a_subscription_unread(happened: Happened) -> None:
    happened.subscriptions = frozenset({SUBSCRIPTION, "t"})


def an_account_more(happened: Happened) -> None:
    happened.truth.append(replace(happened.truth[0], account="b", keys_on=False))


def an_account_untold(happened: Happened) -> None:
    happened.truth[0] = replace(happened.truth[0], account="b")
    happened.record.writes.clear()


def connected_elsewhere(happened: Happened) -> None:
    happened.elsewhere = 1


def told_a_secret(happened: Happened) -> None:
    happened.secrets_told.append("a token")


def for_ever(happened: Happened) -> None:
    happened.endless = "it goes on"


def without_a_word(happened: Happened) -> None:
    happened.swept.error = "SweepNotWhole"


def without_an_end(happened: Happened) -> None:
    happened.swept.events.pop()


def crashed(happened: Happened) -> None:
    happened.swept.unexpected = "KeyError: 'id'"


def too_long(happened: Happened) -> None:
    happened.swept.ended = after(131)


def miscounted(happened: Happened) -> None:
    happened.swept.events.append(event("DriftFound", accountId="b"))


def not_reported(happened: Happened) -> None:
    happened.swept.events[2]["accepted"] = "false"


def more_lost_than_untaken(happened: Happened) -> None:
    happened.swept.error = "TelemetryLost"
    happened.struck.append(("telemetry", "takes no event"))
    del happened.swept.events[2:]


def never_read_back(happened: Happened) -> None:
    change_request(happened, 2, keys_on=True)


def over_the_limit(happened: Happened) -> None:
    happened.example = replace(happened.example, options=Options(most_changes=0))


def after_the_release(happened: Happened) -> None:
    options = Options(most_changes=0, released_for=1)
    happened.example = replace(happened.example, options=options)
    change_request(happened, 1, arrived=after(7))


def another_name(happened: Happened) -> None:
    happened.asked[2] = replace(happened.asked[2], struck=("disallowed by Azure",))


def no_second_try(happened: Happened) -> None:
    happened.asked[2] = replace(happened.asked[2], struck=("503",))
    happened.struck.append(("patch", "503"))
    happened.swept.events[2]["result"] = "UNVERIFIED"


def too_early(happened: Happened) -> None:
    happened.asked[0] = replace(happened.asked[0], struck=("429 until a date",))
    happened.asked.append(replace(happened.asked[0], ordinal=4, arrived=after(19), struck=()))


def kept_waiting(happened: Happened) -> None:
    first = replace(happened.asked[0], place="accounts", path="/subscriptions/s/accounts")
    other = replace(first, path="/subscriptions/t/accounts", struck=("429 for 20 s",))
    happened.asked += [first, other, replace(first, arrived=after(20))]


def without_a_new_token(happened: Happened) -> None:
    token = replace(happened.asked[0], place="token", path="/token")
    happened.asked += [token, replace(token, arrived=after(2), struck=("HTML",))]
    happened.struck.append(("token", "HTML"))
    happened.swept.events.append(event("CoverageGap", gapKind="tenant", subscriptionId=""))


def turned_down(happened: Happened) -> None:
    happened.swept.error, happened.error_text = "SettingsError", "no"


def turn_missed(happened: Happened) -> None:
    due = next(name for name in map(str, range(999)) if zlib.crc32(name.encode()) % 96 == 57)
    happened.subscriptions = frozenset({due})


@pytest.mark.parametrize(
    ("law", "how"),
    [
        ("left alone", exempt),
        ("left alone", out_of_scope),
        ("protected", on_a_bent_read),
        ("audit writes nothing", in_audit),
        ("announced", not_announced),
        ("seen", a_subscription_unread),
        ("seen", an_account_more),
        ("seen", an_account_untold),
        ("nowhere else", connected_elsewhere),
        ("secret", told_a_secret),
        ("ends", for_ever),
        ("ends", without_a_word),
        ("ends", without_an_end),
        ("ends", turned_down),
        ("ends as it may", crashed),
        ("budget", too_long),
        ("counts", miscounted),
        ("outcomes", not_reported),
        ("outcomes", more_lost_than_untaken),
        ("done is done", never_read_back),
        ("brake", over_the_limit),
        ("brake", after_the_release),
        ("named", another_name),
        ("named", no_second_try),
        ("paced", too_early),
        ("unhindered", kept_waiting),
        ("renewed", without_a_new_token),
        ("turns", turn_missed),
    ],
)
def test_each_law_can_be_broken(law: str, how: Callable[[Happened], None]) -> None:
    happened = blameless()
    how(happened)

    assert law in {breach.law for breach in judge(happened)}


def test_every_law_is_broken_above_by_something() -> None:
    marks = test_each_law_can_be_broken.pytestmark  # type: ignore[attr-defined]

    assert {law for law, _ in marks[0].args[1]} == set(LAWS)


@pytest.mark.parametrize("reason", UNNOTICEABLE)
def test_what_nobody_can_notice_is_something_that_could_be_drawn(reason: str) -> None:
    fields = [Field(name, how) for names in FIELDS.values() for name in names for how in HOWS]

    assert any(
        UNNOTICEABLE[reason](place, shape) for place in FIELDS for shape in (*fields, *BODIES)
    )
