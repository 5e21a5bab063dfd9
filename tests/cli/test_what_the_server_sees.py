"""Commands against the local Azure, in the tests' own process: what only the wire can show."""

import csv
import io
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant, scenarios
from local_azure.log import SeenRequest
from local_azure.state.account import PatchForm
from tests.support.contoso import keys_on
from tests.support.serving import Serve
from tests.support.terminal import at_once, here

TAG = "local-auth-exempt"
FOUR = {"contoso-chat", "contoso-search", "contoso-agents", "contoso-docs"}


def one(tags: dict[str, str] | None = None, *, local_auth: bool = False) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=local_auth, tags=tags)
    return tenant


# What is written


def test_a_tag_is_merged_and_taken_away_without_touching_those_that_others_write(
    serve: Serve,
) -> None:
    azure = at_once(serve, one({"owner": "web"}))

    def add(request: SeenRequest) -> None:
        if request.method == "PATCH":
            azure.tenant.tag("bot", {"added": "meanwhile", "owner": "mobile"})

    azure.before(add)
    assert here(azure, "exempt", "bot", "--open-ended").code == 0
    others = {"owner": "mobile", "added": "meanwhile"}
    assert azure.tenant.account("bot").tags == {**others, TAG: "true"}
    assert here(azure, "exempt", "bot", "--remove").code == 0
    assert azure.tenant.account("bot").tags == others


def test_keys_go_on_by_one_property_after_the_tag(serve: Serve) -> None:
    azure = at_once(serve, one())
    assert here(azure, "exempt", "bot", "--open-ended", "--enable-keys").code == 0
    (_, keys) = azure.writes
    assert keys.body == {"properties": {"disableLocalAuth": False}}
    assert keys.before.tags == {TAG: "true"}


def test_undo_gives_back_what_a_sweep_took(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    swept = here(azure, "sweep", "--yes", "--output", "json")
    document = json.loads(swept.out)
    assert {account["name"] for account in document["accounts"] if account["accepted"]} == FOUR
    assert document["mode"] == "enforce"
    assert keys_on(azure) == set()
    undone = here(azure, "undo", document["sweepId"], "--yes")
    assert "4 accounts given back." in undone.out
    assert keys_on(azure) == FOUR
    again = here(azure, "undo", document["sweepId"], "--yes")
    assert "It accepts keys already." in again.err
    assert swept.code == 0, swept.err
    assert undone.code == 0, undone.err
    assert again.code == 0, again.err


def test_keys_that_their_owner_later_switched_off_himself_stay_off(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True))
    sweep_id = json.loads(here(azure, "sweep", "--yes", "--output", "json").out)["sweepId"]
    owner = azure.tenant.add_principal("bob@contoso.com", kind="User")
    azure.tenant.enable_keys("bot", by=owner)
    azure.clock.advance(60)
    azure.tenant.disable_keys("bot", by=owner)
    ran = here(azure, "undo", sweep_id, "--yes")
    assert "bob@contoso.com turned its keys" in ran.err
    assert keys_on(azure) == set()
    assert ran.code == 1


