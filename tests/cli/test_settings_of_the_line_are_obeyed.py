"""`keysweep sweep` obeys the settings as the timer does; what goes beyond them has its own name.

The judge is the server: which accounts have their keys afterwards.
"""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_azure import LocalAzure, Tenant, scenarios
from tests.support.terminal import at_once, here

type Serve = Callable[..., LocalAzure]

ALL = {"contoso-chat", "contoso-search", "contoso-agents", "contoso-docs"}
SOON = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
PAST = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%MZ}"


FUNCTION_TIMEOUT = "AzureFunctionsJobHost__functionTimeout"


def keys_on(azure: LocalAzure) -> set[str]:
    return {account.name for account in azure.tenant.accounts if account.keys_on}


@pytest.mark.parametrize(
    ("settings", "says", "beyond"),
    [
        ({"SWEEP_MODE": "audit"}, "SWEEP_MODE is audit", ["--enforce"]),
        ({"SWEEP_MODE": " Audit "}, "SWEEP_MODE is audit", ["--enforce"]),
        ({"ENFORCE_FROM": SOON}, "ENFORCE_FROM is", ["--enforce"]),
        ({"MAX_CHANGES_PER_SWEEP": "3"}, "The brake holds 4 changes", ["--release-brake"]),
        (
            {"SWEEP_MODE": "audit", "MAX_CHANGES_PER_SWEEP": "3"},
            "SWEEP_MODE is audit",
            ["--enforce", "--release-brake"],
        ),
        (
            {"MAX_CHANGES_PER_SWEEP": "3", "BRAKE_RELEASE_UNTIL": PAST},
            "brake holds",
            ["--release-brake"],
        ),
    ],
)
def test_yes_goes_beyond_no_setting_and_its_own_name_does(
    serve: Serve, settings: dict[str, str], says: str, beyond: list[str]
) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    for more in ([], *([flag] for flag in beyond if len(beyond) > 1)):
        held = here(azure, "sweep", "--yes", *more, **settings)
        assert "Nothing was changed" in held.err
        assert not azure.writes
        assert held.code == 1
    held = here(azure, "sweep", "--yes", **settings)
    assert says.lower() in held.err.lower()
    assert beyond[0] in held.err
    done = here(azure, "sweep", "--yes", *beyond, **settings)
    assert keys_on(azure) == set()
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"SWEEP_MODE": "audit"}, "--release-brake"),
        ({"ENFORCE_FROM": SOON}, "--release-brake"),
        ({"MAX_CHANGES_PER_SWEEP": "3"}, "--enforce"),
    ],
)
def test_one_name_does_not_stand_for_the_other(
    serve: Serve, settings: dict[str, str], wrong: str
) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    assert here(azure, "sweep", "--yes", wrong, **settings).code == 1
    assert not azure.writes


@pytest.mark.parametrize(
    "settings",
    [
        {"SWEEP_MODE": "enforce"},
        {"ENFORCE_FROM": PAST},
        {"MAX_CHANGES_PER_SWEEP": "3", "BRAKE_RELEASE_UNTIL": SOON},
    ],
)
def test_what_the_settings_allow_needs_nothing_but_a_yes(
    serve: Serve, settings: dict[str, str]
) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    assert here(azure, "sweep", "--yes", **settings).code == 0
    assert keys_on(azure) == set()


