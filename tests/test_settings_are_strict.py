"""Settings: strict, every problem named in one error, nothing read at import."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.decision import Rules
from shared.errors import SettingsError
from shared.model import Level
from shared.settings import (
    CLOUDS,
    FUNCTION_TIMEOUT_SECONDS,
    SETTINGS,
    Cloud,
    Mode,
    Scope,
    read_settings,
)

ROOT = Path(__file__).parent.parent
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
        "SWEEP_KINDS": ",",
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


def test_a_release_in_audit_mode_contradicts_itself() -> None:
    assert "BRAKE_RELEASE_UNTIL releases nothing" in problems(BRAKE_RELEASE_UNTIL="2030-01-01")


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
        BRAKE_RELEASE_UNTIL="2030-01-01",
        SWEEP_BUDGET_SECONDS="86400",
    )
    for name in ("SWEEP_SUBSCRIPTIONS", "BRAKE_RELEASE_UNTIL", "SWEEP_BUDGET_SECONDS"):
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


@pytest.mark.parametrize("text", ["true", "YES", "on", "1", "false", "No", "OFF", "0"])
def test_booleans_are_a_closed_list(text: str) -> None:
    settings = read_settings({**LEAST, "EXEMPTION_REQUIRE_UNTIL": text})
    assert settings.rules.require_until is (text.lower() in {"true", "yes", "on", "1"})


def test_clouds_and_endpoints() -> None:
    government = read_settings({**LEAST, "AZURE_SDK_CLOUD_CONF": "AZURE_US_GOVERNMENT"})
    assert government.cloud == Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
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
