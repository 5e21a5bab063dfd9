"""`keysweep impact` reads, judges and says what to do: on a tenant in memory."""

import csv
import io
import json
from typing import Any

import pytest

from keysweep.impact.command import impact, verdicts
from keysweep.impact.evidence import Asked
from shared.core.errors import NoRole, Unclear
from shared.core.model import AccountId
from tests.support.builders import SUBSCRIPTION_ID, an_account
from tests.support.fake_sources import Call, FakeSources, connection, fetch
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.schemas import validate
from tests.support.sessions import Person, a_session

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


def of_every_verdict() -> FakeSources:
    """Return a tenant in which each verdict is true of one account."""
    names = ("keyed", "linked", "likely", "dark", "clean", "idle")
    hub = an_account("hub", kind="AIServices", keys_on=False)
    sources = FakeSources(FakeTenant.of(*map(an_account, names), hub))
    sources.calls["keyed"] += [Call(9), Call(5, 3, "key")]
    sources.calls["likely"] += [Call(9, 40)]
    sources.calls["dark"] += [Call(9, 40)]
    sources.calls["clean"] += [Call(9, 40), Call(2, 4, status="401", caller="key")]
    sources.logs_since |= {"keyed": 90, "clean": 90}
    sources.links.append(("hub", "p", connection("old", "linked")))
    for name in ("keyed", "dark", "clean"):
        sources.holders.append(("team", str(an_account(name).id)))
    return sources


async def run(
    sources: FakeSources, *names: str, output: str = "json", days: int = 30
) -> tuple[int, str]:
    person = Person()
    session = a_session(sources.tenant, person, sources=sources)
    code = await impact(session, names, days, output)
    assert not sources.tenant.writes
    return code, person.read


async def judged(sources: FakeSources, *names: str) -> dict[str, dict[str, Any]]:
    _, out = await run(sources, *names)
    return {account["name"]: account for account in json.loads(out)["accounts"]}


async def test_each_verdict_is_said_of_the_account_of_which_it_is_true() -> None:
    found = await judged(of_every_verdict())
    assert {name: account["verdict"] for name, account in found.items()} == {
        "keyed": "USES_KEYS",
        "linked": "USES_KEYS",
        "likely": "LIKELY_KEYS",
        "dark": "CANT_TELL",
        "clean": "KEYLESS",
        "idle": "IDLE",
    }


async def test_accounts_with_keys_off_are_not_asked_about_unless_they_are_named() -> None:
    sources = of_every_verdict()
    assert "hub" not in await judged(sources)
    assert set(await judged(sources, "hub", "rg-chat/idle")) == {"hub", "idle"}


async def test_the_document_is_what_its_schema_says() -> None:
    code, out = await run(of_every_verdict())
    validate(json.loads(out), "impact")
    assert code == 1


async def test_a_document_of_what_could_not_be_read_is_too() -> None:
    sources = of_every_verdict()
    sources.refusals = {
        (what, ""): an_error(NoRole, 403)
        for what in ("batch", "metrics", "log", "settings", "activity", "connections", "roles")
    }
    code, out = await run(sources)
    validate(json.loads(out), "impact")
    assert code == 2


async def test_the_worst_comes_first() -> None:
    _, out = await run(of_every_verdict(), output="csv")
    found = [row["verdict"] for row in csv.DictReader(io.StringIO(out))]
    assert found == ["USES_KEYS", "USES_KEYS", "LIKELY_KEYS", "CANT_TELL", "KEYLESS", "IDLE"]


async def test_all_that_may_lose_their_keys_is_exit_code_0() -> None:
    sources = of_every_verdict()
    code, out = await run(sources, "clean", "idle", output="table")
    assert "2 accounts · 1 KEYLESS · 1 IDLE" in out
    assert code == 0


async def test_the_table_says_why_and_when() -> None:
    _, out = await run(of_every_verdict(), output="table")
    assert "3 calls with a key, the last at 2026-11-19 09:00 UTC." in out
    assert "6 accounts · 2 USES_KEYS · 1 LIKELY_KEYS · 1 CANT_TELL · 1 KEYLESS · 1 IDLE" in out


