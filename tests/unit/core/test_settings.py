"""Settings, one by one: where the form of each ends, and what is done with what was read."""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from shared.core.decision import Brake, Limits, Rules, Scope
from shared.core.errors import SettingsError
from shared.core.model import Level
from shared.core.schedule import Schedule
from shared.core.settings import (
    CLOUDS,
    SETTINGS,
    Cloud,
    Mode,
    Settings,
    read_connection_string,
    read_settings,
    unknown_names,
)
from shared.core.spelling import edits, essence

ONE, TWO = "0a000000-0000-0000-0000-000000000001", "0a000000-0000-0000-0000-000000000002"
TELEMETRY = "APPLICATIONINSIGHTS_CONNECTION_STRING"
LEAST = {"SWEEP_MODE": "audit", TELEMETRY: f"InstrumentationKey={ONE}"}


def read(**environ: str) -> Settings:
    return read_settings({**LEAST, **environ})


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read(**environ)
    return tuple(caught.value.problems)


def test_every_setting_arrives_where_it_belongs() -> None:
    environ = {
        "SWEEP_SCHEDULE": "0 0 * * * *",
        "SWEEP_MODE": "enforce",
        "SWEEP_MANAGEMENT_GROUPS": "mg",
        "SWEEP_EXCLUDE_SUBSCRIPTIONS": TWO,
        "SWEEP_KINDS": "OpenAI",
        "EXEMPTION_TAG": "keep-keys",
        "EXEMPTION_INHERIT": "subscription",
        "EXEMPTION_REQUIRE_UNTIL": "true",
        "EXEMPTION_MAX_DAYS": "30",
        "EXEMPTION_UNREADABLE": "disable",
        "NO_SUBDOMAIN": "hold",
        "MAX_CHANGES_PER_SWEEP": "7",
        "BRAKE": "trickle",
        "BRAKE_RELEASE_UNTIL": "2027-01-01",
        "ENFORCE_FROM": "2027-02-01",
        "SWEEP_CONCURRENCY": "3",
        "SWEEP_BUDGET_SECONDS": "600",
        "AZURE_CLIENT_ID": ONE,
        "AZURE_TENANT_ID": TWO,
        "AZURE_SDK_CLOUD_CONF": "azure_china_cloud",
    }
    assert read(**environ) == Settings(
        mode=Mode.ENFORCE,
        schedule=Schedule.parse("0 0 * * * *"),
        scope=Scope(("mg",), (), (TWO,), ("OpenAI",)),
        rules=Rules(
            tag="keep-keys",
            require_until=True,
            max_days=30,
            hold_unreadable=False,
            hold_no_subdomain=True,
        ),
        limits=Limits(7, Brake.TRICKLE, datetime(2027, 1, 1, tzinfo=UTC)),
        enforce_from=datetime(2027, 2, 1, tzinfo=UTC),
        inherit=(Level.SUBSCRIPTION,),
        concurrency=3,
        budget=600.0,
        client_id=ONE,
        tenant_id=TWO,
        cloud=CLOUDS["AZURE_CHINA_CLOUD"],
    )


def test_what_is_not_set_is_safe() -> None:
    settings = read()
    assert settings.limits == Limits(25, Brake.HOLD, None)
    assert settings.schedule.interval == timedelta(minutes=15)
    assert (settings.concurrency, settings.budget) == (48, 1200.0)
    assert (settings.client_id, settings.tenant_id, settings.enforce_from) == (None, None, None)
    assert settings.notes == ()


# Words


@pytest.mark.parametrize("text", ["ENFORCE", "Enforce"])
def test_a_word_counts_in_any_letter_case(text: str) -> None:
    assert read(SWEEP_MODE=text).mode is Mode.ENFORCE


@pytest.mark.parametrize("text", ["TRUE", "Yes", "on", "1"])
def test_inheritance_is_switched_on_as_any_boolean_is(text: str) -> None:
    assert read(EXEMPTION_INHERIT=text).inherit == (Level.RESOURCE_GROUP, Level.SUBSCRIPTION)


@pytest.mark.parametrize("text", ["FALSE", "No", "off", "0"])
def test_inheritance_is_switched_off_as_any_boolean_is(text: str) -> None:
    assert read(EXEMPTION_INHERIT=text).inherit == ()


# Numbers


@pytest.mark.parametrize("text", ["1_0", "+10", "-1", "10.0", "1e1", "\u0661\u0660", "\u00b2", "x"])
def test_a_number_is_written_in_plain_digits(text: str) -> None:
    (problem,) = problems(MAX_CHANGES_PER_SWEEP=text)
    assert problem.startswith(f"MAX_CHANGES_PER_SWEEP is {text!r}: ")


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("EXEMPTION_MAX_DAYS", 1, 3650),
        ("MAX_CHANGES_PER_SWEEP", 1, 100_000),
        ("SWEEP_CONCURRENCY", 1, 64),
    ],
)
def test_a_number_has_a_least_and_a_most(name: str, least: int, most: int) -> None:
    for number in (least, most):
        read(**{name: str(number)})
    for number in (least - 1, most + 1):
        assert problems(**{name: str(number)})


