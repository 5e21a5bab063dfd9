"""Whether an account may be given back, by what stands on it and by who changed it when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keysweep.record import Change
from keysweep.standing import GiveBack, Judgement, Known, LeaveAlone, Why, judge, off_since
from shared.core.change_log import ChangeLog
from shared.core.decision import Rules, Scope
from shared.core.model import Account, KeyChange, Level, TagsAbove, Turned
from tests.support.builders import NOW, TAG, a_change, an_account

BEGUN = NOW - timedelta(hours=2)
ENDED = BEGUN + timedelta(seconds=10)
ANN, BOB = "ann@contoso.com", "bob@contoso.com"
BOT = an_account().id
CHANGE = Change(BOT, BEGUN, ENDED, "DISABLED", may_be_done=True)
NOT_TOLD = Change(BOT, BEGUN)
UNVERIFIED = replace(CHANGE, result="UNVERIFIED")
UNREAD: dict[str, Any] = {"log": ChangeLog({}, "503")}
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def bot(**more: Any) -> Account:
    """Return the account as the sweep left it, untouched since."""
    built = {
        "keys_on": False,
        "provisioning_state": "Succeeded",
        "changed_at": BEGUN + timedelta(seconds=5),
        "changed_by": ANN,
        "created_at": NOW - timedelta(days=300),
    }
    return an_account(**{**built, **more})


def edited(**more: Any) -> Account:
    """Return it after somebody edited something, an hour ago."""
    return bot(changed_at=NOW - HOUR, changed_by=BOB, **more)


def turn(turned: Turned, at: datetime, by: str = ANN) -> KeyChange:
    return a_change(turned, at, by=by)


OURS = turn(Turned.OFF, BEGUN + timedelta(seconds=5))
ON, OFF = Turned.ON, Turned.OFF


def known(*turns: KeyChange, **more: Any) -> Known:
    log = ChangeLog({BOT.key: sorted(turns, key=lambda change: change.at)})
    built = Known(log, {BOT.subscription_id}, {ANN}, Scope(), Rules(), NOW)
    return replace(built, **more)


def why(found: Judgement) -> Why | None:
    """Return why it is left alone; None: it is given back."""
    return found.why if isinstance(found, LeaveAlone) else None


# Proof


@pytest.mark.parametrize(
    ("change", "account", "what_is_known", "expected"),
    [
        pytest.param(CHANGE, bot(), known(**UNREAD, in_log=()), None, id="Azure names the sweeper"),
        pytest.param(
            CHANGE, bot(changed_by=BOB), known(**UNREAD), Why.NOT_KNOWN, id="Azure names another"
        ),
        pytest.param(
            *(CHANGE, bot(changed_at=BEGUN - 2 * MINUTE), known(**UNREAD), None),
            id="clocks differ a little",
        ),
        pytest.param(
            *(CHANGE, bot(changed_at=BEGUN - 3 * MINUTE), known(**UNREAD), Why.NOT_KNOWN),
            id="the sweeper's clock is fast",
        ),
        pytest.param(CHANGE, edited(), known(OURS), None, id="the log shows the sweep's turn"),
        pytest.param(CHANGE, edited(), known(), None, id="a first value is not listed"),
        pytest.param(
            *(CHANGE, edited(), known(turn(ON, BEGUN - 24 * HOUR, BOB)), Why.NOT_KNOWN),
            id="the log shows turns, and not the sweep's",
        ),
        pytest.param(
            *(CHANGE, edited(), known(replace(OURS, by="ann#EXT#@fabrikam.com")), None),
            id="a guest has another name in the log",
        ),
        pytest.param(
            CHANGE,
            edited(),
            known(turn(OFF, BEGUN - 2 * MINUTE), turn(ON, BEGUN - MINUTE, BOB), OURS),
            None,
            id="turned on just before",
        ),
        pytest.param(
            CHANGE,
            edited(),
            known(OURS, turn(ON, ENDED + MINUTE / 3, BOB), turn(OFF, ENDED + MINUTE, BOB)),
            Why.SOMEBODYS_WILL,
            id="on and off again a moment after",
        ),
        *(
            pytest.param(
                *(CHANGE, edited(), known(*before, turn(turned, NOW - HOUR, BOB))),
                Why.SOMEBODYS_WILL,
                id=f"{turned} after the sweep, of which {len(before)} turns are shown",
            )
            for turned in Turned
            for before in ([], [OURS])
        ),
        pytest.param(CHANGE, edited(), known(**UNREAD), Why.NOT_KNOWN, id="log unread"),
        pytest.param(CHANGE, edited(), known(in_log=()), Why.NOT_KNOWN, id="log not shown"),
        pytest.param(
            CHANGE, edited(), known(log=ChangeLog({}, lacking=1)), Why.NOT_KNOWN, id="rows lacking"
        ),
        pytest.param(
            *(CHANGE, edited(), known(now=NOW + timedelta(days=20)), Why.NOT_KNOWN),
            id="older than the log",
        ),
        pytest.param(CHANGE, bot(changed_at=None), known(), Why.NOT_KNOWN, id="no moment"),
        pytest.param(
            *(CHANGE, bot(changed_at=NOW - 2 * MINUTE, changed_by=BOB), known(), Why.NOT_KNOWN),
            id="edited a moment ago",
        ),
        pytest.param(NOT_TOLD, edited(), known(OURS), None, id="not told, and in the log"),
        pytest.param(NOT_TOLD, bot(), known(), None, id="not told, and Azure names the sweeper"),
        pytest.param(NOT_TOLD, edited(), known(), Why.NOT_KNOWN, id="not told, nothing shows it"),
        pytest.param(
            *(NOT_TOLD, edited(), known(replace(OURS, by=BOB)), Why.SOMEBODYS_WILL),
            id="not told, and another did it",
        ),
        pytest.param(
            *(NOT_TOLD, bot(), known(OURS, identity=()), Why.NOT_KNOWN),
            id="not told, of an unknown sweeper",
        ),
        pytest.param(
            CHANGE, edited(), known(OURS, identity=()), None, id="done, of an unknown sweeper"
        ),
        pytest.param(UNVERIFIED, edited(), known(), Why.NOT_KNOWN, id="unverified"),
        pytest.param(UNVERIFIED, edited(), known(OURS), None, id="unverified, and in the log"),
    ],
)
def test_it_is_given_back_only_where_it_is_shown_that_nobody_turned_it_since(
    change: Change, account: Account, what_is_known: Known, expected: Why | None
) -> None:
    assert why(judge(change, account, what_is_known)) is expected


def test_a_last_change_in_the_future_is_waited_for_no_longer_than_the_log_lags() -> None:
    future = bot(changed_at=datetime.max.replace(tzinfo=UTC), changed_by=BOB)
    found = judge(CHANGE, future, known())
    assert isinstance(found, LeaveAlone)
    assert found.reason.endswith(f"try again after {NOW + 5 * MINUTE:%H:%M} UTC.")


# What it is, and what stands on it


@pytest.mark.parametrize(
    ("account", "rules", "expected"),
    [
        ({"created_at": BEGUN + HOUR}, Rules(), Why.SOMEBODYS_WILL),
        ({"created_at": None}, Rules(), Why.NOT_KNOWN),
        ({"keys_on": True}, Rules(), Why.NOTHING_TO_DO),
        ({"kind": "Face"}, Rules(), Why.SOMEBODYS_WILL),
        ({"provisioning_state": "Accepted"}, Rules(), Why.NOT_KNOWN),
        ({"tags": {TAG: "false"}}, Rules(), Why.SOMEBODYS_WILL),
        ({"tags": {TAG: "2020-01-01"}}, Rules(), Why.SOMEBODYS_WILL),
        ({"tags": {TAG: "until=soon"}}, Rules(), Why.SOMEBODYS_WILL),
        ({"tags": {TAG: "until=soon"}}, Rules(hold_unreadable=False), Why.SOMEBODYS_WILL),
        ({"tags": {TAG: "true"}}, Rules(require_until=True), Why.SOMEBODYS_WILL),
        ({"tags": {"LocalAuthExempt": "true"}}, Rules(), Why.SOMEBODYS_WILL),
        ({"custom_subdomain": None}, Rules(hold_no_subdomain=True), None),
        *(
            ({"above": (TagsAbove(Level.RESOURCE_GROUP, tags),)}, Rules(), expected)
            for tags, expected in (
                ({TAG: "true"}, None),
                ({TAG: "false"}, Why.SOMEBODYS_WILL),
                (None, Why.NOT_KNOWN),
                ({}, None),
            )
        ),
    ],
)
def test_what_stands_on_it_is_never_laid_over(
    account: dict[str, Any], rules: Rules, expected: Why | None
) -> None:
    assert why(judge(CHANGE, bot(**account), known(rules=rules))) is expected


@pytest.mark.parametrize(
    ("tags", "exempts", "stands"),
    [
        ({}, True, "keys off, no exemption"),
        ({TAG: "true"}, False, "keys off, exempt open-ended by the tag of its account"),
        (
            {TAG: "until=2027-03-31; owner=a@b.c"},
            False,
            "keys off, exempt until 2027-03-31 by the tag of its account",
        ),
    ],
)
def test_a_tag_in_force_is_enough_and_without_one_it_is_exempted(
    tags: dict[str, str], stands: str, *, exempts: bool
) -> None:
    assert judge(CHANGE, bot(tags=tags), known()) == GiveBack(exempts, stands)


def test_an_excluded_subscription_is_out_of_scope() -> None:
    excluded = known(scope=Scope(excluded_subscriptions=(BOT.subscription_id,)))
    assert why(judge(CHANGE, bot(), excluded)) is Why.SOMEBODYS_WILL


def test_what_was_proven_needs_no_more_proof_and_everything_else_does() -> None:
    unread = known(**UNREAD)
    assert why(judge(CHANGE, edited(), unread, is_proven=True)) is None
    refused = judge(CHANGE, edited(tags={TAG: "no"}), unread, is_proven=True)
    assert why(refused) is Why.SOMEBODYS_WILL


def test_since_when_they_are_off_is_the_logs_moment_or_the_sweeps() -> None:
    assert off_since(CHANGE, known(OURS)) == OURS.at
    assert off_since(CHANGE, known()) == ENDED
    assert off_since(NOT_TOLD, known()) == BEGUN