async def test_an_account_that_is_named_is_shown_with_all_evidence() -> None:
    sources = of_every_verdict()
    keyed = sources.tenant.accounts[an_account("keyed").id.key]
    sources.events.append(fetch(keyed, sources.clock.now, AZURE_CLI))
    _, out = await run(sources, "keyed", output="table")
    assert f"keyed in rg-chat, subscription sub ({SUBSCRIPTION_ID})" in out
    assert "gpt-4o 4" in out
    assert "3 calls with a key, 1 call with an identity" in out
    assert "to central" in out
    assert "ann@contoso.com with Azure CLI" in out
    assert "team (Group, members not seen, Cognitive Services User)" in out
    assert 'az role assignment create --assignee OBJECT-ID --role "Cognitive Services OpenAI' in out
    assert "azure_ad_token_provider=" in out
    assert "azurerm_cognitive_account.NAME.primary_access_key" in out


async def test_a_connection_is_to_be_made_anew() -> None:
    steps = (await judged(of_every_verdict()))["linked"]["nextSteps"]
    assert "Make connection old of hub, project p anew" in steps[0]["says"]
    assert steps[0]["command"].startswith("az cognitiveservices account project connection create")


async def test_what_is_not_logged_gets_the_command_and_what_it_costs() -> None:
    steps = (await judged(of_every_verdict()))["dark"]["nextSteps"]
    (step,) = [step for step in steps if "diagnostic-settings create" in step["command"]]
    assert "charged by volume" in step["says"]
    assert str(an_account("dark").id) in step["command"]


# Traps


async def test_a_log_that_began_last_week_can_not_clear_the_weeks_before() -> None:
    sources = of_every_verdict()
    sources.calls["clean"].append(Call(20, 7))
    sources.logs_since["clean"] = 10
    found = (await judged(sources))["clean"]
    assert found["verdict"] == "CANT_TELL"
    assert "up to then it shows 0." in " ".join(found["because"])
    assert "Ask again on 2026-12-15" in found["nextSteps"][0]["says"]


async def test_a_workspace_that_is_left_out_in_silence_is_named() -> None:
    sources = of_every_verdict()
    sources.unseen["clean"] = "You may not read the workspace other, which holds a part of it."
    found = (await judged(sources))["clean"]
    assert found["verdict"] == "CANT_TELL"
    assert found["notSeen"] == [sources.unseen["clean"]]


async def test_a_workspace_that_is_left_out_is_named_where_no_other_has_the_table() -> None:
    sources = of_every_verdict()
    sources.without_table.add("idle")
    assert (await judged(sources, "idle"))["idle"]["verdict"] == "IDLE"
    sources.unseen["idle"] = "You may not read the workspace closed."
    found = (await judged(sources, "idle"))["idle"]
    assert found["verdict"] == "CANT_TELL"
    assert found["notSeen"] == ["You may not read the workspace closed."]


async def test_where_no_workspace_has_the_table_and_nobody_says_which_there_are_it_is_no_none() -> (
    None
):
    sources = of_every_verdict()
    sources.without_table.add("idle")
    sources.second_refusal = an_error(Unclear, 504)
    found = (await judged(sources, "idle"))["idle"]
    assert found["verdict"] == "CANT_TELL"
    assert "Which workspaces hold its log could not be read" in " ".join(found["notSeen"])


async def test_a_role_that_a_group_has_is_somebodys() -> None:
    sources = of_every_verdict()
    sources.holders.append(("everybody", f"/subscriptions/{SUBSCRIPTION_ID}"))
    assert (await judged(sources))["likely"]["verdict"] == "CANT_TELL"


async def test_without_the_role_for_batches_each_account_is_asked_about() -> None:
    sources = of_every_verdict()
    sources.refusals["batch", SUBSCRIPTION_ID] = an_error(NoRole, 401)
    assert (await judged(sources))["clean"]["verdict"] == "KEYLESS"
    assert ("metrics", "clean") in sources.asked


async def test_with_that_role_no_account_is_asked_about_by_itself() -> None:
    sources = of_every_verdict()
    await run(sources)
    assert not [about for what, about in sources.asked if what == "metrics"]


