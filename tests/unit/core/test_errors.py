"""Errors say what happened, to which resource, and what to do next."""

import pytest

from shared.core import errors
from shared.core.errors import (
    AzureError,
    Elsewhere,
    KeysweepError,
    NoRole,
    OutOfTime,
    Refused,
    SettingsError,
    Stale,
    Stopped,
    SweepNotWhole,
    TelemetryLost,
    Throttled,
    Unclear,
    Unfinished,
)


def test_one_wrong_setting_is_counted_as_one() -> None:
    error = SettingsError(["SWEEP_MODE is not set"])
    assert str(error).startswith("1 setting is wrong;")
    assert str(error).endswith(": SWEEP_MODE is not set")


def test_all_wrong_settings_are_counted_and_named() -> None:
    error = SettingsError(["A is wrong", "B is wrong"])
    assert str(error).startswith("2 settings are wrong;")
    assert str(error).endswith(": A is wrong; B is wrong")
    assert error.problems == ("A is wrong", "B is wrong")


def test_a_refusal_says_what_was_asked_of_what_and_how_azure_answered() -> None:
    error = NoRole("Reading", "bot", code="AuthorizationFailed", message="No.", status=403)
    assert str(error) == f"Reading bot: 403 AuthorizationFailed: No. {NoRole.advice}"


def test_a_refusal_keeps_its_parts() -> None:
    error = NoRole("Reading", "bot", code="AuthorizationFailed", message="No.", status=403)
    assert error.action == "Reading"
    assert error.resource == "bot"
    assert error.code == "AuthorizationFailed"
    assert error.message == "No."
    assert error.status == 403


def test_what_had_no_answer_has_no_status() -> None:
    error = Unclear("Reading", "bot", code="Timeout", message="Nothing came.")
    assert error.status is None
    assert str(error).startswith("Reading bot: Timeout: Nothing came. ")


def _below(kind: type[KeysweepError]) -> list[type[KeysweepError]]:
    """Return the errors of the module below one: the command line has some of its own besides."""
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(found for child in children for found in _below(child))]


@pytest.mark.parametrize("kind", _below(AzureError), ids=lambda kind: kind.__name__)
def test_every_error_but_a_persons_own_stop_says_what_to_do_next(kind: type[AzureError]) -> None:
    assert kind.advice.endswith(".") or kind is Stopped


def test_azures_words_are_told_apart_from_ours() -> None:
    error = NoRole("Reading", "bot", code="AuthorizationFailed", message="No.", status=403)
    assert error.azure_code == "AuthorizationFailed"
    assert error.azure_message == "No."
    assert error.own_words == ""
    assert error.detail == NoRole.advice


def test_what_azure_did_not_answer_has_words_of_ours_alone() -> None:
    error = Unclear("Reading", "bot", code="Timeout", message="Nothing came")
    assert error.azure_code == ""
    assert error.azure_message == ""
    assert error.own_words == "Nothing came."
    assert error.detail == f"Nothing came. {Unclear.advice}"


@pytest.mark.parametrize("message", ["Nothing came.", "Nothing came!", "Did anything come?"])
def test_a_sentence_that_ends_is_left_as_it_is(message: str) -> None:
    assert Unclear("Reading", "bot", message=message).own_words == message


def test_whose_words_they_are_can_be_said() -> None:
    assert (
        Unclear("Reading", "bot", code="Failed", message="", is_azures=True).azure_code == "Failed"
    )
    answered = Throttled("Sending", "PATCH", message="Too many.", status=429, is_azures=False)
    assert answered.azure_message == ""
    assert answered.own_words == "Too many."


@pytest.mark.parametrize("kind", _below(KeysweepError), ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_tree_that_the_module_draws(kind: type[KeysweepError]) -> None:
    assert f" {kind.__name__} " in f"{errors.__doc__} ".replace("\n", " ")


def test_a_wait_that_does_not_fit_says_how_long_it_is_and_how_much_is_left() -> None:
    error = OutOfTime(600.4, 30.2)
    assert str(error).startswith("Waiting for Azure: The wait is 601 s, and 30 s are left ")
    assert isinstance(error, Throttled)


def test_a_wait_of_less_than_a_second_is_one_of_a_second() -> None:
    assert OutOfTime(0.5, 0.2).message.startswith("The wait is 1 s, and 0 s are left ")


def test_a_wait_of_nothing_says_that_the_time_has_ended() -> None:
    assert OutOfTime(0, 0).message == "The time budget has ended."


def test_a_person_who_stopped_a_sweep_reads_so() -> None:
    assert str(Stopped()) == "You stopped the sweep before its turn."
    assert Stopped().detail == "You stopped the sweep before its turn."


def test_what_a_person_stopped_was_not_sent_and_is_no_lack_of_time() -> None:
    assert isinstance(Stopped(), Refused)
    assert not isinstance(Stopped(), OutOfTime)


def test_a_decision_that_grew_old_says_why_and_that_nothing_was_sent() -> None:
    error = Stale("Its lane was closed meanwhile.")
    assert error.message == "Its lane was closed meanwhile."
    assert isinstance(error, Refused)


def test_a_link_that_leads_away_is_named_and_nothing_was_sent() -> None:
    error = Elsewhere("evil.example/x")
    assert str(error).startswith("Following evil.example/x: A link leads there, ")
    assert isinstance(error, Refused)


def test_what_was_accepted_and_not_seen_to_end_may_have_happened() -> None:
    assert issubclass(Unfinished, Unclear)
    assert not issubclass(Unclear, Refused)


def test_a_sweep_that_is_not_whole_names_itself_and_all_reasons() -> None:
    error = SweepNotWhole("20261124T090000Z", ["a gap", "bot: NO_ROLE"])
    assert str(error) == "Sweep 20261124T090000Z is not whole: a gap; bot: NO_ROLE"
    assert error.sweep_id == "20261124T090000Z"
    assert error.reasons == ("a gap", "bot: NO_ROLE")


def test_lost_telemetry_is_counted_and_says_why() -> None:
    error = TelemetryLost(10, 7, "403 Forbidden")
    assert "acknowledged 7 of 10 events (403 Forbidden)" in str(error)
    assert error.emitted == 10
    assert error.acknowledged == 7


def test_telemetry_that_was_never_answered_says_so() -> None:
    assert "(no answer in time)" in str(TelemetryLost(10, 7, ""))
