"""Names of the environment: a slip of the pen is an error, other tools' names are none."""

import string
import types
from itertools import combinations

import azure.identity._constants
import azure.monitor.opentelemetry.exporter._constants
import opentelemetry.environment_variables
import opentelemetry.sdk.environment_variables
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.core.errors import SettingsError
from shared.core.function_timeout import FUNCTION_TIMEOUT
from shared.core.settings import OPERATOR_SETTINGS, SETTINGS, read_settings, unknown_names
from shared.core.spelling import edits, essence
from tests.support.builders import LEAST

OURS = [setting.name for setting in SETTINGS]
SECRET = "hunter2"


def said(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings({**LEAST, **environ})
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SWEEP_MANAGMENT_GROUPS", "SWEEP_MANAGEMENT_GROUPS"),
        ("SWEEP_EXCLUDE_SUBSCRIPTION", "SWEEP_EXCLUDE_SUBSCRIPTIONS"),
        ("EXEMPTON_TAG", "EXEMPTION_TAG"),
        ("EXEMPT_TAG", "EXEMPTION_TAG"),
        ("sweep_mode", "SWEEP_MODE"),
        ("SweepMode", "SWEEP_MODE"),
        ("SWEEP-KINDS", "SWEEP_KINDS"),
        ("SWEEP_GROUPS", "SWEEP_MANAGEMENT_GROUPS"),
        ("SWEPP_SUBSCIPTIONS", "SWEEP_SUBSCRIPTIONS"),
        ("BRAKE_RELEASE", "BRAKE_RELEASE_UNTIL"),
        ("BRAK", "BRAKE"),
        ("ENFORCE_AFTER", "ENFORCE_FROM"),
        ("MAX_CHANGES", "MAX_CHANGES_PER_SWEEP"),
        ("NO_SUBDOMAINS", "NO_SUBDOMAIN"),
        ("NOSUBDOMAIN", "NO_SUBDOMAIN"),
        ("AZURE_CLIENTID", "AZURE_CLIENT_ID"),
        ("AZURE_TENNANT_ID", "AZURE_TENANT_ID"),
        ("ARM_ENDPIONT", "ARM_ENDPOINT"),
        ("ENFORCE_FRM", "ENFORCE_FROM"),
        ("ARM_SCOPES", "ARM_SCOPE"),
        ("ARM_SOPES", "ARM_SCOPE"),
        ("APPLICATIONINSIGHT_CONNECTION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING"),
        ("AzureFunctionsJobHost_functionTimeout", FUNCTION_TIMEOUT),
        ("AzureFunctionsJobHost__functionTimeOuts", FUNCTION_TIMEOUT),
    ],
)
def test_a_misspelled_name_is_an_error_that_names_the_likely_setting(name: str, meant: str) -> None:
    assert f"{name} is no setting: {meant}?" in said(**{name: "x"})


@pytest.mark.parametrize(
    "name",
    ["SWEEP_ZZZZZZZZZZ", "EXEMPTQQQQQQQQQQQQQQQ", "brakeman_xyz_1234", "NO_SUBDOMAIN_QQQQQQQQQQ"],
)
def test_a_name_that_begins_like_ours_is_an_error_even_if_it_resembles_none(name: str) -> None:
    assert f"{name} is no setting" in said(**{name: "x"})


def test_a_short_name_that_is_two_letters_from_ours_is_somebody_elses() -> None:
    read_settings({**LEAST, "BLAKES": "x"})


def test_misspelled_names_are_said_in_their_order() -> None:
    names = unknown_names({"SWEEP_B": "x", "PATH": "x", "SWEEP_A": "x"})
    assert [text.split()[0] for text in names] == ["SWEEP_A", "SWEEP_B"]
    assert unknown_names({"SWEEP_QQQQQQQQQQ": "x"}) == ["SWEEP_QQQQQQQQQQ is no setting"]


def test_the_value_of_a_misspelled_setting_is_never_shown() -> None:
    assert SECRET not in said(SWEEP_TOKEN=SECRET, APPLICATIONINSIGHTS_CONNECTION_STRIN=SECRET)