async def test_a_subscription_without_the_role_is_a_line_and_no_end() -> None:
    sources = of_every_verdict()
    far = AccountId("00000000-0000-0000-0000-000000000002", "rg-chat", "far")
    sources.tenant.put(an_account("far", id=far))
    sources.tenant.subscribe(far.subscription_id)
    sources.refusals["activity", far.subscription_id] = an_error(NoRole, 403)
    code, out = await run(sources, output="table")
    place = f"The activity log of subscription sub ({far.subscription_id})"
    assert len([line for line in out.splitlines() if place in line]) == 1
    assert "KEYLESS" in out
    assert code == 2


@pytest.mark.parametrize("what", ["connections", "projects"])
async def test_a_foundry_account_that_can_not_be_read_lowers_what_it_may_hold(what: str) -> None:
    sources = of_every_verdict()
    sources.refusals[what, "hub"] = an_error(NoRole, 403)
    found = await judged(sources)
    assert found["clean"]["verdict"] == "CANT_TELL"
    assert found["idle"]["verdict"] == "CANT_TELL"
    assert "Foundry account hub (resource group rg-chat)" in found["idle"]["notSeen"][0]


async def test_a_subscription_that_resource_graph_hides_is_listed_by_arm() -> None:
    sources = of_every_verdict()
    sources.tenant.unshown.add(SUBSCRIPTION_ID)
    found = await judged(sources, "idle", "linked")
    assert found["idle"]["verdict"] == "IDLE"
    assert found["linked"]["verdict"] == "USES_KEYS"


async def test_a_subscription_that_neither_lists_lowers_the_verdict() -> None:
    sources = of_every_verdict()
    sources.refusals["accounts", ""] = an_error(Unclear, 500)
    sources.refusals["accounts by ARM", SUBSCRIPTION_ID] = an_error(NoRole, 403)
    found = await judged(sources, "idle")
    assert found["idle"]["verdict"] == "CANT_TELL"


async def test_a_connection_of_an_account_that_its_projects_list_too_is_one() -> None:
    sources = of_every_verdict()
    sources.links = [
        ("hub", "", connection("shared", "linked")),
        ("hub", "p", connection("own", "idle", "AAD")),
    ]
    found = await judged(sources)
    assert len(found["linked"]["connections"]["found"]) == 1
    assert found["idle"]["verdict"] == "IDLE"


async def test_a_connection_of_a_project_that_has_the_name_of_its_accounts_is_another() -> None:
    sources = of_every_verdict()
    sources.links.append(("hub", "", connection("same", "idle", "AAD")))
    sources.links.append(("hub", "p", {**connection("same", "idle"), "id": None}))
    assert (await judged(sources, "idle"))["idle"]["verdict"] == "USES_KEYS"


async def test_an_answer_that_is_none_takes_nothing_from_the_other_accounts() -> None:
    sources = of_every_verdict()
    sources.refusals["log", "keyed"] = an_error(Unclear, 500)
    found = await judged(sources)
    assert found["keyed"]["verdict"] == "CANT_TELL"
    assert found["clean"]["verdict"] == "KEYLESS"


# Many


async def test_verdicts_are_easily_asked_for_by_others() -> None:
    sources = of_every_verdict()
    session = a_session(sources.tenant, sources=sources)
    inventory = await session.parts.discovery().discover()
    asked = Asked.before(session.clock.now(), 30)
    found = await verdicts(session, inventory.accounts, inventory, asked)
    assert found[an_account("keyed").id.key].judgement.verdict == "USES_KEYS"
    assert await verdicts(session, [], inventory, asked) == {}


async def test_300_accounts_of_60_subscriptions_are_read_a_bounded_number_at_a_time() -> None:
    accounts = []
    for number in range(300):
        subscription, name = f"{number % 60:08}-0000-0000-0000-000000000000", f"a{number}"
        kind = "AIServices" if number % 5 else "OpenAI"
        place = AccountId(subscription, "rg-chat", name)
        accounts.append(an_account(name, id=place, kind=kind))
    sources = FakeSources(FakeTenant.of(*accounts))
    began = sources.clock.monotonic()
    found = await judged(sources)
    assert len(found) == 300
    assert {account["verdict"] for account in found.values()} == {"IDLE"}
    assert sources.most_under_way <= 16 * 7
    assert sources.clock.monotonic() - began < 30
