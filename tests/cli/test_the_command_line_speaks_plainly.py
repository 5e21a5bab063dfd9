"""Bad input is one clear message and the right exit code; help is quick and true; nothing leaks."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestTimeoutError

from keysweep.screen import inert
from keysweep.session import told
from local_azure import LocalAzure, Tenant, scenarios
from shared.border.refusals import azure_error
from tests.support.terminal import COMMAND, ROOT, at_once, environment, here, in_terminal, keysweep

type Serve = Callable[..., LocalAzure]


def test_not_signed_in(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    az = tmp_path / "az"
    az.write_text(
        "#!/bin/sh\necho \"ERROR: Please run 'az login' to setup account.\" >&2\nexit 1\n"
    )
    az.chmod(0o755)
    nobody = {
        "IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": f"{tmp_path}:/usr/bin:/bin",
    }  # fmt: skip
    for command in (["scan"], ["explain", "bot"], ["exempt", "bot", "--open-ended"]):
        ran = here(azure, *command, **nobody)
        assert ran.err.startswith("keysweep: You are not signed in to Azure: run `az login`")
        assert "ClientAuthenticationError" in ran.err or "CredentialUnavailableError" in ran.err
        assert ran.err.count("\n") == 1
        assert ran.code == 2


def test_the_wrong_tenant(serve: Serve) -> None:
    other = "99999999-9999-4999-8999-999999999999"
    ran = here(at_once(serve, scenarios.four_accounts()), "scan", AZURE_TENANT_ID=other)
    assert f"az login --tenant {other}" in ran.err
    assert ran.code == 64


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody", "There is no account 'nobody'"),
        ("rg-wrong/contoso-chat", "There is no account 'rg-wrong/contoso-chat'"),
        ("a/b/c", "names no account"),
        ("/subscriptions/x", "is not the id"),
        ("it's\\", "There is no account"),
    ],
)
def test_no_such_account(serve: Serve, name: str, says: str) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "explain", name)
    assert says in ran.err
    assert ran.code == 64


def test_an_id_that_is_not_there(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    gone = azure.tenant.account("contoso-chat").id.replace("contoso-chat", "gone")
    ran = here(azure, "exempt", gone, "--open-ended")
    assert "There is no account" in ran.err
    assert ran.code == 64
    explained = here(azure, "explain", gone)
    assert "It is not there: ResourceNotFound" in explained.out
    assert explained.code == 2


def test_an_azure_that_is_not_reached_is_said_to_be_so() -> None:
    error = azure_error(
        "Listing", "the subscriptions", ServiceRequestTimeoutError("Cannot connect to x")
    )
    assert "Azure was not reached: look at the network" in told(error)
    assert "documentation" not in told(error)


def test_a_missing_role_is_the_persons_and_is_named(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    scope = tenant.subscription("contoso-prod").scope
    tenant.deny(tenant.team, scope, ["Microsoft.CognitiveServices/accounts/listKeys/action"])
    azure = at_once(serve, tenant)
    nowhere = here(azure, "scan", "--management-group", "nowhere")
    assert "Enforcing would change nothing of what was seen." in nowhere.out
    keys = here(azure, "probe", "contoso-chat")
    for said, role in ((nowhere.out, "Reader"), (keys.out, "Cognitive Services Contributor")):
        plain = " ".join(said.split())
        assert f"You need a role that allows this there, such as {role};" in plain
        assert "Keysweep's identity" not in plain


def test_help_in_a_narrow_terminal_is_whole(serve: Serve) -> None:
    ran = in_terminal(at_once(serve, scenarios.empty()), "--help", columns=80)
    assert "..." not in ran.plain.replace("[ARGS]...", "")
    assert "shows the plan, asks, and does it." in ran.plain


def test_an_ambiguous_name_lists_the_candidates(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    tenant.add_account("contoso-chat", group="rg-other")
    azure = at_once(serve, tenant)
    ran = here(azure, "explain", "Contoso-Chat")
    assert ran.err.count("/accounts/contoso-chat") == 2
    assert ran.code == 64
    assert here(azure, "explain", "rg-other/contoso-chat").code == 1


def test_an_account_that_graph_does_not_show_is_found_by_name(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    tenant.add_subscription("hidden", parent="contoso", hidden_from_graph=True)
    tenant.add_account("shy", subscription="hidden", local_auth=True)
    ran = here(at_once(serve, tenant), "explain", "shy")
    assert "by ARM's own list" in ran.out


def test_wrong_settings_are_all_named_at_once(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "scan", EXEMPTION_INHERIT="maybe", BRAKE="slow")
    assert "EXEMPTION_INHERIT is 'maybe'" in ran.err
    assert "BRAKE is 'slow'" in ran.err
    assert ran.code == 64
    assert not azure.operations


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["scan", "--nope"],
        ["scan", "-o", "xml"],
        ["exempt"],
        ["probe"],
        ["undo", "20261124T090000Z-1f3a9c0d", "--for", "9999999d"],
    ],
)
def test_bad_usage_is_exit_code_64(arguments: list[str]) -> None:
    ran = here(None, *arguments)
    assert "Usage: keysweep" in ran.err
    assert ran.code == 64


def test_settings_come_from_a_file_in_either_form(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    values = {"EXEMPTION_TAG": "owner", "SWEEP_MODE": "audit", "UNRELATED": "x"}
    local, listed, bad = (tmp_path / name for name in ("local.json", "listed.json", "bad.json"))
    local.write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    listed.write_text(json.dumps([{"name": k, "value": v} for k, v in values.items()]))
    bad.write_text("{}")
    for path in (local, listed):
        ran = here(azure, "scan", "--settings", str(path))
        assert "The tag of its account exempts it, open-ended: docs" in ran.out
    ran = here(azure, "scan", "--settings", str(bad))
    assert "can't be used: It has no `Values`. It must be a local.settings.json" in ran.err
    assert ran.code == 64


def test_a_misspelled_setting_is_named_wherever_it_stands_and_other_tools_names_are_not(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    values = {"EXEMPTON_TAG": "hunter2", "AzureWebJobsStorage": "secret", "SWEEP_MODE": "audit"}
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    terraform = {"ARM_CLIENT_ID": "x", "ARM_TENANT_ID": "x", "AZURE_SUBSCRIPTION_ID": "x"}

    ran = here(azure, "scan", "--settings", str(file), SWEEP_SUBSCRIPTION="x", **terraform)

    assert ran.err.splitlines()[1:] == [
        "  EXEMPTON_TAG is no setting: EXEMPTION_TAG?",
        "  SWEEP_SUBSCRIPTION is no setting: SWEEP_SUBSCRIPTIONS?",
    ]
    assert ran.code == 64
    assert not azure.operations


EVIL = "\x1b]0;owned\x07\x1b[2J[bold]not markup[/]\u202eevil\r\n"


def evil_tenant() -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=True, tags={"local-auth-exempt": f"x={EVIL}"})
    tenant.add_account("sum", local_auth=True, tags={"local-auth-exempt": "=HYPERLINK(1)"})
    tenant.add_account("cmd", local_auth=True, tags={"local-auth-exempt": "@SUM(1)"})
    refused = tenant.add_account("refused", local_auth=True)
    tenant.add_policy(refused.id, message=EVIL)
    return tenant


@pytest.mark.parametrize(
    "arguments", [["scan"], ["sweep", "--yes"], ["explain", "bot"], ["exempt", "--list"]]
)
def test_escapes_in_tags_and_in_azures_messages_come_out_inert(
    serve: Serve, arguments: list[str]
) -> None:
    azure = at_once(serve, evil_tenant())
    for ran in (here(azure, *arguments), in_terminal(azure, *arguments, columns=200)):
        for bad in ("\x1b]0;", "\x1b[2J", "\x07", "\u202e"):
            assert bad not in ran.out
        assert "[bold]not markup[/]" in ran.plain


def test_no_cell_of_a_csv_becomes_a_formula(serve: Serve) -> None:
    out = here(at_once(serve, evil_tenant()), "scan", "-o", "csv").out
    cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
    assert "'@SUM(1)" in cells
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert "\x1b" not in out


def test_what_is_printable_stays_as_it_is() -> None:
    assert inert("Zürich, 東京 ✓") == "Zürich, 東京 ✓"
    assert inert("a\x1b[0m\u202eb\n") == "a\\x1b[0m\\u202eb\\n"


def test_help_loads_nothing_that_only_a_command_needs() -> None:
    code = (
        "import sys; from keysweep.__main__ import main; main(['--help']); "
        "sys.exit(len({'azure', 'aiohttp', 'rich', 'opentelemetry'} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment(None), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Usage: keysweep" in done.stdout
    assert done.returncode == 0


def test_the_function_never_loads_the_command_line() -> None:
    code = (
        "import function_app, sys; "
        "sys.exit(any(name.startswith('keysweep') for name in sys.modules))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=ROOT, env=environment(None), check=False
    )
    assert done.returncode == 0
    assert "!keysweep" not in (ROOT / ".funcignore").read_text().splitlines()
    pinned = (ROOT / "requirements.txt").read_text()
    assert "\nrich==" not in pinned
    assert "\nclick==" not in pinned
    assert "\nplatformdirs==" not in pinned


def test_completion_offers_commands_and_options() -> None:
    for words, offered in (("keysweep sc", "scan"), ("keysweep scan --su", "--subscription")):
        ran = keysweep(
            None, _KEYSWEEP_COMPLETE="bash_complete", COMP_WORDS=words,
            COMP_CWORD=str(len(words.split()) - 1),
        )  # fmt: skip
        assert f"plain,{offered}" in ran.out.splitlines()
    assert "complete -o" in keysweep(None, _KEYSWEEP_COMPLETE="bash_source").out


def test_a_full_disk_is_one_message(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    for form in ("table", "json"):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(  # noqa: S603 - our own command
                [*COMMAND, "scan", "-o", form], cwd=ROOT, env=environment(azure), stdout=full,
                stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert "The output could not be written" in done.stderr
        assert done.returncode == 2