def test_a_misspelled_name_stands_beside_what_it_left_unset() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({**LEAST, "SWEEP_MODE": "", "SWEEP_MOD": "audit"})
    assert caught.value.problems == (
        "SWEEP_MOD is no setting: SWEEP_MODE?",
        "SWEEP_MODE is not set: it must be `audit` or `enforce`",
    )


def test_a_misspelled_name_without_a_value_counts_as_absent_as_a_setting_does() -> None:
    read_settings({**LEAST, "SWEEP_MANAGMENT_GROUPS": " "})


def test_a_name_that_could_act_on_a_terminal_or_flood_a_log_is_shown_inert_and_cut() -> None:
    text = said(**{f"SWEEP_\x1b[2J{'A' * 5_000}": "x"})
    assert "\x1b" not in text
    assert len(text) < 400


def test_the_command_line_takes_the_functions_connection_string_for_what_it_is() -> None:
    read_settings(LEAST, OPERATOR_SETTINGS)


# What other tools set

AZ_AND_AZD = (
    *(
        "AZURE_CONFIG_DIR",
        "AZURE_CORE_OUTPUT",
        "AZURE_CORE_ONLY_SHOW_ERRORS",
        "AZURE_DEFAULTS_GROUP",
    ),
    *("AZURE_DEFAULTS_LOCATION", "AZURE_EXTENSION_DIR", "AZURE_HTTP_USER_AGENT", "AZURE_CLOUD"),
    *("AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "AZURE_PRINCIPAL_ID"),
    *("AZURE_RESOURCE_GROUP", "AZURE_MANAGEMENT_GROUP_ID", "AZURE_PRINCIPAL_TYPE"),
    *("AZD_IN_CLOUDSHELL", "AZURE_DEV_COLLECT_TELEMETRY", "PRINCIPAL_ID", "MANAGEMENT_GROUP_ID"),
    *("FUNCTION_APP_NAME", "RESOURCE_GROUP", "COMPONENT_ID", "STOP_COMMAND", "KEYSWEEP_GUARDRAIL"),
    *("KEYSWEEP_DAILY_QUOTA_GB", "SERVICE_APP_NAME", "AZURE_CREDENTIALS", "AZURE_OPENAI_ENDPOINT"),
)
TERRAFORM_AND_ANSIBLE = (
    *("ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_TENANT_ID", "ARM_SUBSCRIPTION_ID"),
    *("ARM_ENVIRONMENT", "ARM_METADATA_HOST", "ARM_METADATA_HOSTNAME", "ARM_MSI_ENDPOINT"),
    *("ARM_USE_MSI", "ARM_USE_OIDC", "ARM_OIDC_TOKEN", "ARM_OIDC_REQUEST_URL", "ARM_ACCESS_KEY"),
    *("AZURE_TENANT", "AZURE_SECRET", "AZURE_AD_USER", "AZURE_CLOUD_ENVIRONMENT", "AZURE_PROFILE"),
)
FUNCTIONS = (
    *("AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__clientId"),
    *("AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__credential"),
    *("AzureWebJobs.sweep.Disabled", "AzureFunctionsJobHost__logging__logLevel__default"),
    *("AzureFunctionsJobHost__telemetryMode", "AzureFunctionsWebHost__hostid"),
    *("AzureFunctionsJobHost__extensions__http__routePrefix", "FUNCTIONS_WORKER_RUNTIME"),
    *("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "WEBSITE_SITE_NAME"),
    *("WEBSITE_SKU", "WEBSITE_CONTENTSHARE", "WEBSITE_TIME_ZONE", "WEBSITE_RUN_FROM_PACKAGE"),
    *("SCALE_CONTROLLER_LOGGING_ENABLED", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"),
    *("MSI_SECRET", "PYTHON_ENABLE_OPENTELEMETRY", "PYTHON_ISOLATE_WORKER_DEPENDENCIES"),
    *("APPINSIGHTS_INSTRUMENTATIONKEY", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"),
    *("APPLICATIONINSIGHTS_ROLE_NAME", "ApplicationInsightsAgent_EXTENSION_VERSION"),
    *("APPLICATIONINSIGHTS_SAMPLING_PERCENTAGE", "DIAGNOSTICS_AZUREBLOBCONTAINERSASURL"),
)
SHELL = ("PATH", "HOME", "LANG", "_", "SHLVL", "TERM", "CI", "HTTPS_PROXY", "SSL_CERT_FILE", "PS1")


def names_in(module: types.ModuleType | type) -> list[str]:
    """Return the constants of a module that are names of the environment."""
    allowed = set(string.ascii_uppercase + string.digits + "_")
    values = [value for value in vars(module).values() if isinstance(value, str)]
    return [value for value in values if "_" in value and set(value) <= allowed]


THEIRS = sorted(
    {
        *AZ_AND_AZD,
        *TERRAFORM_AND_ANSIBLE,
        *FUNCTIONS,
        *SHELL,
        *names_in(azure.identity._constants.EnvironmentVariables),
        *names_in(azure.monitor.opentelemetry.exporter._constants),
        *names_in(opentelemetry.environment_variables),
        *names_in(opentelemetry.sdk.environment_variables),
    }
    - set(OURS)
)


def test_the_names_of_the_sdks_are_among_those_that_are_tried() -> None:
    assert {
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_AUTHORITY_HOST",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
        "OTEL_TRACES_SAMPLER",
    } <= set(THEIRS)


def test_no_name_that_another_tool_sets_is_taken_for_ours() -> None:
    assert unknown_names(dict.fromkeys(THEIRS, "x")) == []


@given(
    st.sampled_from([*THEIRS, *OURS]),
    st.sampled_from(["APPSETTING_", "CUSTOMCONNSTR_", "TF_VAR_", "WEBSITE_"]),
)
def test_law_whatever_the_host_makes_of_a_name_is_not_taken_for_ours(
    name: str, prefix: str
) -> None:
    assert unknown_names({prefix + name: "x"}) == []


# Every slip of the pen

letters = st.sampled_from(string.ascii_letters + string.digits + "_-. ")
PLAIN = ("insert", "delete", "replace")


@st.composite
def slips(draw: st.DrawFn, name: str, of: tuple[str, ...] = (*PLAIN, "swap", "case", "all")) -> str:
    """Change a name once: a letter too many, too few, wrong, swapped, or of the other case."""
    at = draw(st.integers(0, len(name) - 1))
    match draw(st.sampled_from(of)):
        case "insert":
            return name[:at] + draw(letters) + name[at:]
        case "delete":
            return name[:at] + name[at + 1 :]
        case "replace":
            return name[:at] + draw(letters) + name[at + 1 :]
        case "swap":
            return name[:at] + name[at : at + 2][::-1] + name[at + 2 :]
        case "case":
            return name[:at] + name[at].swapcase() + name[at + 1 :]
        case _:
            return name.lower()


@given(st.data(), st.sampled_from(OURS))
def test_law_no_slip_of_the_pen_is_accepted_in_silence(data: st.DataObject, name: str) -> None:
    written = data.draw(slips(name))
    assume(written not in OURS)
    assert f"{written} is no setting: {name}?" in said(**{written: "x"})


@given(st.data(), st.sampled_from([name for name in OURS if len(essence(name)) >= 8]))
def test_law_nor_are_two_in_a_long_name(data: st.DataObject, name: str) -> None:
    written = data.draw(slips(data.draw(slips(name, PLAIN)), PLAIN))
    assume(written not in {*OURS, *THEIRS})
    assert f"{written} is no setting: " in said(**{written: "x"})


def test_no_two_settings_are_so_alike_that_a_slip_of_the_pen_is_nearer_to_the_wrong_one() -> None:
    # A slip of the pen is two edits, so at four a name is as near to both.
    pairs = combinations(map(essence, OURS), 2)
    assert all(edits(one, other, 3) > 3 for one, other in pairs)
