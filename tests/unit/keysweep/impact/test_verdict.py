"""The verdict by each kind of evidence and by each trap, and the one law that holds for all."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keysweep.impact.evidence import (
    CallCount,
    CallCounts,
    Caller,
    Connections,
    EntraUse,
    Evidence,
    Holds,
    Logged,
    LoggedCalls,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.verdict import Impact, Judgement, judge
from tests.support.evidence import (
    DAYS,
    SOMEBODY,
    a_connection,
    calls,
    evidence,
    logged,
)

NOBODY = EntraUse((), has_subdomain=True)
REFUSED = Unread("It", "403 AuthorizationFailed")
NO_LOG = RequestLog()


def said(judgement: Judgement) -> str:
    return " ".join(judgement.because)


# Each verdict


def test_no_calls_are_idle() -> None:
    found = judge(evidence(calls=calls(), log=NO_LOG, logging=NotLogged()))
    assert found.verdict is Impact.IDLE
    assert said(found) == "No calls in 3 days."


def test_calls_that_are_all_logged_with_an_identity_are_keyless() -> None:
    found = judge(evidence())
    assert found.verdict is Impact.KEYLESS
    assert "3 calls in 3 days, logged for the whole time" in said(found)


def test_one_call_with_a_key_uses_keys() -> None:
    rows = (logged(0), logged(1), logged(2, Caller.KEY))
    found = judge(evidence(log=RequestLog(rows)))
    assert found.verdict is Impact.USES_KEYS
    assert "1 call with a key, the last at 2026-11-23 09:00 UTC." in said(found)


@pytest.mark.parametrize("made", [calls(), calls(1, 1, 1)], ids=["idle", "called"])
def test_a_connection_that_holds_a_key_uses_keys(made: CallCounts) -> None:
    connections = Connections((a_connection(Holds.NO_KEY, "fine"), a_connection()))
    found = judge(evidence(calls=made, connections=connections))
    assert found.verdict is Impact.USES_KEYS
    assert said(found) == "Connection bot-key of hub holds a key for it (AzureOpenAI, ApiKey)."


def test_calls_that_nobody_could_make_without_a_key_are_likely_keys() -> None:
    found = judge(evidence(log=NO_LOG, logging=NotLogged(), entra=NOBODY))
    assert found.verdict is Impact.LIKELY_KEYS
    assert "nobody that you can see has a role" in said(found)


def test_calls_without_a_custom_subdomain_are_likely_keys() -> None:
    entra = EntraUse((SOMEBODY,), has_subdomain=False)
    found = judge(evidence(log=NO_LOG, logging=NotLogged(), entra=entra))
    assert found.verdict is Impact.LIKELY_KEYS
    assert "without a custom subdomain nobody can use Entra ID" in said(found)


def test_calls_without_a_log_cant_be_told() -> None:
    found = judge(evidence(log=NO_LOG, logging=NotLogged()))
    assert found.verdict is Impact.CANT_TELL
    assert "the request log goes to no workspace" in said(found)


# Each trap


def test_a_log_that_began_later_can_not_clear_the_days_before() -> None:
    found = judge(evidence(log=RequestLog((logged(2),))))
    assert found.verdict is Impact.CANT_TELL
    assert "The log began at 2026-11-23 08:00 UTC: of the 2 calls of the days up to" in said(found)


def test_rows_that_an_answer_leaves_out_in_silence_deceive_nobody() -> None:
    found = judge(evidence(calls=calls(1, 5, 1)))
    assert found.verdict is Impact.CANT_TELL
    assert "The log shows 1 of the 5 calls of 2026-11-22." in said(found)


def test_a_call_at_midnight_may_stand_in_the_log_as_one_of_the_next_day() -> None:
    rows = (logged(0, count=4), logged(1, count=6), logged(2))
    assert judge(evidence(calls=calls(5, 5, 1), log=RequestLog(rows))).verdict is Impact.KEYLESS
    assert judge(evidence(calls=calls(5, 6, 1), log=RequestLog(rows))).verdict is Impact.CANT_TELL


@pytest.mark.parametrize("deployment", ["", "gpt-4o-mini"])
def test_calls_that_the_metrics_do_not_count_make_up_for_none_that_they_count(
    deployment: str,
) -> None:
    rows = [logged(day, count=50, deployment=deployment) for day in range(DAYS)]
    found = judge(evidence(calls=calls(5, 5, 5), log=RequestLog(tuple(rows))))
    assert found.verdict is Impact.CANT_TELL
    assert "The log shows 0 of the 15 calls of" in said(found)


def test_a_workspace_that_can_not_be_read_is_named() -> None:
    doubt = "You may not read the workspace other, which holds a part of it."
    rows = RequestLog(tuple(logged(day) for day in range(DAYS)), (doubt,))
    found = judge(evidence(log=rows))
    assert found.verdict is Impact.CANT_TELL
    assert found.unseen == (doubt,)


def test_rows_that_can_not_be_parsed_are_nobodys_key_and_nobodys_identity() -> None:
    rows = (logged(0), logged(1, Caller.UNKNOWN), logged(2))
    found = judge(evidence(log=RequestLog(rows)))
    assert found.verdict is Impact.CANT_TELL
    assert "The log does not say who made 1 call." in said(found)


def test_refused_calls_are_nobodys_use() -> None:
    rows = RequestLog((logged(0, Caller.KEY, 9, status="401"),))
    found = judge(evidence(calls=calls(9, status="401"), log=rows))
    assert found.verdict is Impact.IDLE
    assert "9 calls without a right to any use (401)." in said(found)


@pytest.mark.parametrize("made", [calls(), calls(1, 1, 1)], ids=["idle", "called"])
def test_a_connection_of_an_unknown_kind_lowers_the_verdict(made: CallCounts) -> None:
    connections = Connections((a_connection(Holds.UNKNOWN),))
    log = RequestLog() if not made.calls else evidence().log
    found = judge(evidence(calls=made, log=log, connections=connections))
    assert found.verdict is Impact.CANT_TELL
    assert "has the authentication 'Palmistry'" in " ".join(found.unseen)


@pytest.mark.parametrize("made", [calls(), calls(1, 1, 1)], ids=["idle", "called"])
def test_connections_that_nobody_could_read_lower_the_verdict(made: CallCounts) -> None:
    log = RequestLog() if not made.calls else evidence().log
    found = judge(evidence(calls=made, log=log, connections=REFUSED))
    assert found.verdict is Impact.CANT_TELL
    assert found.unseen == ("It could not be read: 403 AuthorizationFailed",)


def test_roles_that_nobody_could_read_make_no_likely_keys() -> None:
    found = judge(evidence(log=NO_LOG, entra=REFUSED))
    assert found.verdict is Impact.CANT_TELL


def test_a_call_with_an_identity_shows_that_somebody_can() -> None:
    found = judge(evidence(log=RequestLog((logged(2),)), entra=NOBODY))
    assert found.verdict is Impact.CANT_TELL


def test_calls_that_could_not_be_counted_are_never_keyless() -> None:
    found = judge(evidence(calls=REFUSED))
    assert found.verdict is Impact.CANT_TELL
    assert "The request log shows 3 calls with an identity." in said(found)


def test_a_part_of_the_calls_that_was_not_counted_is_no_none() -> None:
    found = judge(evidence(calls=calls(doubts=["The first day was cut off."]), log=NO_LOG))
    assert found.verdict is Impact.CANT_TELL
    assert found.unseen == ("The first day was cut off.",)


def test_calls_of_the_log_where_the_metrics_count_none_are_no_idleness() -> None:
    found = judge(evidence(calls=calls()))
    assert found.verdict is Impact.CANT_TELL
    assert "so one of the two is wrong" in said(found)


@pytest.mark.parametrize("log", [REFUSED, RequestLog((), ("A workspace.",))], ids=["all", "a part"])
def test_a_log_that_was_not_seen_may_show_calls_where_the_metrics_count_none(
    log: RequestLog | Unread,
) -> None:
    found = judge(evidence(calls=calls(), log=log))
    assert found.verdict is Impact.CANT_TELL
    assert "which could show otherwise, was not seen whole" in said(found)
    assert found.unseen


def test_calls_too_young_for_the_log_can_not_be_told() -> None:
    found = judge(evidence(calls=calls(0, 0, 0, 7), log=RequestLog((logged(0),))))
    assert found.verdict is Impact.CANT_TELL
    assert "They are of the last two hours" in said(found)


def test_calls_that_could_not_be_counted_and_that_nobody_could_make_are_likely_keys() -> None:
    rows = RequestLog((logged(0, Caller.UNKNOWN),))
    found = judge(evidence(calls=REFUSED, log=rows, entra=NOBODY))
    assert found.verdict is Impact.LIKELY_KEYS


# The law


@dataclass(frozen=True)
class Truth:
    """What is so: whoever sees all of it knows whether keys are used."""

    calls: tuple[LoggedCalls, ...]
    connections: tuple[Holds, ...]
    entra: EntraUse

    def seen(self, lost: frozenset[str]) -> Evidence:
        """Return what somebody sees who lost some pieces of sight."""
        return evidence(
            calls=self._counts(lost),
            log=self._log(lost),
            logging=REFUSED if "logging" in lost else Logged(("w",)),
            fetches=REFUSED if "fetches" in lost else evidence().fetches,
            connections=self._connections(lost),
            entra=REFUSED if "roles" in lost else self.entra,
        )

    def _counts(self, lost: frozenset[str]) -> CallCounts | Unread:
        if "metrics" in lost:
            return REFUSED
        cut = "first day" in lost
        counts = tuple(
            CallCount(row.day, row.deployment, row.status, row.calls)
            for row in self.calls
            if not (cut and row.day == 0)
        )
        return CallCounts(counts, ("The first day was cut off.",) if cut else ())

    def _log(self, lost: frozenset[str]) -> RequestLog | Unread:
        if "log" in lost:
            return REFUSED
        rows = [row for row in self.calls if row.day < DAYS]
        if "log began later" in lost:
            rows = [row for row in rows if row.day > 0]
        if lost & {"workspace, named", "workspace, in silence"}:
            rows = [row for row in rows if row.deployment != "other"]
        if "parsing" in lost:
            rows = [replace(row, caller=Caller.UNKNOWN) for row in rows]
        return RequestLog(tuple(rows), ("A workspace.",) if "workspace, named" in lost else ())

    def _connections(self, lost: frozenset[str]) -> Connections | Unread:
        if "connections" in lost:
            return REFUSED
        if "a project" in lost:
            return Connections((), ("A project could not be read.",))
        holds = [Holds.UNKNOWN if "kinds" in lost else holds for holds in self.connections]
        return Connections(tuple(a_connection(held) for held in holds))


PIECES = (
    *("metrics", "first day", "log", "log began later", "workspace, named", "parsing"),
    *("workspace, in silence", "connections", "a project", "kinds", "roles", "logging", "fetches"),
)
LOGGED_CALLS = st.builds(
    logged,
    day=st.integers(0, DAYS),
    caller=st.sampled_from([Caller.KEY, Caller.IDENTITY, Caller.IDENTITY]),
    count=st.integers(1, 3),
    status=st.sampled_from(["200", "200", "401", "429"]),
    deployment=st.sampled_from(["gpt-4o", "other"]),
)
TRUTHS = st.builds(
    Truth,
    st.lists(LOGGED_CALLS, max_size=4).map(tuple),
    st.lists(st.sampled_from([Holds.KEY, Holds.NO_KEY]), max_size=2).map(tuple),
    st.sampled_from([NOBODY, EntraUse((SOMEBODY,), has_subdomain=True)]),
)


@given(truth=TRUTHS, lost=st.frozensets(st.sampled_from(PIECES)), data=st.data())
def test_taking_away_any_piece_of_sight_never_makes_a_verdict_safer(
    truth: Truth, lost: frozenset[str], data: st.DataObject
) -> None:
    more = lost | data.draw(st.frozensets(st.sampled_from(PIECES), min_size=1))
    with_less = judge(truth.seen(more)).verdict
    if with_less.is_safe:
        assert judge(truth.seen(lost)).verdict is with_less


@given(truth=TRUTHS, lost=st.frozensets(st.sampled_from(PIECES)))
def test_a_safe_verdict_is_true(truth: Truth, lost: frozenset[str]) -> None:
    verdict = judge(truth.seen(lost)).verdict
    used = [row for row in truth.calls if row.status != "401"]
    if verdict.is_safe:
        assert Holds.KEY not in truth.connections
    if verdict is Impact.IDLE:
        assert not used
    if verdict is Impact.KEYLESS:
        assert all(row.caller is Caller.IDENTITY for row in used if row.day < DAYS)


@given(truth=TRUTHS, lost=st.frozensets(st.sampled_from(PIECES)))
def test_every_key_that_was_seen_is_an_alarm(truth: Truth, lost: frozenset[str]) -> None:
    seen = truth.seen(lost)
    keyed = isinstance(seen.log, RequestLog) and seen.log.used(Caller.KEY)
    held = isinstance(seen.connections, Connections) and seen.connections.holding(Holds.KEY)
    assert (judge(seen).verdict is Impact.USES_KEYS) == bool(keyed or held)


def test_each_piece_of_sight_matters_to_some_verdict() -> None:
    """Without this, a piece whose loss changes nothing would make the law an empty one."""
    whole = Truth((logged(0), logged(1, deployment="other")), (Holds.NO_KEY,), NOBODY)
    assert judge(whole.seen(frozenset())).verdict is Impact.KEYLESS
    told_apart = {
        piece
        for piece in PIECES
        if judge(whole.seen(frozenset({piece}))).verdict is not Impact.KEYLESS
    }
    assert told_apart == set(PIECES) - {"roles", "logging", "fetches"}


def test_verdicts_are_named_with_commas_in_any_case() -> None:
    assert Impact.listed("uses_keys, IDLE") == {Impact.USES_KEYS, Impact.IDLE}


@pytest.mark.parametrize("text", ["USES_KEYS,BROKEN", "", " , "])
def test_a_verdict_that_is_none_is_told_which_there_are(text: str) -> None:
    allowed = "Allowed are USES_KEYS, LIKELY_KEYS, CANT_TELL, KEYLESS, IDLE"
    with pytest.raises(ValueError, match=allowed):
        Impact.listed(text)
