"""`keysweep doctor` over the wire: it sends reads alone, and knows which rights commands take."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from keysweep.doctor.own_rights import (
    CHANGING,
    EXEMPTING,
    PROBING,
    READING,
    USE,
    Purpose,
)
from local_azure import LocalAzure, Tenant
from local_azure.state.account import PatchForm
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve
from tests.support.terminal import Ran, at_once, here

GRAPH = "Microsoft.ResourceGraph/resources/read"
LIST_SETTINGS = "Microsoft.Web/sites/config/list/action"
TO_SEND = "APPLICATIONINSIGHTS_CONNECTION_STRING"


NOBODY: dict[str, Any] = {
    "IDENTITY_ENDPOINT": "", "IDENTITY_HEADER": "",
    "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": "/nowhere",
}  # fmt: skip


def a_tenant() -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", kind="AIServices", local_auth=True)
    tenant.add_account("other", local_auth=True)
    return tenant


def deployed(azure: LocalAzure, **settings: str) -> str:
    """Deploy the Function, which sweeps once in audit mode; returns its resource id."""
    swept = asyncio.run(sweep(azure, "audit"))
    azure.telemetry.add(swept.envelopes, azure.now())
    azure.clock.advance(60)
    group = azure.services.component_id().partition("/providers/")[0]
    site = f"{group}/providers/Microsoft.Web/sites/func-keysweep"
    connection = {TO_SEND: azure.environ[TO_SEND]}
    azure.settings.app_settings[site] = {"SWEEP_MODE": "audit", **connection, **settings}
    return site


def checks(ran: Ran) -> dict[str, dict[str, Any]]:
    """Return the findings of a document, by what was looked at."""
    document = json.loads(ran.out)
    assert document["exitCode"] == ran.code
    return {finding["check"]: finding for finding in document["checks"]}


def test_all_is_well_after_a_sweep_and_the_server_saw_reads_alone(serve: Serve) -> None:
    azure = at_once(serve, a_tenant())
    site = deployed(azure)
    before = len(azure.operations)

    ran = here(azure, "doctor", "--function", site, "--output", "json")

    assert {finding["state"] for finding in checks(ran).values()} == {"ok"}, ran.out
    assert ran.code == 0
    seen = azure.operations[before:]
    arm = [request for request in seen if request.host == "arm"]
    assert {request.method for request in arm} == {"GET", "POST"}
    assert {request.action for request in arm if request.method == "POST"} == {GRAPH, LIST_SETTINGS}
    assert {request.host for request in seen} == {"arm", "identity", "logs"}
    assert azure.settings.instrumentation_key not in ran.out + ran.err
    assert not azure.writes


def test_a_function_whose_settings_are_wrong_takes_nothing_from_the_other_checks(
    serve: Serve,
) -> None:
    azure = at_once(serve, a_tenant())
    site = deployed(azure, SWEEP_MODE="enfroce")
    found = checks(wrong := here(azure, "doctor", "--function", site, "--output", "json"))
    assert found["Settings"]["state"] == "wrong"
    assert found["Settings"]["details"][0].startswith("SWEEP_MODE is 'enfroce'")
    assert found["Right to read"]["state"] == "ok"
    assert wrong.code == 64
    unread = here(azure, "doctor", "--function", f"{site}-2", "--output", "json")
    assert checks(unread)["Settings"]["state"] == "not seen"
    assert checks(unread)["Subscriptions"]["state"] == "ok"
    assert checks(unread)["Last sweep"]["says"] == "Nobody looked: see Settings first."
    assert unread.code == 2


@pytest.mark.parametrize(
    ("environ", "check", "says", "code"),
    [
        ({"SWEEP_MODE": "enfroce"}, "Settings", "SWEEP_MODE is 'enfroce'", 64),
        ({"AZURE_TENANT_ID": "9" * 8 + "-9999-4999-8999-" + "9" * 12}, "Sign-in", "az login", 64),
        (NOBODY, "Sign-in", "You are not signed in", 2),
    ],
    ids=["settings", "tenant", "sign-in"],
)
def test_what_comes_first_is_said_and_the_rest_is_not_reached(
    serve: Serve, environ: dict[str, Any], check: str, says: str, code: int
) -> None:
    ran = here(at_once(serve, a_tenant()), "doctor", "--output", "json", **environ)
    found = checks(ran)
    assert says in found[check]["says"] + "".join(found[check]["details"])
    assert found["Right to read"]["state"] == "not reached"
    assert "Nothing stands in the way" not in ran.out
    assert ran.code == code


def test_a_file_that_can_not_be_read_is_a_finding(tmp_path: Path) -> None:
    ran = here(None, "doctor", "--settings", str(tmp_path / "none.json"))
    assert "none.json can't be used" in ran.out
    assert ran.code == 64


COMMANDS: dict[str, tuple[tuple[str, ...], tuple[Purpose, ...]]] = {
    "scan": (("scan", "--all"), (READING,)),
    "explain": (("explain", "bot"), (READING,)),
    "impact": (("impact",), (READING, USE)),
    "exempt": (("exempt", "bot", "--for", "14d"), (READING, EXEMPTING)),
    "probe": (("probe", "bot"), (READING, PROBING)),
    "sweep": (("sweep", "--yes"), (READING, CHANGING)),
}
NOT_SHOWN_HERE = {
    # Metrics of many accounts are asked for at a host of their own, and roles in Resource Graph.
    "Microsoft.Insights/metrics/read",
    "Microsoft.Authorization/roleAssignments/read",
}


def test_each_command_asks_for_the_rights_that_doctor_looks_for_and_no_other(
    serve: Serve,
) -> None:
    tenant = a_tenant()
    tenant.add_project("bot", "agents")
    azure = at_once(serve, tenant)
    other = tenant.account("other")
    other.patch, other.operation_seconds = PatchForm.LOCATION, 0
    seen: set[str] = set()
    for name, (arguments, purposes) in COMMANDS.items():
        before = len(azure.operations)
        here(azure, *arguments)
        asked = {request.action for request in azure.operations[before:] if request.action}
        known = {action for purpose in purposes for action in purpose.actions}
        assert asked <= known | {GRAPH}, name
        seen |= asked
    purposes = (READING, USE, CHANGING, EXEMPTING, PROBING)
    looked_for = {action for purpose in purposes for action in purpose.actions}
    assert looked_for - seen == NOT_SHOWN_HERE