def test_trickle_on_the_line_changes_as_many_as_the_timer_would(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep", "--yes", MAX_CHANGES_PER_SWEEP="1", BRAKE="trickle")
    assert len(keys_on(azure)) == 3
    assert "1 DISABLED" in ran.out
    assert ran.code == 1


def test_audit_mode_asks_nobody_and_gives_a_whole_document(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    for more in ([], ["--yes"], ["--audit"]):
        ran = here(azure, "sweep", "--output", "json", *more, SWEEP_MODE="audit")
        document = json.loads(ran.out)
        assert document["mode"] == "audit"
        assert {account["name"] for account in document["accounts"]} == ALL
        assert ran.code == 1
    assert not azure.writes


def test_what_the_brake_holds_is_a_whole_document_too(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep", "--yes", "--output", "json", MAX_CHANGES_PER_SWEEP="1")
    assert json.loads(ran.out)["mode"] == "audit"
    assert json.loads(ran.out)["brake"].startswith("would hold")


def test_audit_and_enforce_exclude_each_other(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep", "--audit", "--enforce", "--yes")
    assert "exclude each other" in ran.err
    assert not azure.operations
    assert ran.code == 64


# A file of settings


def tagged() -> Tenant:
    """Return a tenant whose one account is exempt by the tag of its Function's settings."""
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=True, tags={"keep-keys": "true"})
    return tenant


GOOD = {"SWEEP_MODE": "enforce", "EXEMPTION_TAG": "keep-keys"}


def local(values: object, **more: object) -> str:
    return json.dumps({"IsEncrypted": False, "Values": values, **more})


def listed(values: dict[str, str | None]) -> str:
    return json.dumps([{"name": name, "value": text} for name, text in values.items()])


BAD = {
    "a null": local({**GOOD, "EXEMPTION_TAG": None}),
    "hidden values": listed(dict.fromkeys(GOOD)),
    "a reference": local({**GOOD, "EXEMPTION_TAG": "@Microsoft.KeyVault(SecretUri=https:x)"}),
    "another reference": local(
        {**GOOD, "EXEMPTION_TAG": "@Microsoft.AppConfiguration(Endpoint=https:x)"}
    ),
    "ciphertext": local({**GOOD, "EXEMPTION_TAG": "CfDJ8x"}, IsEncrypted=True),
    "another app's": local(
        {"AzureWebJobsStorage": "x", "APPLICATIONINSIGHTS_CONNECTION_STRING": "x"}
    ),
    "twice": '{"Values": {"EXEMPTION_TAG": "keep-keys", "EXEMPTION_TAG": "other-tag"}}',
    "no settings": "{}",
    "no JSON": "EXEMPTION_TAG=keep-keys",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", [("sweep", "--yes"), ("exempt", "bot", "--open-ended")])
def test_a_file_that_does_not_say_what_it_means_is_refused_and_nothing_asked(
    serve: Serve, tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    azure = at_once(serve, tagged())
    file = tmp_path / "local.settings.json"
    file.write_text(BAD[name])
    ran = here(azure, *command, "--settings", str(file))
    assert ran.err.startswith(f"keysweep: {file} can't be used: ")
    assert ran.err.count("\n") == 1
    assert not azure.operations
    assert ran.code == 64


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_that_powershell_wrote_is_read(serve: Serve, tmp_path: Path, encoding: str) -> None:
    azure = at_once(serve, tagged())
    for number, text in enumerate((local(GOOD), listed(dict(GOOD)))):
        file = tmp_path / f"{number}.json"
        file.write_text(text, encoding=encoding)
        ran = here(azure, "sweep", "--yes", "--settings", str(file))
        assert "1 exempt" in ran.out
        assert ran.code == 0, ran.err
    assert not azure.writes


def test_the_functions_time_out_in_the_file_counts(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, tagged())
    file = tmp_path / "local.settings.json"
    file.write_text(local({**GOOD, FUNCTION_TIMEOUT: "00:30:00", "SWEEP_BUDGET_SECONDS": "1700"}))
    assert here(azure, "scan", "--settings", str(file)).code == 0
    file.write_text(local({**GOOD, "SWEEP_BUDGET_SECONDS": "1700"}))
    assert here(azure, "scan", "--settings", str(file)).code == 64


def test_an_empty_variable_of_the_environment_hides_nothing(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, tagged())
    file = tmp_path / "local.settings.json"
    file.write_text(local(GOOD))
    for empty in ("", "  "):
        ran = here(azure, "sweep", "--yes", "--settings", str(file), EXEMPTION_TAG=empty)
        assert ran.code == 0, ran.err
    assert not azure.writes


def test_the_environment_wins_over_the_file_and_the_line_over_both(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, tagged())
    here_ = azure.tenant.subscription("contoso-prod").id
    file = tmp_path / "local.settings.json"
    nowhere = "99999999-9999-4999-8999-999999999999"
    file.write_text(local({"EXEMPTION_TAG": "of-the-file", "SWEEP_SUBSCRIPTIONS": nowhere}))
    ran = here(
        azure, "sweep", "--yes", "--settings", str(file), "-s", here_, EXEMPTION_TAG="keep-keys"
    )
    assert f"These come from {file} and the environment and the line" not in ran.err
    assert "These come from the environment and the line; the rest are defaults." in ran.err
    assert "1 exempt" in ran.out
    assert not azure.writes


def test_a_folder_a_missing_file_and_one_of_a_hundred_megabytes_are_refused(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, tagged())
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(100_000_000)
    for path in (tmp_path, tmp_path / "missing.json", large, Path("/dev/zero"), Path("/dev/null")):
        ran = here(azure, "sweep", "--yes", "--settings", str(path))
        assert str(path) in ran.err
        assert ran.code == 64
    assert not azure.operations


def test_a_pipe_is_read_as_a_file_is(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, tagged())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(local(GOOD),))
    writer.start()
    ran = here(azure, "sweep", "--yes", "--settings", str(pipe))
    writer.join()
    assert "1 exempt" in ran.out
    assert ran.code == 0, ran.err


def test_an_address_of_azure_that_a_file_gives_is_named(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, tagged())
    address = {name: azure.operator_environ[name] for name in ("ARM_ENDPOINT", "ARM_SCOPE")}
    file = tmp_path / "local.settings.json"
    file.write_text(local({**GOOD, **address}))
    ran = here(azure, "scan", "--settings", str(file), ARM_ENDPOINT="")
    assert f"Azure Resource Manager is {address['ARM_ENDPOINT']}: {file} says so." in ran.err


def test_a_file_and_a_function_are_two_sources(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, tagged())
    file = tmp_path / "local.settings.json"
    file.write_text(local(GOOD))
    ran = here(azure, "sweep", "--yes", "--settings", str(file), "--function", "/subscriptions/x")
    assert "two sources" in ran.err
    assert not azure.operations
    assert ran.code == 64