def test_a_notice_keeps_keys_on_until_its_day_and_covers_no_account_that_comes_later(
    serve: Serve,
) -> None:
    tenant = one({"Owner": "web", "cost": "42"}, local_auth=True)
    tenant.add_account("stray", local_auth=True)
    azure = at_once(serve, tenant)

    ran = here(azure, "notice", "--for", "30d", "--yes", "--output", "csv", OWNER_TAGS="owner")

    (first, second) = csv.DictReader(io.StringIO(ran.out, newline=""))
    assert first["owner"] == "web"
    assert second["owner"] == ""
    until = first["until"]
    notice = f"until={until}; reason=notice: keys go off on {until}"
    assert azure.tenant.account("bot").tags == {
        "Owner": "web",
        "cost": "42",
        TAG: f"{notice}; owner=web",
    }
    assert azure.tenant.account("stray").tags == {TAG: notice}
    azure.tenant.add_account("later", local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    assert here(azure, "sweep", "--yes").code == 0
    assert keys_on(azure) == {"bot", "stray"}
    again = here(azure, "notice", "--for", "60d", "--yes")
    assert "There is nobody to give notice to." in again.err
    assert azure.tenant.account("stray").tags == {TAG: notice}


def test_a_list_of_accounts_is_exempted_and_one_wrong_line_writes_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one(local_auth=True)
    tenant.add_account("other", local_auth=True)
    azure, path = at_once(serve, tenant), tmp_path / "accounts.txt"
    path.write_text(f"bot\n{azure.tenant.account('other').id}\nnobody\n")
    arguments = ("exempt", "--from-file", str(path), "--for", "14d")
    refused = here(azure, *arguments)
    assert "line 3: There is no account 'nobody'" in refused.err
    assert refused.code == 64
    assert azure.writes == ()
    path.write_text(path.read_text().replace("nobody", "# nobody"))
    assert here(azure, *arguments).code == 0
    assert all(TAG in (account.tags or {}) for account in azure.tenant.accounts)


@pytest.mark.parametrize("command", ["sweep", "exempt", "undo"])
def test_nothing_is_written_outside_the_scope(serve: Serve, command: str, tmp_path: Path) -> None:
    tenant = one(local_auth=True)
    tenant.add_subscription("prod", parent="contoso")
    prod = tenant.add_account("prod-bot", subscription="prod", local_auth=True)
    azure = at_once(serve, tenant)
    record = tmp_path / "record.jsonl"
    arguments = {
        "sweep": ("sweep", "--yes", "--only", prod.id),
        "exempt": ("exempt", prod.id, "--open-ended", "--enable-keys"),
        "undo": ("undo", "", "--yes", "--record", str(record)),
    }[command]
    if command == "undo":
        assert here(azure, "sweep", "--yes", "--record", str(record)).code == 0
        sweep_id = json.loads(record.read_text().splitlines()[0])["sweepId"]
        arguments = tuple(argument or sweep_id for argument in arguments)
    before = len([write for write in azure.writes if write.account_id == prod.id])
    ran = here(azure, *arguments, "-s", tenant.subscription("contoso-prod").id)
    assert "out of scope" in ran.err
    assert len([write for write in azure.writes if write.account_id == prod.id]) == before
    assert ran.code == (1 if command == "undo" else 64)


@pytest.mark.parametrize("scope", [("-s", "Contoso-DEV"), ("-m", "Only dev")])
def test_a_scope_is_named_as_people_see_it(serve: Serve, scope: tuple[str, str]) -> None:
    tenant = Tenant.with_one_subscription()
    tenant.add_management_group("mg-7", display_name="Only dev")
    dev = tenant.add_subscription("contoso-dev", parent="mg-7")
    tenant.add_account("bot", subscription=dev, local_auth=True)
    tenant.add_account("other", local_auth=True)
    ran = here(at_once(serve, tenant), "scan", *scope, "-o", "JSON", "-q")
    document = json.loads(ran.out)
    assert [account["name"] for account in document["accounts"]] == ["bot"]
    assert ran.err == ""
    assert ran.code == 1


def test_help_has_a_short_name_and_is_what_nothing_typed_means() -> None:
    assert here(None, "-h").out == here(None, "--help").out
    nothing = here(None)
    assert "Usage: keysweep" in nothing.out
    assert nothing.code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str) -> None:
    ran = here(None, "completion", shell)
    assert f"_KEYSWEEP_COMPLETE={shell}_complete" in ran.out
    assert ran.code == 0


