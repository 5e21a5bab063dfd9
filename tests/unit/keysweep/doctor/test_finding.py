"""What checks found, all together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keysweep.doctor.finding import Check, Finding, State, as_json, exit_code, with_all_checks
from tests.support.schemas import schema, validate

CODES = {
    "ok": 0, "note": 0, "warning": 1,
    "not seen": 2, "not reached": 2, "failed": 2, "wrong": 64,
}  # fmt: skip
findings = st.lists(
    st.builds(Finding, st.sampled_from(Check), st.sampled_from(State), st.just("So it is.")),
    unique_by=lambda finding: finding.check,
)


@pytest.mark.parametrize("state", State)
def test_each_state_has_its_exit_code(state: State) -> None:
    assert state.exit_code == CODES[state]


@given(findings)
def test_a_check_that_nobody_got_to_is_never_well(found: list[Finding]) -> None:
    whole = with_all_checks(found)
    assert [finding.check for finding in whole] == list(Check)
    missing = {finding.check for finding in whole} - {finding.check for finding in found}
    reached = {finding.check for finding in whole if finding.state is not State.NOT_REACHED}
    assert missing.isdisjoint(reached)
    worst = max((CODES[finding.state] for finding in found), default=0)
    assert exit_code(whole) == max(worst, 2 if missing else 0)


@given(findings)
def test_the_document_is_what_its_schema_says(found: list[Finding]) -> None:
    validate(json.loads(as_json(with_all_checks(found))), "doctor")


def test_the_schema_knows_each_check_and_each_state() -> None:
    known = schema("doctor")["properties"]["checks"]["items"]["properties"]
    assert known["check"]["enum"] == [str(check) for check in Check]
    assert known["state"]["enum"] == [str(state) for state in State]


def test_what_was_not_reached_says_what_comes_first() -> None:
    wrong = Finding(Check.SETTINGS, State.WRONG, "So it is.")
    signed_in = Finding(Check.SIGN_IN, State.OK, "So it is.")
    (*_, last) = with_all_checks([signed_in, wrong])
    assert last.says == "Nobody looked: see Settings first."
