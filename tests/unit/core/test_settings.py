"""Settings: strict, every problem named in one error, nothing read at import."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from azure.core import AzureClouds
from azure.mgmt.core.tools import get_arm_endpoints
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.core.clouds import CLOUDS, Cloud, LogsApi
from shared.core.decision import Brake, Limits, Rules, Scope
from shared.core.errors import SettingsError
from shared.core.function_timeout import FUNCTION_TIMEOUT, FUNCTION_TIMEOUT_SECONDS
from shared.core.model import Level
from shared.core.rings import Ring, Rings
from shared.core.schedule import Schedule
from shared.core.settings import (
    OPERATOR_SETTINGS,
    SETTINGS,
    Mode,
    Settings,
    read_connection_string,
    read_settings,
)
from tests.support.builders import LEAST

ROOT = Path(__file__).parents[3]
ONE, TWO = "0a000000-0000-0000-0000-000000000001", "0a000000-0000-0000-0000-000000000002"
TELEMETRY = "APPLICATIONINSIGHTS_CONNECTION_STRING"
ARM = "https://arm.contoso.com"
ARM_SCOPE = f"{ARM}/.default"
BOTH = (Level.RESOURCE_GROUP, Level.SUBSCRIPTION)


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
        "OWNER_TAGS": "owner, contact",
        "MAX_CHANGES_PER_SWEEP": "7",
        "BRAKE": "trickle",
        "BRAKE_RELEASE_UNTIL": "2027-01-01",
        "ENFORCE_FROM": "2027-02-01",
        "ENFORCE_SCOPES": "mg-dev, mg-test@2027-01-15",
        "SWEEP_CONCURRENCY": "3",
        "SWEEP_BUDGET_SECONDS": "600",
        "INVENTORY": "Daily",
        "AZURE_CLIENT_ID": ONE,
        "AZURE_TENANT_ID": TWO,
        "AZURE_SDK_CLOUD_CONF": "azure_china_cloud",
    }
    assert read(**environ) == Settings(
        mode=Mode.ENFORCE,
        schedule=Schedule.parse("0 0 * * * *"),
        scope=Scope(("mg",), (), (TWO,), ("OpenAI",)),
        rules=Rules("keep-keys", require_until=True, max_days=30, hold_unreadable=False,
                    hold_no_subdomain=True),
        limits=Limits(7, Brake.TRICKLE, datetime(2027, 1, 1, tzinfo=UTC)),
        enforce_from=datetime(2027, 2, 1, tzinfo=UTC),
        enforce_scopes=(Ring("mg-dev"), Ring("mg-test", datetime(2027, 1, 15, tzinfo=UTC))),
        inherit=(Level.SUBSCRIPTION,),
        owner_tags=("owner", "contact"),
        concurrency=3,
        budget=600.0,
        daily_inventory=True,
        client_id=ONE,
        tenant_id=TWO,
        cloud=CLOUDS["AZURE_CHINA_CLOUD"],
    )  # fmt: skip


def test_only_two_settings_are_required_and_the_rest_have_safe_defaults() -> None:
    assert read() == Settings(
        mode=Mode.AUDIT,
        schedule=Schedule.parse("0 */15 * * * *"),
        scope=Scope(),
        rules=Rules(),
        limits=Limits(25, Brake.HOLD, None),
        enforce_from=None,
        enforce_scopes=(),
        inherit=(),
        owner_tags=(),
        concurrency=48,
        budget=1200.0,
        daily_inventory=False,
        client_id=None,
        tenant_id=None,
        cloud=CLOUDS["AZURE_PUBLIC_CLOUD"],
    )
    with pytest.raises(SettingsError) as caught:
        read_settings({})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "SWEEP_MODE is not set", f"{TELEMETRY} is not set",
    ]  # fmt: skip


# What each may be


@pytest.mark.parametrize(
    ("name", "text", "where", "value"),
    [
        ("SWEEP_MODE", "ENFORCE", "mode", Mode.ENFORCE),
        *(("EXEMPTION_INHERIT", text, "inherit", BOTH) for text in ("TRUE", "Yes", "on", "1")),
        *(("EXEMPTION_INHERIT", text, "inherit", ()) for text in ("FALSE", "No", "off", "0", "")),
        ("EXEMPTION_INHERIT", "Subscription", "inherit", (Level.SUBSCRIPTION,)),
        ("EXEMPTION_INHERIT", "subscription, resourceGroup", "inherit", BOTH),
        *(("EXEMPTION_REQUIRE_UNTIL", text, "rules.require_until", True) for text in ("1", "YES")),
        *(("EXEMPTION_REQUIRE_UNTIL", text, "rules.require_until", False) for text in ("0", "No")),
        *(("EXEMPTION_MAX_DAYS", text, "rules.max_days", int(text)) for text in ("1", "3650")),
        *(
            ("MAX_CHANGES_PER_SWEEP", text, "limits.most_changes", int(text))
            for text in ("1", "100000")
        ),
        *(("SWEEP_CONCURRENCY", text, "concurrency", int(text)) for text in ("1", "64")),
        *(("SWEEP_BUDGET_SECONDS", text, "budget", float(text)) for text in ("30", "1440")),
        *(("INVENTORY", text, "daily_inventory", text == "daily") for text in ("off", "daily")),
        ("ENFORCE_FROM", "2027-03-31", "enforce_from", datetime(2027, 3, 31, tzinfo=UTC)),
        ("ENFORCE_FROM", "2027-03-31T08:00Z", "enforce_from", datetime(2027, 3, 31, 8, tzinfo=UTC)),
        (
            "ENFORCE_FROM",
            "2027-03-31T08:00:00+02:00",
            "enforce_from",
            datetime(2027, 3, 31, 6, tzinfo=UTC),
        ),
        ("AZURE_TENANT_ID", ONE.upper(), "tenant_id", ONE),
        *(
            ("SWEEP_MANAGEMENT_GROUPS", text, "scope.management_groups", (text,))
            for text in ("a" * 90, "mg-1", "a_b.c(d)")
        ),
        (
            "SWEEP_SUBSCRIPTIONS",
            f" {TWO.upper()} ,{ONE},, {TWO}",
            "scope.subscriptions",
            (TWO, ONE),
        ),
        ("SWEEP_KINDS", "OpenAI, Other: BrandNew", "scope.kinds", ("OpenAI", "BrandNew")),
        ("SWEEP_KINDS", "OPENAI,OpenAI", "scope.kinds", ("OpenAI",)),
        *(
            ("EXEMPTION_TAG", text, "rules.tag", text)
            for text in ("x" * 512, "keep keys", "\u0441\u043e\u0445\u0440", "a:b", "X")
        ),
    ],
)
def test_a_setting_is_taken_as_it_is_meant(name: str, text: str, where: str, value: Any) -> None:
    assert attrgetter(where)(read(**{name: text})) == value


WRONG = {
    "INVENTORY": ["true", "on", "hourly"],
    "SWEEP_MODE": ["enforcing"],
    "SWEEP_SCHEDULE": ["0 */15 * * *  * 2027"],
    "SWEEP_SUBSCRIPTIONS": ["production", ONE.replace("-", ""), f"{{{ONE}}}", f"{ONE}0", "x" * 36],
    "SWEEP_MANAGEMENT_GROUPS": ["a" * 91, "a b", "a/b", "\u00e4"],
    "SWEEP_KINDS": ["Cognition"],
    "EXEMPTION_TAG": ["x" * 513, "a\u200bb", "a\nb", *(f"a{bad}" for bad in "<>%&\\?/")],
    "EXEMPTION_INHERIT": ["tenant"],
    "EXEMPTION_REQUIRE_UNTIL": ["ture"],
    "EXEMPTION_MAX_DAYS": ["-1", "0", "3651"],
    "EXEMPTION_UNREADABLE": ["ignore"],
    "NO_SUBDOMAIN": ["skip"],
    "MAX_CHANGES_PER_SWEEP": [
        *("0", "100001", "1_0", "+10", "10.0", "1e1", "\u0661\u0660", "\u00b2", "x"),
    ],
    "BRAKE": ["off"],
    "BRAKE_RELEASE_UNTIL": ["tomorrow"],
    "ENFORCE_FROM": [
        *("2027-03-31T08:00", "2027-3-31", "2027-02-30"),
        *("9999-12-31T23:59-01:00", "0001-01-01T00:00+01"),
    ],
    "ENFORCE_SCOPES": ["mg dev", "@2027-01-01", "mg@", "mg@soon", "mg@2027-01-01@2027-02-01"],
    "SWEEP_CONCURRENCY": ["0", "65"],
    "SWEEP_BUDGET_SECONDS": ["29"],
    "AZURE_CLIENT_ID": ["me", f"{ONE}0"],
    "AZURE_TENANT_ID": ["x" * 36],
    "AZURE_SDK_CLOUD_CONF": ["AZURE_MOON"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in WRONG for text in WRONG[name]])
def test_what_it_can_not_be_is_named_with_what_is_allowed(name: str, text: str) -> None:
    (setting,) = (setting for setting in SETTINGS if setting.name == name)
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name} is {text[:100]!r}"[:-1])
    assert problem.endswith(f": it must be {setting.allowed}")


def test_every_wrong_setting_is_named_at_once() -> None:
    named = problems(**{name: texts[0] for name, texts in WRONG.items()})
    assert {problem.split()[0] for problem in named} == set(WRONG)


@pytest.mark.parametrize("name", ["SWEEP_KINDS", "SWEEP_SCHEDULE"])
def test_what_is_wrong_with_a_long_value_is_said_briefly(name: str) -> None:
    (problem,) = problems(**{name: "* * * * * " + "x" * 20_000})
    assert len(problem) < 600


def test_what_was_set_is_shown_to_a_hundred_letters_and_pythons_own_words_are_not() -> None:
    assert f"'{'x' * 100}'" in problems(SWEEP_MODE="x" * 100)[0]
    assert f"'{'x' * 100}…'" in problems(SWEEP_MODE="x" * 101)[0]
    assert "(" not in problems(AZURE_CLIENT_ID="x" * len(ONE))[0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("SWEEP_SCHEDULE", "61 * * * *", "'61' is nothing that the minute can be"),
        ("SWEEP_KINDS", "OpenAl", "'OpenAl' is no known kind: OpenAI?"),
        ("SWEEP_KINDS", "OpenAI,AzureOpenAI", "'AzureOpenAI' is no known kind: OpenAI?"),
        ("SWEEP_KINDS", "other:", "'' can be no kind"),
    ],
)
def test_a_schedule_and_a_kind_say_what_is_wrong_with_them(name: str, text: str, says: str) -> None:
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name} is {text!r} ({says}")


@pytest.mark.parametrize("name", ["EXEMPTION_TAG", "SWEEP_KINDS", "AZURE_CLIENT_ID"])
@pytest.mark.parametrize("text", [" @microsoft.keyvault(x)", "@Microsoft.AppConfiguration(x)"])
def test_a_reference_that_azure_has_not_resolved_is_no_value_and_hides_no_problem(
    name: str, text: str
) -> None:
    named = problems(**{name: text}, SWEEP_CONCURRENCY="none")
    assert any(problem.startswith(f"{name} is a reference that Azure") for problem in named)
    assert any(problem.startswith("SWEEP_CONCURRENCY is 'none'") for problem in named)


# Rings

JANUARY = datetime(2027, 1, 15, tzinfo=UTC)


def rings(text: str, **more: str) -> tuple[Ring, ...]:
    return read(ENFORCE_SCOPES=text, **more).enforce_scopes


@pytest.mark.parametrize(
    ("text", "ring"),
    [
        ("mg-dev", Ring("mg-dev")),
        ("MG-Dev", Ring("MG-Dev")),
        (" mg-test @ 2027-01-15 ", Ring("mg-test", JANUARY)),
        ("mg-test@2027-01-15T08:00Z", Ring("mg-test", JANUARY.replace(hour=8))),
        (ONE.upper(), Ring(ONE, is_group=False)),
        (f"{ONE}@2027-01-15", Ring(ONE, JANUARY, is_group=False)),
    ],
)
def test_a_ring_is_a_group_or_a_subscription_perhaps_with_a_moment(text: str, ring: Ring) -> None:
    assert rings(text) == (ring,)


def test_rings_are_listed_in_their_order_and_each_once() -> None:
    listed = rings(f"mg-test@2027-01-15, mg-dev, {ONE}, mg-dev")
    assert [ring.name for ring in listed] == ["mg-test", "mg-dev", ONE]


def test_the_id_of_the_tenant_is_its_root_group_and_no_subscription() -> None:
    assert rings(f"{ONE}, {TWO}", AZURE_TENANT_ID=TWO) == (Ring(ONE, is_group=False), Ring(TWO))


def test_what_is_swept_as_a_group_is_one_as_a_ring_too() -> None:
    assert rings(ONE, SWEEP_MANAGEMENT_GROUPS=ONE.upper()) == (Ring(ONE),)


def test_all_that_is_wrong_with_rings_is_named_at_once() -> None:
    text = f"mg dev, mg-test@soon, mg-a, MG-A@2027-01-15, {ONE}"
    (problem,) = problems(ENFORCE_SCOPES=text)
    assert problem.startswith(
        f"ENFORCE_SCOPES is {text[:100]!r} ('mg dev' can be no management group and no "
        "subscription; 'soon' of mg-test is no moment such as 2027-03-31T08:00Z; MG-A is listed "
        "twice): it must be "
    )


def test_of_very_many_problems_with_rings_twenty_are_named() -> None:
    (problem,) = problems(ENFORCE_SCOPES=",".join(f"a b{number}" for number in range(50)))
    assert problem.count("can be no management group") == 20
    assert "; and 30 more)" in problem


@pytest.mark.parametrize(
    ("name", "is_group"),
    [
        ("ABCDEF01-2345-6789-abcd-EF0123456789", False),
        ("gggggggg-5555-5555-5555-555555555555", True),
        ("5555555-55555-5555-5555-555555555555", True),
        ("55555555555555555555555555555555", True),
        ("55555555-5555-5555-5555-5555555555555", True),
    ],
)
def test_an_id_that_is_nearly_a_guid_is_a_groups_as_the_template_has_it(
    name: str, *, is_group: bool
) -> None:
    """tests/data/deployments/everything.bicepparam has the same, for the template."""
    (found,) = rings(name)
    assert found == Ring(name if is_group else name.lower(), is_group=is_group)


@pytest.mark.parametrize(
    "name",
    [
        "{5555555-5555-5555-5555-555555555555}",
        "{5555555555555555-5555555555555555-}",
        "0x555555-5555-5555-5555-555555555555",
        "5555555-55555-5555-5555-555555555555",
    ],
)
def test_a_subscription_is_a_guid_as_azure_writes_it(name: str) -> None:
    (problem,) = problems(SWEEP_SUBSCRIPTIONS=name)
    assert problem.startswith("SWEEP_SUBSCRIPTIONS is ")


def test_a_ring_that_is_seen_to_be_out_of_scope_is_an_error() -> None:
    (problem,) = problems(ENFORCE_SCOPES=f"{ONE}, mg", SWEEP_SUBSCRIPTIONS=TWO)
    assert problem == f"ENFORCE_SCOPES lists {ONE}, which is not in SWEEP_SUBSCRIPTIONS"


def test_a_person_who_asks_for_a_part_of_the_scope_meets_no_such_error() -> None:
    environ = {"SWEEP_MODE": "audit", "ENFORCE_SCOPES": ONE, "SWEEP_SUBSCRIPTIONS": TWO}
    assert read_settings(environ, OPERATOR_SETTINGS).enforce_scopes == (Ring(ONE, is_group=False),)


@pytest.mark.parametrize(("mode", "enforces"), [("audit", False), ("enforce", True)])
def test_the_rings_of_the_settings_have_their_mode_and_their_notice(
    mode: str, *, enforces: bool
) -> None:
    settings = read(SWEEP_MODE=mode, ENFORCE_FROM="2027-01-15", ENFORCE_SCOPES="mg")
    assert settings.rings == Rings(enforces=enforces, begins=JANUARY, listed=(Ring("mg"),))


# Lists

LISTS: dict[str, tuple[str, Callable[[Settings], Any]]] = {
    "SWEEP_MANAGEMENT_GROUPS": ("mg", attrgetter("scope.management_groups")),
    "SWEEP_SUBSCRIPTIONS": (ONE, attrgetter("scope.subscriptions")),
    "SWEEP_EXCLUDE_SUBSCRIPTIONS": (TWO, attrgetter("scope.excluded_subscriptions")),
    "SWEEP_KINDS": ("Face", attrgetter("scope.kinds")),
    "ENFORCE_SCOPES": ("mg", lambda settings: tuple(map(str, settings.enforce_scopes))),
    "EXEMPTION_INHERIT": ("subscription", attrgetter("inherit")),
    "OWNER_TAGS": ("owner", attrgetter("owner_tags")),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_nothing_but_commas_is_an_error(name: str) -> None:
    assert problems(**{name: " ,,\t,"})[0].startswith(f"{name} is ',,\\t,'")


@given(st.sampled_from(list(LISTS)), st.lists(st.sampled_from(["", " ", "\t", ",", "it"])))
def test_law_a_list_is_absent_or_holds_something_or_is_an_error(
    name: str, parts: list[str]
) -> None:
    item, found_in = LISTS[name]
    text = "".join(item if part == "it" else part for part in parts)
    assume(item * 2 not in text.replace(" ", "").replace("\t", ""))
    if text.strip() and "it" not in parts:
        assert problems(**{name: text})[0].startswith(f"{name} is ")
    else:
        expected = (item,) if "it" in parts else found_in(read())
        assert found_in(read(**{name: text})) == expected


# Settings that belong together


def test_all_contradictions_are_named_at_once() -> None:
    assert problems(
        SWEEP_MANAGEMENT_GROUPS="mg", SWEEP_SUBSCRIPTIONS=ONE, ARM_SCOPE=ARM_SCOPE,
        SWEEP_BUDGET_SECONDS="1441",
    ) == (
        "SWEEP_MANAGEMENT_GROUPS and SWEEP_SUBSCRIPTIONS are both set: give one",
        "ARM_ENDPOINT and ARM_SCOPE go together: give both or neither",
        (
            "SWEEP_BUDGET_SECONDS is 1441: with 60 s to spare it does not fit into the "
            "functionTimeout of 1500 s"
        ),
    )  # fmt: skip
    assert "ARM_ENDPOINT and ARM_SCOPE go together" in problems(ARM_ENDPOINT=ARM)[0]


@pytest.mark.parametrize("name", ["keep-keys", "KEEP-KEYS", "keep keys"])
def test_the_exemption_tag_and_what_is_nearly_it_name_no_owner(name: str) -> None:
    assert problems(OWNER_TAGS=f"owner,{name}", EXEMPTION_TAG="keep-keys") == (
        (
            f"OWNER_TAGS names {name!r}, and EXEMPTION_TAG is 'keep-keys': what that tag says of "
            "an owner counts without being listed"
        ),
    )


def test_a_setting_of_blanks_contradicts_no_other() -> None:
    scope = read(SWEEP_MANAGEMENT_GROUPS=" ", SWEEP_SUBSCRIPTIONS=ONE).scope
    assert scope == Scope(subscriptions=(ONE,))


def test_turning_down_to_audit_ignores_the_release_of_the_brake_and_says_so() -> None:
    audit = read(BRAKE_RELEASE_UNTIL="2030-01-01")
    assert audit.limits.release_until is None
    assert audit.notes == ("BRAKE_RELEASE_UNTIL is left out of account: SWEEP_MODE is audit.",)
    enforce = read(BRAKE_RELEASE_UNTIL="2030-01-01", SWEEP_MODE="enforce")
    assert enforce.limits.release_until == datetime(2030, 1, 1, tzinfo=UTC)
    assert enforce.notes == ()


some_values = {
    "SWEEP_SCHEDULE": ["0 0 * * * *", "0 0 0 30 2 *"],
    "SWEEP_MANAGEMENT_GROUPS": ["mg", "a/b"],
    "SWEEP_SUBSCRIPTIONS": [ONE, f"{ONE},{TWO}"],
    "SWEEP_EXCLUDE_SUBSCRIPTIONS": [TWO, ","],
    "SWEEP_KINDS": ["OpenAI", "other:New", "Nothing"],
    "EXEMPTION_TAG": ["keep", "a/b"],
    "EXEMPTION_INHERIT": ["true", "subscription"],
    "EXEMPTION_REQUIRE_UNTIL": ["true"],
    "EXEMPTION_MAX_DAYS": ["30"],
    "EXEMPTION_UNREADABLE": ["disable"],
    "NO_SUBDOMAIN": ["hold"],
    "OWNER_TAGS": ["owner,contact", "keep", "a/b"],
    "MAX_CHANGES_PER_SWEEP": ["1", "0"],
    "BRAKE": ["trickle"],
    "BRAKE_RELEASE_UNTIL": ["2030-01-01", "2020-01-01", "tomorrow"],
    "ENFORCE_FROM": ["2030-01-01", "2020-01-01T08:00Z"],
    "ENFORCE_SCOPES": ["mg-dev, mg-test@2030-01-01", TWO, "mg-dev@soon"],
    "SWEEP_CONCURRENCY": ["1"],
    "SWEEP_BUDGET_SECONDS": ["30", "1440", "86400"],
    "INVENTORY": ["daily", "hourly"],
    FUNCTION_TIMEOUT: ["00:05", "-1", "soon"],
    "AZURE_CLIENT_ID": [ONE],
    "AZURE_TENANT_ID": [TWO],
    "AZURE_SDK_CLOUD_CONF": ["AZURE_CHINA_CLOUD"],
    "ARM_ENDPOINT": [ARM],
    "ARM_SCOPE": [ARM_SCOPE],
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
            read(**environ, SWEEP_MODE=mode)
        except SettingsError as error:
            wrong[mode] = error.problems
    assert wrong.get("audit") == wrong.get("enforce")


def test_every_setting_but_those_that_a_sweep_must_have_is_tried_in_that_law() -> None:
    assert {setting.name for setting in SETTINGS} - set(some_values) == set(LEAST)


# Azure Resource Manager

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])


@pytest.mark.parametrize(
    "address",
    [
        *(ARM, f"{ARM}/", f"{ARM}:8443", "https://127.0.0.1:1/", "https://localhost:65535"),
        *("https://a-b.c", f"https://{LONGEST}"),
    ],
)
def test_a_resource_manager_is_a_host_and_perhaps_a_port(address: str) -> None:
    cloud = read(ARM_ENDPOINT=address, ARM_SCOPE=ARM_SCOPE).cloud
    assert cloud == Cloud(address.rstrip("/"), ARM_SCOPE)


@pytest.mark.parametrize(
    "address",
    [
        *("http://arm.contoso.com", "arm.contoso.com", "https://", "https:///", f"{ARM}//"),
        *("https://user@arm.contoso.com", "https://user:word@arm.contoso.com", "https://@x"),
        *(f"{ARM}/path", f"{ARM}?x=1", f"{ARM}#x", f"{ARM}\\@evil.example", f"{ARM}%2fx"),
        *("https://arm..contoso.com", "https://.contoso.com", "https://-x.com", "https://x-"),
        *(f"{ARM}:", f"{ARM}:0", f"{ARM}:65536", f"{ARM}:x", f"{ARM}:443:443", "https://a_b.c"),
        *("https://arm.contoso.com\n.evil.example", "https://ärm.contoso.com", "https://a b"),
        *("https://" + "a" * 64, f"https://{LONGEST}b", "https://[::1]"),
        "https://management\uff0eazure.com",
    ],
)
def test_nothing_else_is_one_since_tokens_go_there(address: str) -> None:
    assert problems(ARM_ENDPOINT=address, ARM_SCOPE=ARM_SCOPE)[0].startswith("ARM_ENDPOINT is ")


@pytest.mark.parametrize(
    "text", ["x", "http://x/.default", "https://x", "https://x/.default/", "https://a b/.default"]
)
def test_a_scope_that_no_token_is_given_for_is_an_error(text: str) -> None:
    (problem,) = problems(ARM_ENDPOINT=ARM, ARM_SCOPE=text)
    assert problem.startswith(f"ARM_SCOPE is {text!r}: ")


def test_the_clouds_are_the_sdks_own() -> None:
    for name, cloud in CLOUDS.items():
        theirs = get_arm_endpoints(AzureClouds[name])
        assert cloud.endpoint == theirs["resource_manager"].rstrip("/")
        assert cloud.scope in theirs["credential_scopes"]
    logs = "https://api.loganalytics.us"
    assert CLOUDS["AZURE_US_GOVERNMENT"].logs == LogsApi(logs, f"{logs}/.default")


# Where telemetry goes


@pytest.mark.parametrize(
    "text",
    [
        f"InstrumentationKey={ONE.upper()}",
        f"IngestionEndpoint=https://x/; InstrumentationKey={ONE} ; LiveEndpoint=https://y/",
    ],
)
def test_where_telemetry_goes_is_read_whatever_else_is_wrong(text: str) -> None:
    assert read_connection_string({TELEMETRY: f" {text} "}) == text


@pytest.mark.parametrize(
    "text",
    ["", f"XInstrumentationKey={ONE}", f"InstrumentationKey={ONE}0", "InstrumentationKey=hunter2"],
)
def test_if_that_is_wrong_itself_every_problem_is_told_and_its_value_never_shown(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_connection_string({TELEMETRY: text})
    named = caught.value.problems
    assert [problem.split()[0] for problem in named] == ["SWEEP_MODE", TELEMETRY]
    assert "Key=" not in "".join(named)


# Files that go with them


def test_the_sample_has_every_setting_and_is_itself_valid() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    assert {setting.name for setting in SETTINGS} <= set(sample)
    assert read_settings(sample).mode is Mode.AUDIT


def test_the_time_out_that_the_budget_must_fit_into_is_that_of_host_json() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    assert hours * 3600 + minutes * 60 + seconds == FUNCTION_TIMEOUT_SECONDS