def test_scan_and_explain_send_nothing_that_could_write(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    here(azure, "scan", "--all")
    here(azure, "explain", "contoso-chat")
    assert not azure.writes
    posts = {request.action for request in azure.operations if request.method == "POST"}
    assert posts == {"Microsoft.ResourceGraph/resources/read"}
    assert {request.method for request in azure.operations if request.host == "arm"} == {
        "GET", "POST",
    }  # fmt: skip


def test_verbose_shows_every_request_and_no_token(serve: Serve) -> None:
    ran = here(at_once(serve, one()), "scan", "--verbose")
    assert re.search(r"GET 127\.0\.0\.1:\d+/subscriptions 200 \d+ ms", ran.err)
    assert "Bearer" not in ran.err
    assert "eyJ" not in ran.err


# What the line says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "No such command"),
        (["scan", "--output", "xml"], "Invalid value"),
        (["sweep", "--audit", "--enforce"], "exclude each other"),
        (["exempt"], "Give an ACCOUNT or more, or --from-file, or --list."),
        (["exempt", "--list", "--from-file", "x"], "Give an ACCOUNT or more, or --from-file"),
        (["exempt", "bot", "other", "--remove"], "--remove takes one ACCOUNT"),
        (["notice"], "Missing option '--for'"),
        (["notice", "--for", "0d"], "no span such as 30d"),
        (["exempt", "bot"], "Say how long"),
        (["exempt", "bot", "--until", "31/12/2026"], "2026"),
        (["exempt", "bot", "--for", "9999999d"], "no span such as 14d"),
        (["exempt", "bot", "--remove", "--enable-keys"], "goes with an exemption"),
        (["undo", "20261124T090000Z-1f3a9c0d", "--for", "soon"], "no span such as 14d"),
        (["probe", "bot", "--wait", "soon"], "no span such as 90s"),
        (["exempt", "bot", "--until", "tomorrow"], "'tomorrow' is no day such as 2027-03-31"),
        (["scan", "-q", "-v"], "exclude each other"),
        (["impact", "bot", "--watch", "-o", "json"], "it takes no --output"),
        (["scan", "-o", "sarif", "--limit", "9"], "what is missing there counts as fixed"),
        (["scan", "--fail-on", "drft"], "is none of drift, held, gaps"),
    ],
)
def test_bad_usage_is_exit_code_64(arguments: list[str], says: str) -> None:
    ran = here(None, *arguments)
    assert "Usage: keysweep" in ran.err
    assert says in ran.err
    assert ran.code == 64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["undo", "soon"], "is no sweep's id"),
        (["undo", "20261124T090000Z-1f3a9c0d"], "--insights RESOURCE-ID names"),
        (["undo", "20261124T090000Z-1f3a9c0d", "--insights", "x"], "is no Application Insights"),
        (["exempt", "bot", "--until", "2020-01-01"], "has passed"),
        (["exempt", "--from-file", "/nowhere", "--open-ended"], "/nowhere can't be read"),
        (["notice", "--for", "30d"], "say --yes, or --dry-run"),
        (["notice", "--for", "30d", "--yes", "--reason", "a;b"], "can't hold a semicolon"),
        (["explain", "nobody"], "There is no account 'nobody'"),
        (["explain", "nobody", "noone"], "2 of 2 accounts can't be found"),
        (["scan", "-s", ""], "it would mean everything"),
        (["scan", "-s", "contoso-prd"], "Did you mean contoso-prod"),
        (["scan", "-m", "conto"], "Did you mean contoso"),
        (["scan", "-s", "a", "-m", "b"], "exclude each other"),
        (["scan", "--tenant", "contoso.com"], "'contoso.com' is no tenant's id"),
        (["scan", "--function", "func-keysweep"], "is not the resource id of a Function App"),
    ],
)
def test_what_makes_no_sense_is_one_message_and_exit_code_64(
    serve: Serve, arguments: list[str], says: str
) -> None:
    azure = at_once(serve, one())
    more = ["--yes"] if arguments[0] == "undo" else []
    ran = here(azure, *arguments, *more)
    assert says in ran.err
    assert not azure.writes
    assert ran.code == 64


