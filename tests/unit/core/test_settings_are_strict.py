"""Settings: strict, every problem named in one error, nothing read at import."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.core.decision import Rules, Scope
from shared.core.errors import SettingsError
from shared.core.kinds import KINDS
from shared.core.model import Level
from shared.core.settings import (
    CLOUDS,
    FUNCTION_TIMEOUT,
    FUNCTION_TIMEOUT_SECONDS,
    SETTINGS,
    Cloud,
    LogsApi,
    Mode,
    Settings,
    read_settings,
)

ROOT = Path(__file__).parent.parent.parent.parent
GROUP = "contoso-landingzones"
ONE, TWO = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
LEAST = {
    "SWEEP_MODE": "audit",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={ONE};IngestionEndpoint=https://x/",
}


def problems(**settings: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings({**LEAST, **settings})
    return str(caught.value)


def test_only_two_settings_are_required_and_the_rest_have_safe_defaults() -> None:
    settings = read_settings(LEAST)
    assert settings.mode is Mode.AUDIT
    assert settings.scope == Scope()
    assert settings.rules == Rules()
    assert settings.cloud == CLOUDS["AZURE_PUBLIC_CLOUD"]


def test_an_empty_environment_names_both() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert len(caught.value.problems) == 2
    assert "SWEEP_MODE is not set" in str(caught.value)
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING is not set" in str(caught.value)


def test_every_wrong_setting_is_named_at_once_with_its_value_and_what_is_allowed() -> None:
    wrong = {
        "SWEEP_MODE": "enforcing",
        "SWEEP_SCHEDULE": "0 */15 * * *  * 2027",
        "SWEEP_SUBSCRIPTIONS": "production",
        "SWEEP_KINDS": "Cognition",
        "EXEMPTION_TAG": "a/b",
        "EXEMPTION_REQUIRE_UNTIL": "ture",
        "EXEMPTION_MAX_DAYS": "-1",
        "EXEMPTION_UNREADABLE": "ignore",
        "NO_SUBDOMAIN": "skip",
        "MAX_CHANGES_PER_SWEEP": "0",
        "BRAKE": "off",
        "BRAKE_RELEASE_UNTIL": "tomorrow",
        "ENFORCE_FROM": "2026-12-01T08:00",
        "EXEMPTION_INHERIT": "tenant",
        "SWEEP_BUDGET_SECONDS": "5",
        "SWEEP_CONCURRENCY": "0",
        "AZURE_CLIENT_ID": "me",
        "AZURE_SDK_CLOUD_CONF": "AZURE_MOON",
    }
    text = problems(**wrong)
    for setting in SETTINGS:
        if setting.name in wrong:
            assert f"{setting.name} is {wrong[setting.name]!r}" in text
            assert setting.allowed in text


def test_a_wrong_connection_string_is_named_and_never_shown() -> None:
    text = problems(APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=hunter2")
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in text
    assert "hunter2" not in text


def test_management_groups_and_subscriptions_exclude_each_other() -> None:
    text = problems(SWEEP_MANAGEMENT_GROUPS=GROUP, SWEEP_SUBSCRIPTIONS=ONE)
    assert "SWEEP_MANAGEMENT_GROUPS and SWEEP_SUBSCRIPTIONS are both set" in text


@pytest.mark.parametrize(
    "alone", [{"ARM_ENDPOINT": "https://x"}, {"ARM_SCOPE": "https://x/.default"}]
)
def test_another_resource_manager_needs_its_scope_too(alone: dict[str, str]) -> None:
    assert "ARM_ENDPOINT and ARM_SCOPE go together" in problems(**alone)


def test_a_token_is_never_to_be_sent_in_the_clear() -> None:
    assert "ARM_ENDPOINT is 'http://x'" in problems(
        ARM_ENDPOINT="http://x", ARM_SCOPE="https://x/.default"
    )


def test_turning_down_to_audit_ignores_the_release_of_the_brake_and_says_so() -> None:
    settings = read_settings({**LEAST, "BRAKE_RELEASE_UNTIL": "2030-01-01"})
    assert settings.limits.release_until is None
    assert settings.notes == ("BRAKE_RELEASE_UNTIL is left out of account: SWEEP_MODE is audit.",)


def test_in_enforce_mode_the_release_counts_and_nothing_is_noted() -> None:
    environ = {**LEAST, "SWEEP_MODE": "enforce", "BRAKE_RELEASE_UNTIL": "2030-01-01"}
    settings = read_settings(environ)
    assert settings.limits.release_until == datetime(2030, 1, 1, tzinfo=UTC)
    assert settings.notes == ()


some_values = {
    "SWEEP_SCHEDULE": ["0 0 * * * *", "0 0 0 30 2 *"],
    "SWEEP_MANAGEMENT_GROUPS": [GROUP, "a/b"],
    "SWEEP_SUBSCRIPTIONS": [ONE, f"{ONE},{TWO}"],
    "SWEEP_EXCLUDE_SUBSCRIPTIONS": [TWO, ","],
    "SWEEP_KINDS": ["OpenAI", "other:New", "Nothing"],
    "EXEMPTION_TAG": ["keep", "a/b"],
    "EXEMPTION_INHERIT": ["true", "subscription"],
    "EXEMPTION_REQUIRE_UNTIL": ["true"],
    "EXEMPTION_MAX_DAYS": ["30"],
    "EXEMPTION_UNREADABLE": ["disable"],
    "NO_SUBDOMAIN": ["hold"],
    "MAX_CHANGES_PER_SWEEP": ["1", "0"],
    "BRAKE": ["trickle"],
    "BRAKE_RELEASE_UNTIL": ["2030-01-01", "2020-01-01", "tomorrow"],
    "ENFORCE_FROM": ["2030-01-01", "2020-01-01T08:00Z"],
    "SWEEP_CONCURRENCY": ["1"],
    "SWEEP_BUDGET_SECONDS": ["30", "1440", "86400"],
    FUNCTION_TIMEOUT: ["00:05", "-1", "soon"],
    "AZURE_CLIENT_ID": [ONE],
    "AZURE_TENANT_ID": [TWO],
    "AZURE_SDK_CLOUD_CONF": ["AZURE_CHINA_CLOUD"],
    "ARM_ENDPOINT": ["https://arm.contoso.com"],
    "ARM_SCOPE": ["https://arm.contoso.com/.default"],
    "SWEEP_MOD": ["audit"],
}


@given(
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in some_values.items()}
    )
)
def test_law_whoever_only_turns_keysweep_down_to_audit_meets_no_error(
    environ: dict[str, str],
) -> None:
    wrong = {}
    for mode in ("enforce", "audit"):
        try:
            read_settings({**LEAST, **environ, "SWEEP_MODE": mode})
        except SettingsError as error:
            wrong[mode] = error.problems
    assert wrong.get("audit") == wrong.get("enforce")


def test_every_setting_but_those_that_a_sweep_must_have_is_tried_in_that_law() -> None:
    assert {setting.name for setting in SETTINGS} - set(some_values) == set(LEAST)


def test_a_budget_must_fit_into_the_functions_time_out() -> None:
    assert "does not fit into the functionTimeout of 1500 s" in problems(
        SWEEP_BUDGET_SECONDS="1441"
    )
    longer = {"AzureFunctionsJobHost__functionTimeout": "00:40:00"}
    settings = read_settings({**LEAST, **longer, "SWEEP_BUDGET_SECONDS": "2340"})
    assert settings.budget == 2340


def test_the_time_out_that_the_budget_must_fit_into_is_that_of_host_json() -> None:
    hours, minutes, seconds = json.loads((ROOT / "host.json").read_text())["functionTimeout"].split(
        ":"
    )
    assert int(hours) * 3600 + int(minutes) * 60 + int(seconds) == FUNCTION_TIMEOUT_SECONDS


def test_all_contradictions_are_named_at_once() -> None:
    text = problems(
        SWEEP_MANAGEMENT_GROUPS=GROUP,
        SWEEP_SUBSCRIPTIONS=ONE,
        ARM_SCOPE="https://x/.default",
        SWEEP_BUDGET_SECONDS="86400",
    )
    for name in ("SWEEP_SUBSCRIPTIONS", "ARM_ENDPOINT", "SWEEP_BUDGET_SECONDS"):
        assert name in text


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("", ()),
        ("false", ()),
        ("true", (Level.RESOURCE_GROUP, Level.SUBSCRIPTION)),
        ("Subscription", (Level.SUBSCRIPTION,)),
        ("subscription, resourceGroup", (Level.RESOURCE_GROUP, Level.SUBSCRIPTION)),
    ],
)
def test_inheritance_is_off_unless_switched_on(text: str, levels: tuple[Level, ...]) -> None:
    assert read_settings({**LEAST, "EXEMPTION_INHERIT": text}).inherit == levels


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-03-31", datetime(2027, 3, 31, tzinfo=UTC)),
        ("2027-03-31T08:00Z", datetime(2027, 3, 31, 8, tzinfo=UTC)),
        ("2027-03-31T08:00:00+02:00", datetime(2027, 3, 31, 6, tzinfo=UTC)),
    ],
)
def test_moments_have_a_zone_or_are_the_beginning_of_a_day(text: str, moment: datetime) -> None:
    assert read_settings({**LEAST, "ENFORCE_FROM": text}).enforce_from == moment


def test_lists_are_split_by_comma_trimmed_and_without_doubles() -> None:
    settings = read_settings(
        {**LEAST, "SWEEP_SUBSCRIPTIONS": f" {TWO.upper()} ,{ONE},, {TWO}", "SWEEP_KINDS": "OpenAI"}
    )
    assert settings.scope == Scope(subscriptions=(TWO, ONE), kinds=("OpenAI",))


LISTS = {
    "SWEEP_MANAGEMENT_GROUPS": GROUP,
    "SWEEP_SUBSCRIPTIONS": ONE,
    "SWEEP_EXCLUDE_SUBSCRIPTIONS": TWO,
    "SWEEP_KINDS": "Face",
    "EXEMPTION_INHERIT": "subscription",
}


def listed(settings: Settings, name: str) -> tuple[str, ...]:
    return {
        "SWEEP_MANAGEMENT_GROUPS": settings.scope.management_groups,
        "SWEEP_SUBSCRIPTIONS": settings.scope.subscriptions,
        "SWEEP_EXCLUDE_SUBSCRIPTIONS": settings.scope.excluded_subscriptions,
        "SWEEP_KINDS": settings.scope.kinds,
        "EXEMPTION_INHERIT": settings.inherit,
    }[name]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("text", [",", ", ,", " ,,\t,"])
def test_a_list_of_nothing_but_commas_is_an_error(name: str, text: str) -> None:
    assert f"{name} is {text.strip()!r}" in problems(**{name: text})


@given(st.sampled_from(list(LISTS)), st.lists(st.sampled_from(["", " ", "\t", ",", "it"])))
def test_law_a_list_is_absent_or_holds_something_or_is_an_error(
    name: str, parts: list[str]
) -> None:
    text = "".join(LISTS[name] if part == "it" else part for part in parts)
    assume(LISTS[name] * 2 not in text.replace(" ", "").replace("\t", ""))
    if text.strip() and "it" not in parts:
        assert f"{name} is " in problems(**{name: text})
        return
    found = listed(read_settings({**LEAST, name: text}), name)
    assert found == ((LISTS[name],) if "it" in parts else listed(read_settings(LEAST), name))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("openai, aiSERVICES", ("OpenAI", "AIServices")),
        ("OPENAI,OpenAI", ("OpenAI",)),
        ("customvision.TRAINING", ("CustomVision.Training",)),
        ("other:Brand.New", ("Brand.New",)),
        ("OpenAI, Other: BrandNew", ("OpenAI", "BrandNew")),
    ],
)
def test_kinds_are_spelled_as_azure_does_and_what_is_newer_is_taken_as_it_is(
    text: str, kinds: tuple[str, ...]
) -> None:
    assert read_settings({**LEAST, "SWEEP_KINDS": text}).scope.kinds == kinds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("OpenAl", "'OpenAl' is no known kind: OpenAI?"),
        ("OpenAI,AzureOpenAI", "'AzureOpenAI' is no known kind: OpenAI?"),
        ("AIService", "'AIService' is no known kind: AIServices?"),
        ("OpenAI AIServices", "is no known kind"),
        ("Zzz", "'Zzz' is no known kind)"),
        ("other:", "'' can be no kind"),
        ("other:Open AI", "'Open AI' can be no kind"),
        ("another:OpenAI", "is no known kind: OpenAI?"),
    ],
)
def test_a_kind_that_nobody_knows_is_an_error_with_the_likely_one(text: str, says: str) -> None:
    said = problems(SWEEP_KINDS=text)
    assert f"SWEEP_KINDS is {text!r} (" in said
    assert says in said
    assert "`other:Name`" in said


@pytest.mark.parametrize("name", ["SWEEP_KINDS", "SWEEP_SCHEDULE"])
def test_what_is_wrong_with_a_long_value_is_said_briefly(name: str) -> None:
    assert len(problems(**{name: "* * * * * " + "x" * 20_000})) < 600


def test_the_known_kinds_have_those_that_are_swept_by_default_and_no_doubles() -> None:
    assert {"OpenAI", "AIServices"} <= set(KINDS)
    assert len({kind.lower() for kind in KINDS}) == len(KINDS)


@given(st.sampled_from(KINDS), st.data())
def test_law_every_known_kind_is_taken_in_every_letter_case(kind: str, data: st.DataObject) -> None:
    swapped = data.draw(st.lists(st.booleans(), min_size=len(kind), max_size=len(kind)))
    text = "".join(
        letter.swapcase() if swap else letter for letter, swap in zip(kind, swapped, strict=True)
    )
    assert read_settings({**LEAST, "SWEEP_KINDS": text}).scope.kinds == (kind,)


ARM = "https://arm.contoso.com"


@pytest.mark.parametrize(
    "address",
    [
        ARM,
        f"{ARM}/",
        f"{ARM}:8443",
        "https://127.0.0.1:1/",
        "https://localhost:65535",
        "https://a-b.c",
    ],
)
def test_a_resource_manager_is_a_host_and_perhaps_a_port(address: str) -> None:
    settings = read_settings({**LEAST, "ARM_ENDPOINT": address, "ARM_SCOPE": f"{ARM}/.default"})
    assert settings.cloud.endpoint == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        *("http://arm.contoso.com", "arm.contoso.com", "https://", "https:///", f"{ARM}//"),
        *("https://user@arm.contoso.com", "https://user:word@arm.contoso.com", "https://@x"),
        *(f"{ARM}/path", f"{ARM}?x=1", f"{ARM}#x", f"{ARM}\\@evil.example", f"{ARM}%2fx"),
        *("https://arm..contoso.com", "https://.contoso.com", "https://-x.com", "https://x-"),
        *(f"{ARM}:", f"{ARM}:0", f"{ARM}:65536", f"{ARM}:x", f"{ARM}:443:443", "https://a_b.c"),
        *("https://arm.contoso.com\n.evil.example", "https://ärm.contoso.com", "https://a b"),
        *("https://" + "a" * 64, "https://" + ".".join(["a" * 60] * 5), "https://[::1]"),
        "https://management\uff0eazure.com",
    ],
)
def test_nothing_else_is_one_since_tokens_go_there(address: str) -> None:
    text = problems(ARM_ENDPOINT=address, ARM_SCOPE=f"{ARM}/.default")
    assert "ARM_ENDPOINT is " in text


@pytest.mark.parametrize("text", ["true", "YES", "on", "1", "false", "No", "OFF", "0"])
def test_booleans_are_a_closed_list(text: str) -> None:
    settings = read_settings({**LEAST, "EXEMPTION_REQUIRE_UNTIL": text})
    assert settings.rules.require_until is (text.lower() in {"true", "yes", "on", "1"})


def test_clouds_and_endpoints() -> None:
    government = read_settings({**LEAST, "AZURE_SDK_CLOUD_CONF": "AZURE_US_GOVERNMENT"})
    assert government.cloud == Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        LogsApi("https://api.loganalytics.us", "https://api.loganalytics.us/.default"),
    )
    local = {"ARM_ENDPOINT": "https://127.0.0.1:8443/", "ARM_SCOPE": "https://x/.default"}
    assert read_settings({**LEAST, **local}).cloud == Cloud(
        "https://127.0.0.1:8443", "https://x/.default"
    )


def test_the_clouds_are_the_sdks_own() -> None:
    from azure.core import AzureClouds  # noqa: PLC0415
    from azure.mgmt.core.tools import get_arm_endpoints  # noqa: PLC0415

    for name, cloud in CLOUDS.items():
        theirs = get_arm_endpoints(AzureClouds[name])
        assert cloud.endpoint == theirs["resource_manager"].rstrip("/")
        assert cloud.scope in theirs["credential_scopes"]


def test_the_sample_has_every_setting_and_is_itself_valid() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    assert {setting.name for setting in SETTINGS} <= set(sample)
    assert read_settings(sample).mode is Mode.AUDIT
