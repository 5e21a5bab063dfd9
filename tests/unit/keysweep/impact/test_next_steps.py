"""Each verdict comes with what to do next, by what was seen."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keysweep.impact.evidence import (
    Caller,
    Connections,
    EntraUse,
    Evidence,
    Holder,
    Holds,
    KeyFetch,
    KeyFetches,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.next_steps import next_steps, who_could
from keysweep.impact.verdict import Impact, judge
from tests.support.builders import NOW, an_account
from tests.support.evidence import ASKED, a_connection, calls, evidence, logged

BLIND = Unread("The request log", "403 AuthorizationFailed")
PIPELINE = KeyFetch(NOW, "spn-deploy", "", "203.0.113.7")
PERSON = KeyFetch(NOW, "ann@contoso.com", "Azure Portal")


def steps(**parts: Any) -> tuple[str, str]:
    """Return what is to be done, and the commands, each as one text."""
    return of(evidence(**parts))


def of(found: Evidence) -> tuple[str, str]:
    said = next_steps(found, judge(found))
    return " ".join(step.says for step in said), " ".join(step.command for step in said)


def test_a_client_with_a_key_is_found_by_what_the_log_has_of_it() -> None:
    rows = RequestLog((logged(0, Caller.KEY, 2), logged(1, Caller.KEY, 5, addresses=())))
    says, commands = steps(log=rows)
    assert says.startswith(
        "Find the clients: 5 calls of ChatCompletions_Create to gpt-4o from an address that the "
        "log does not show; 2 calls of ChatCompletions_Create to gpt-4o from 81.2.69.***."
    )
    assert "azure_ad_token_provider=" in commands


def test_a_realtime_client_is_looked_at_first() -> None:
    rows = RequestLog((logged(0, Caller.KEY, operation="Realtime_Connect"),))
    assert "Look at realtime clients first" in steps(log=rows)[0]


def test_without_a_custom_subdomain_that_comes_first() -> None:
    entra = EntraUse((), has_subdomain=False)
    bare = replace(an_account(), custom_subdomain=None)
    says, commands = steps(account=bare, log=RequestLog(), entra=entra)
    assert says.startswith("Give it a custom subdomain")
    assert "az cognitiveservices account update --name bot --resource-group rg-chat" in commands


@pytest.mark.parametrize(("fetch", "changes"), [(PIPELINE, True), (PERSON, False)])
def test_who_fetched_keys_is_asked_and_a_pipelines_templates_change(
    fetch: KeyFetch, *, changes: bool
) -> None:
    rows = RequestLog((logged(0, Caller.KEY),))
    says, commands = steps(log=rows, fetches=KeyFetches((fetch,)))
    assert f"Ask who fetched its keys: {fetch.by}" in says
    assert ("azurerm_cognitive_account.NAME.primary_access_key" in commands) == changes
    assert ("listKeys().key1" in commands) == changes


def test_a_connection_of_an_account_is_made_anew_by_its_command() -> None:
    connections = Connections((a_connection(name="bot; rm -rf"),))
    _, commands = steps(connections=connections)
    assert (
        "az cognitiveservices account connection create --name hub --resource-group rg-foundry "
        "--connection-name 'bot; rm -rf' --file connection.yml" in commands
    )


def test_what_could_not_be_seen_is_to_be_seen() -> None:
    says, _ = steps(log=BLIND)
    assert "Get to see what was not seen: The request log could not be read: 403" in says


def test_a_log_that_began_later_says_from_when_on_it_tells() -> None:
    says, commands = steps(log=RequestLog((logged(2),)))
    whole = logged(2).first + timedelta(days=ASKED.days)
    assert f"Ask again on {whole:%Y-%m-%d}, when the log covers 3 days" in says
    assert "keysweep impact rg-chat/bot --days 1" in commands


def test_calls_whose_rows_can_not_be_parsed_are_asked_after() -> None:
    rows = RequestLog((logged(0), logged(1, Caller.UNKNOWN), logged(2)))
    assert "Ask whose calls these are: 1 call of ChatCompletions_Create" in steps(log=rows)[0]


def test_calls_without_a_log_get_the_command_for_one_and_its_cost() -> None:
    says, commands = steps(calls=calls(10_000), log=RequestLog(), logging=NotLogged())
    assert "about 200 MB a month" in says
    assert "az monitor diagnostic-settings create" in commands


def test_what_is_logged_already_is_not_logged_twice() -> None:
    assert "diagnostic-settings" not in steps(log=RequestLog((logged(2),)))[1]


def test_what_may_lose_its_keys_is_told_so() -> None:
    assert steps()[1] == "keysweep sweep --only rg-chat/bot"
    idle = evidence(calls=calls(), log=RequestLog())
    assert judge(idle).verdict is Impact.IDLE
    assert of(idle)[0].startswith("Ask whether anybody needs it")


@pytest.mark.parametrize(
    ("entra", "says"),
    [
        (Unread("x", "y"), "not read"),
        (EntraUse((), has_subdomain=False), "nobody: it has no custom subdomain"),
        (EntraUse((), has_subdomain=True), "nobody that you can see"),
        (EntraUse((Holder("p", "User", "R", "/"),), has_subdomain=True), "p (User, R)"),
        (
            EntraUse((Holder("p", "Group", "R", "/"),), has_subdomain=True),
            "p (Group, members not seen, R)",
        ),
    ],
)
def test_who_could_use_it_is_said(entra: EntraUse | Unread, says: str) -> None:
    assert who_could(entra) == says


@pytest.mark.parametrize("holds", list(Holds))
def test_every_verdict_has_a_next_step(holds: Holds) -> None:
    for log in (RequestLog(), evidence().log, BLIND):
        found = evidence(log=log, connections=Connections((a_connection(holds),)))
        assert next_steps(found, judge(found))