def test_a_budget_is_at_least_half_a_minute_and_at_most_a_day() -> None:
    endless = {"AzureFunctionsJobHost__functionTimeout": "-1"}
    for seconds in (30, 86_400):
        assert read(SWEEP_BUDGET_SECONDS=str(seconds), **endless).budget == seconds
    for seconds in (29, 86_401):
        assert problems(SWEEP_BUDGET_SECONDS=str(seconds), **endless)


def test_a_budget_that_leaves_a_minute_of_the_time_out_fits() -> None:
    assert read(SWEEP_BUDGET_SECONDS="1440").budget == 1440


# Moments


@pytest.mark.parametrize(
    "text",
    [
        "2027-03-31T08:00",
        "2027-3-31",
        "2027-02-30",
        "9999-12-31T23:59-01:00",
        "0001-01-01T00:00+01",
    ],
)
def test_a_moment_that_is_none_in_utc_is_an_error(text: str) -> None:
    (problem,) = problems(ENFORCE_FROM=text)
    assert problem.startswith(f"ENFORCE_FROM is {text!r}: ")


# Names and ids


@pytest.mark.parametrize("name", ["SWEEP_SUBSCRIPTIONS", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"])
@pytest.mark.parametrize("text", [ONE.replace("-", ""), f"{{{ONE}}}", f"{ONE}0", "x" * len(ONE)])
def test_an_id_is_written_as_azure_shows_it(name: str, text: str) -> None:
    assert problems(**{name: text})


def test_an_id_is_compared_in_lower_case() -> None:
    assert read(AZURE_TENANT_ID=ONE.upper()).tenant_id == ONE


@pytest.mark.parametrize("text", ["a" * 90, "mg-1", "a_b.c(d)"])
def test_an_id_of_a_management_group_is_what_azure_takes(text: str) -> None:
    assert read(SWEEP_MANAGEMENT_GROUPS=text).scope.management_groups == (text,)


@pytest.mark.parametrize("text", ["a" * 91, "a b", "a/b", "\u00e4"])
def test_nothing_else_is_one(text: str) -> None:
    assert problems(SWEEP_MANAGEMENT_GROUPS=text)


@pytest.mark.parametrize("text", ["x" * 512, "keep keys", "\u0441\u043e\u0445\u0440", "a:b"])
def test_a_tags_name_is_what_azure_takes(text: str) -> None:
    assert read(EXEMPTION_TAG=text).rules.tag == text


@pytest.mark.parametrize(
    "text", ["x" * 513, "a\u200bb", "a\nb", *(f"a{bad}" for bad in "<>%&\\?/")]
)
def test_a_tags_name_that_azure_refuses_is_an_error(text: str) -> None:
    assert problems(EXEMPTION_TAG=text)


@pytest.mark.parametrize("name", ["EXEMPTION_TAG", "SWEEP_KINDS", "AZURE_CLIENT_ID"])
@pytest.mark.parametrize(
    "text",
    [
        "@Microsoft.KeyVault(VaultName=v;SecretName=tag)",
        " @microsoft.keyvault(VaultName=v;SecretName=tag)",
        "@Microsoft.AppConfiguration(Endpoint=x; Key=tag)",
    ],
)
def test_a_reference_that_azure_has_not_resolved_is_no_value(name: str, text: str) -> None:
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name} is a reference that Azure has not resolved")


@pytest.mark.parametrize("text", ["X", "XX"])
def test_a_letter_is_no_bad_one(text: str) -> None:
    assert read(EXEMPTION_TAG=text).rules.tag == text


# Azure Resource Manager


LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])


def test_a_hosts_name_has_253_letters_at_most() -> None:
    scope = "https://x/.default"
    assert read(ARM_ENDPOINT=f"https://{LONGEST}", ARM_SCOPE=scope).cloud == Cloud(
        f"https://{LONGEST}", scope
    )
    assert problems(ARM_ENDPOINT=f"https://{LONGEST}b", ARM_SCOPE=scope)


@pytest.mark.parametrize(
    "text", ["x", "http://x/.default", "https://x", "https://x/.default/", "https://a b/.default"]
)
def test_a_scope_that_no_token_is_given_for_is_an_error(text: str) -> None:
    (problem,) = problems(ARM_ENDPOINT="https://x", ARM_SCOPE=text)
    assert problem.startswith(f"ARM_SCOPE is {text!r}: ")


# Where telemetry goes