def test_a_misspelled_setting_is_named_wherever_it_stands_and_other_tools_names_are_not(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, one())
    file = tmp_path / "local.settings.json"
    values = {"EXEMPTON_TAG": "hunter2", "AzureWebJobsStorage": "secret", "SWEEP_MODE": "audit"}
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    terraform: dict[str, Any] = {
        "ARM_CLIENT_ID": "x",
        "ARM_TENANT_ID": "x",
        "AZURE_SUBSCRIPTION_ID": "x",
    }
    ran = here(azure, "scan", "--settings", str(file), SWEEP_SUBSCRIPTION="x", **terraform)
    assert ran.err.splitlines()[1:] == [
        f"  EXEMPTON_TAG is no setting: EXEMPTION_TAG? (from {file})",
        "  SWEEP_SUBSCRIPTION is no setting: SWEEP_SUBSCRIPTIONS? (from the environment)",
    ]
    assert not azure.operations
    assert ran.code == 64


def test_what_is_in_force_is_said_with_its_sources_and_who_acts(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, one())
    file = tmp_path / "settings.json"
    rules = {"EXEMPTION_INHERIT": "resourceGroup", "EXEMPTION_MAX_DAYS": "30"}
    file.write_text(json.dumps({"Values": {"EXEMPTION_TAG": "Keep Keys", **rules}}))
    ran = here(azure, "sweep", "--audit", "--settings", str(file), SWEEP_MODE="enforce")
    for line in (
        f"As ann@contoso.com, in tenant {azure.tenant.id}.",
        "Exempt: the tag 'Keep Keys' on the account or its resource group.",
        "Kinds: OpenAI, AIServices.",
        "Rules: it lasts 30 days at most.",
        "Scope: every subscription that you can read.",
        f"These come from {file} and the environment; the rest are defaults.",
    ):
        assert line in ran.err
    ran = here(azure, "sweep", "--audit")
    assert "These are defaults: nothing says how the deployed Function is set." in ran.err


def test_settings_may_come_through_a_pipe(serve: Serve, tmp_path: Path) -> None:
    azure, pipe = at_once(serve, one({"keep-keys": "true"}, local_auth=True)), tmp_path / "pipe"
    os.mkfifo(pipe)
    text = json.dumps({"Values": {"EXEMPTION_TAG": "keep-keys"}})
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    ran = here(azure, "sweep", "--yes", "--settings", str(pipe))
    writer.join()
    assert "1 exempt" in ran.out
    assert ran.code == 0


# Who is signed in


def test_who_is_not_signed_in_hears_just_that(serve: Serve, tmp_path: Path) -> None:
    az = tmp_path / "az"
    az.write_text("#!/bin/sh\necho \"ERROR: Please run 'az login'\" >&2\nexit 1\n")
    az.chmod(0o755)
    nobody: dict[str, Any] = {
        "IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": f"{tmp_path}:/usr/bin:/bin",
    }  # fmt: skip
    ran = here(at_once(serve, one()), "scan", **nobody)
    assert ran.err.startswith("keysweep: You are not signed in to Azure: run `az login`")
    assert ran.err.count("\n") == 1
    assert ran.code == 2


def test_the_wrong_tenant_is_said_with_what_to_type(serve: Serve) -> None:
    other = "99999999-9999-4999-8999-999999999999"
    ran = here(at_once(serve, one()), "scan", AZURE_TENANT_ID=other)
    assert f"az login --tenant {other}" in ran.err
    assert ran.code == 64


def test_a_files_client_id_does_not_decide_who_acts_and_its_address_is_named(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, one())
    address = {name: azure.operator_environ[name] for name in ("ARM_ENDPOINT", "ARM_SCOPE")}
    values = {"AZURE_CLIENT_ID": azure.tenant.function.client_id, "SWEEP_MODE": "audit", **address}
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": values}))
    ran = here(azure, "scan", "--settings", str(file), AZURE_CLIENT_ID="", ARM_ENDPOINT="")
    asked = [request.query for request in azure.operations if request.host == "identity"]
    assert asked
    assert all("client_id" not in query for query in asked)
    assert f"Azure Resource Manager is {address['ARM_ENDPOINT']}: {file} says so." in ran.err


# The settings of the deployed Function


