"""The nouns: ids and their spelling, states, results, and the words that go over the wire."""

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest

from shared.core.model import (
    Account,
    AccountId,
    Census,
    Exempt,
    Gap,
    GapKind,
    HoldReason,
    Inventory,
    Lapsed,
    LeftAlone,
    Level,
    NotExempt,
    Result,
    Source,
    SubscriptionState,
    Turned,
    Verdict,
    in_utc,
)
from tests.support.builders import TODAY, an_outcome

ID = (
    "/subscriptions/00000000-AAAA-0000-0000-000000000001/resourceGroups/Rg-Chat"
    "/providers/Microsoft.CognitiveServices/accounts/Bot"
)


def test_a_moment_without_a_zone_means_utc() -> None:
    naive = datetime(2026, 11, 24, 9)  # noqa: DTZ001 - what Azure sometimes gives
    assert in_utc(naive) == datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_a_moment_with_a_zone_keeps_it() -> None:
    there = datetime(2026, 11, 24, 9, tzinfo=timezone(timedelta(hours=2)))
    assert in_utc(there) is there


@pytest.mark.parametrize("spelled", [ID, ID.lower(), ID.upper()])
def test_an_id_is_read_in_any_letter_case_and_compared_without_it(spelled: str) -> None:
    assert AccountId.parse(spelled).key == ID.lower()


def test_an_id_keeps_the_spelling_of_group_and_account() -> None:
    parsed = AccountId.parse(ID)
    assert parsed.resource_group == "Rg-Chat"
    assert parsed.name == "Bot"


def test_an_id_has_its_subscription_in_lower_case() -> None:
    assert AccountId.parse(ID).subscription_id == "00000000-aaaa-0000-0000-000000000001"


def test_an_id_is_written_as_azure_writes_it() -> None:
    assert str(AccountId("s", "Rg", "Bot")) == (
        "/subscriptions/s/resourceGroups/Rg/providers/Microsoft.CognitiveServices/accounts/Bot"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID + "/",
        ID + "/deployments/gpt",
        "x" + ID,
        ID.replace("CognitiveServices", "Search"),
        ID.replace("Microsoft.Cog", "MicrosoftXCog"),
        ID.replace("/Rg-Chat", "/"),
        ID.removesuffix("/Bot"),
    ],
)
def test_what_is_not_the_id_of_an_account_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a Cognitive Services account") as caught:
        AccountId.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("words", [HoldReason, Verdict, Result])
def test_reasons_verdicts_and_results_are_called_what_they_are_named(words: type[StrEnum]) -> None:
    for word in words:
        assert word.value == word.name


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (Level, ["account", "resourceGroup", "subscription"]),
        (Source, ["graph", "arm"]),
        (GapKind, ["tenant", "managementGroup", "subscription", "account", "ring"]),
        (Turned, ["on", "off", "created"]),
    ],
)
def test_words_that_leave_for_application_insights(words: type[StrEnum], values: list[str]) -> None:
    assert [word.value for word in words] == values


@pytest.mark.parametrize("result", Result)
def test_somebody_must_look_after_a_missing_role_a_doubt_and_a_failure(result: Result) -> None:
    assert result.fails_the_sweep is (result in {Result.NO_ROLE, Result.UNVERIFIED, Result.FAILED})


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Enabled", SubscriptionState.ENABLED),
        ("enabled", SubscriptionState.ENABLED),
        ("WARNED", SubscriptionState.WARNED),
        ("PastDue", SubscriptionState.PAST_DUE),
        ("Disabled", SubscriptionState.DISABLED),
        ("Deleted", SubscriptionState.DELETED),
        ("Enable", None),
        ("", None),
    ],
)
def test_states_of_a_subscription_are_read_in_any_letter_case(
    text: str, state: SubscriptionState | None
) -> None:
    assert SubscriptionState.read(text) is state


@pytest.mark.parametrize("state", SubscriptionState)
def test_a_subscription_that_is_disabled_or_deleted_takes_no_changes(
    state: SubscriptionState,
) -> None:
    assert state.allows_changes is (state.value not in {"Disabled", "Deleted"})


def test_of_an_account_no_more_is_known_than_a_source_says() -> None:
    account = Account(AccountId.parse(ID), "OpenAI", "x", keys_on=True)
    assert account.tags == {}
    assert account.custom_subdomain is None
    assert account.provisioning_state == ""
    assert account.above == ()
    assert account.changed_at is None
    assert account.changed_by == ""


def test_exemptions_say_nothing_that_their_tag_does_not_say() -> None:
    assert Exempt() == Exempt(until=None, reason="", owner="", level=Level.ACCOUNT)
    assert Lapsed(TODAY) == Lapsed(TODAY, reason="", owner="")
    assert not NotExempt().explicit


def test_an_outcome_without_a_refusal_has_no_words_of_azures() -> None:
    outcome = an_outcome(Result.ALREADY_OFF)
    assert outcome.detail == ""
    assert outcome.azure_code == ""
    assert outcome.azure_message == ""
    assert not outcome.accepted
    assert not outcome.unannounced


def test_nothing_was_counted_left_alone_or_in_dispute_unless_it_is_said() -> None:
    inventory = Inventory((), (), ())
    assert inventory.left_alone == LeftAlone(disabled=(), other_tenant=(), excluded=())
    assert inventory.disagreements == ()
    assert inventory.graph_unread == ""
    assert Census() == Census(keys_on=0, keys_off=0)
    assert Gap(GapKind.TENANT, "t", "503").subscription_id == ""