def test_where_telemetry_goes_is_read_whatever_else_is_wrong() -> None:
    assert read_connection_string({TELEMETRY: f" {LEAST[TELEMETRY]} "}) == LEAST[TELEMETRY]


@pytest.mark.parametrize("text", ["", "x"])
def test_if_that_is_wrong_itself_every_problem_is_told(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_connection_string({TELEMETRY: text})
    assert [problem.split()[0] for problem in caught.value.problems] == ["SWEEP_MODE", TELEMETRY]


@pytest.mark.parametrize(
    "text",
    [
        f"InstrumentationKey={ONE.upper()}",
        f"IngestionEndpoint=https://x/;InstrumentationKey={ONE}",
        f"IngestionEndpoint=https://x/; InstrumentationKey={ONE} ; LiveEndpoint=https://y/",
    ],
)
def test_a_connection_string_has_a_key_somewhere(text: str) -> None:
    assert read_connection_string({TELEMETRY: text}) == text


@pytest.mark.parametrize(
    "text",
    [f"XInstrumentationKey={ONE}", f"InstrumentationKey={ONE}0", f"InstrumentationKey={'g' * 36}"],
)
def test_one_without_a_key_is_none(text: str) -> None:
    assert any(TELEMETRY in problem for problem in problems(**{TELEMETRY: text}))


# Blanks


def test_a_setting_of_blanks_contradicts_no_other() -> None:
    scope = read(SWEEP_MANAGEMENT_GROUPS=" ", SWEEP_SUBSCRIPTIONS=ONE).scope
    assert scope == Scope(subscriptions=(ONE,))


TIMEOUT = "AzureFunctionsJobHost__functionTimeout"


def test_a_time_out_of_blanks_is_that_of_host_json() -> None:
    assert read(**{TIMEOUT: " "}).budget == 1200


def test_blanks_around_a_time_out_do_not_count() -> None:
    assert read(**{TIMEOUT: " 00:40:00 "}, SWEEP_BUDGET_SECONDS="2340").budget == 2340


def test_a_budget_is_not_held_against_a_time_out_that_can_not_be_read() -> None:
    (problem,) = problems(**{TIMEOUT: "soon"}, SWEEP_BUDGET_SECONDS="86400")
    assert problem.startswith(TIMEOUT)


def test_a_time_out_of_a_second_is_one() -> None:
    (problem,) = problems(**{TIMEOUT: "00:00:01"})
    assert problem.endswith("does not fit into the functionTimeout of 1 s")


# What is said


def test_what_was_given_is_shown_to_a_hundred_letters() -> None:
    shown = "x" * 100
    assert any(f"{shown!r}" in problem for problem in problems(SWEEP_MODE=shown))
    assert any(f"'{shown}…'" in problem for problem in problems(SWEEP_MODE=f"{shown}x"))


def test_what_python_says_of_a_value_is_not_said() -> None:
    (problem,) = problems(AZURE_CLIENT_ID="x" * len(ONE))
    assert "(" not in problem


@pytest.mark.parametrize(
    ("near", "meant"),
    [("ENFORCE_FRM", "ENFORCE_FROM"), ("ARM_SCOPES", "ARM_SCOPE"), ("ARM_SOPES", "ARM_SCOPE")],
)
def test_the_nearest_setting_is_named(near: str, meant: str) -> None:
    assert unknown_names({near: "x"}) == [f"{near} is no setting: {meant}?"]


def test_a_name_that_begins_like_ours_and_resembles_none_is_named_alone() -> None:
    assert unknown_names({"SWEEP_QQQQQQQQQQ": "x"}) == ["SWEEP_QQQQQQQQQQ is no setting"]


def test_no_two_settings_are_so_alike_that_a_slip_of_the_pen_is_nearer_to_the_wrong_one() -> None:
    names = [essence(setting.name) for setting in SETTINGS]
    # A slip of the pen is two edits, so at four a name is as near to both.
    assert all(edits(one, other, 3) > 3 for one, other in combinations(names, 2))


def test_names_that_are_wrong_are_told_in_their_order() -> None:
    told = unknown_names({"SWEEP_B": "x", "PATH": "x", "SWEEP_A": "x"})
    assert [text.split()[0] for text in told] == ["SWEEP_A", "SWEEP_B"]


def test_a_schedule_that_can_not_be_read_says_which_part_of_it() -> None:
    with pytest.raises(SettingsError, match="'61' is nothing that the minute can be"):
        read_settings({**LEAST, "SWEEP_SCHEDULE": "61 * * * *"})


def test_a_reference_that_azure_has_not_resolved_hides_no_other_problem() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(
            {
                **LEAST,
                "SWEEP_SCHEDULE": "@Microsoft.KeyVault(VaultName=v;SecretName=s)",
                "SWEEP_CONCURRENCY": "none",
            }
        )
    assert len(caught.value.problems) == 2