def deployed(serve: Serve, **settings: str) -> tuple[LocalAzure, str]:
    """Serve a tenant whose account is exempt by the tag of its Function's settings."""
    tenant = one({"keep-keys": "true"}, local_auth=True)
    group = f"{tenant.subscription('contoso-prod').scope}/resourceGroups/rg-keysweep"
    site = f"{group}/providers/Microsoft.Web/sites/func-keysweep"
    return at_once(serve, tenant, app_settings={site: settings}), site


def test_the_settings_of_the_deployed_function_are_read_and_no_other_of_its_values_shown(
    serve: Serve,
) -> None:
    azure, site = deployed(
        serve, SWEEP_MODE="enforce", EXEMPTION_TAG="keep-keys",
        AzureWebJobsStorage="AccountKey=s3cret", SWEEP_BUDGET_SECONDS="1700",
        APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=hidden",
        AzureFunctionsJobHost__functionTimeout="00:30:00",
    )  # fmt: skip
    ran = here(azure, "sweep", "--yes", "--verbose", "--function", site.upper() + "/")
    assert "1 exempt" in ran.out
    assert "These come from FUNC-KEYSWEEP; the rest are defaults." in ran.err
    assert "s3cret" not in ran.out + ran.err
    assert "hidden" not in ran.out + ran.err
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SWEEP_MODE": "enforce", "EXEMPTION_TAG": "@microsoft.keyvault(x)"}, "key vault"),
        ({"AzureWebJobsStorage": "x"}, "another app's"),
        ({"SWEEP_MODE": "enforce", "EXEMPTION_INHERIT": "maybe"}, "EXEMPTION_INHERIT is 'maybe'"),
    ],
)
def test_a_function_whose_settings_cannot_be_used_is_refused(
    serve: Serve, settings: dict[str, str], says: str
) -> None:
    azure, site = deployed(serve, **settings)
    ran = here(azure, "sweep", "--yes", "--function", site)
    assert says in ran.err
    assert not azure.writes
    assert ran.code == 64


def test_a_function_that_is_not_there_or_may_not_be_read_is_said(serve: Serve) -> None:
    azure, site = deployed(serve, SWEEP_MODE="enforce")
    gone = here(azure, "scan", "--function", f"{site}-2")
    assert "404 ResourceNotFound" in gone.err
    scope = azure.tenant.subscription("contoso-prod").scope
    azure.tenant.deny(azure.tenant.team, scope, ["Microsoft.Web/sites/config/list/action"])
    forbidden = here(azure, "scan", "--function", site)
    assert "such as Website Contributor" in forbidden.err
    assert gone.code == 2, gone.err
    assert forbidden.code == 2, forbidden.err


# What Azure refuses, and odd answers


def test_no_right_to_tag_is_said_with_azures_own_code(serve: Serve) -> None:
    tenant = one()
    scope = tenant.subscription("contoso-prod").scope
    tenant.deny(tenant.team, scope, ["Microsoft.Resources/tags/write"])
    ran = here(at_once(serve, tenant), "exempt", "bot", "--open-ended")
    assert "403 DenyAssignmentAuthorizationFailed" in ran.err
    assert "You need a role that allows this there, such as Tag Contributor;" in ran.err
    assert ran.code == 2


def test_a_locked_account_is_not_advised_to_be_tagged(serve: Serve) -> None:
    azure = at_once(serve, one(local_auth=True))
    azure.tenant.add_lock(azure.tenant.account("bot").id)
    swept = here(azure, "sweep", "--yes")
    assert "ScopeLocked" in swept.out
    assert "exempt the account" not in swept.out
    tagged = here(azure, "exempt", "bot", "--open-ended")
    assert "its tags can't be changed either" in " ".join(tagged.err.split())
    assert swept.code == 1, swept.err
    assert tagged.code == 2, tagged.err


@pytest.mark.parametrize("token", [[7], True, {"seven": 7}])
def test_a_token_that_is_no_text_is_none(serve: Serve, token: Any) -> None:
    azure = at_once(serve, one())
    azure.faults.on(host="identity", times=None).bend(
        lambda answer: replace(answer, body={**answer.body, "access_token": token})
    )
    ran = here(azure, "scan")
    assert "the token is no text" in ran.err
    assert ran.code == 2
