"""`keysweep sweep` shows its plan, asks, and turns off what was shown. The judge is the server."""

import json
import signal
import threading
from collections.abc import Callable

import jsonschema

from local_azure import LocalAzure, Tenant, scenarios
from tests.support.terminal import ROOT, at_once, here, in_terminal

type Serve = Callable[..., LocalAzure]

QUESTION = "[y/N]"


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


ALL = {"contoso-chat", "contoso-search", "contoso-agents", "contoso-docs"}


def test_yes_turns_off_what_was_shown(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = in_terminal(azure, "sweep", answers={QUESTION: "y\n"})
    assert "Turn keys off on 4 accounts?" in ran.plain
    assert "Results: 4 DISABLED" in ran.plain
    assert keys_on(azure) == set()
    assert ran.code == 0


def test_a_yes_releases_no_brake_and_what_trickles_is_asked_for_as_such(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    held = in_terminal(azure, "sweep", MAX_CHANGES_PER_SWEEP="1")
    assert QUESTION not in held.plain
    assert "--release-brake lets through what is shown" in held.plain
    assert not azure.writes
    assert held.code == 1
    trickled = in_terminal(
        azure, "sweep", answers={QUESTION: "y\n"}, MAX_CHANGES_PER_SWEEP="1", BRAKE="trickle"
    )
    assert "Turn keys off on 1 of 4 accounts?" in trickled.plain
    assert len(keys_on(azure)) == 3


def test_anything_but_yes_changes_nothing(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = in_terminal(azure, "sweep", answers={QUESTION: "\n"})
    assert "Nothing was changed." in ran.plain
    assert not azure.writes
    assert ran.code == 1


def test_ctrl_c_at_the_question_changes_nothing(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = in_terminal(azure, "sweep", answers={QUESTION: signal.SIGINT})
    assert "Stopped." in ran.plain
    assert not azure.writes
    assert ran.code == 130


def test_nobody_to_ask_is_bad_usage(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep")
    assert "say --yes" in ran.err
    assert not azure.writes
    assert ran.code == 64


def test_an_exemption_given_while_the_question_stands_wins(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())

    def tag_and_agree() -> str:
        azure.tenant.tag("contoso-chat", {"local-auth-exempt": "true"})
        return "y\n"

    in_terminal(azure, "sweep", answers={QUESTION: tag_and_agree})
    assert keys_on(azure) == {"contoso-chat"}


def test_a_drift_that_was_not_shown_is_not_touched(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())

    def add_and_agree() -> str:
        azure.tenant.add_account("newcomer", local_auth=True)
        return "y\n"

    in_terminal(azure, "sweep", answers={QUESTION: add_and_agree})
    assert keys_on(azure) == {"newcomer"}


def test_audit_shows_the_plan_and_stops(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep", "--audit")
    assert "Enforcing would turn keys off on 4 accounts." in ran.out
    assert not azure.writes
    assert ran.code == 1


def test_only_touches_only_what_is_named(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep", "--yes", "--only", "rg-chat/contoso-chat")
    assert keys_on(azure) == ALL - {"contoso-chat"}
    assert "1 account in 1 subscription" in ran.out
    assert ran.code == 0


def test_a_lock_remains_and_is_exit_code_1(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    locked = tenant.account("contoso-docs")
    tenant.add_lock(locked.id)
    azure = at_once(serve, tenant)
    ran = here(azure, "sweep", "--yes")
    assert "ScopeLocked" in ran.out
    assert keys_on(azure) == {"contoso-docs"}
    assert ran.code == 1


def test_no_permission_is_exit_code_2(serve: Serve) -> None:
    tenant = scenarios.four_accounts()
    scope = tenant.subscription("contoso-prod").scope
    tenant.deny(tenant.team, scope, ["Microsoft.CognitiveServices/accounts/write"])
    azure = at_once(serve, tenant)
    ran = here(azure, "sweep", "--yes")
    assert "4 NO_ROLE" in ran.out
    assert ran.code == 2


def crowd() -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(12):
        tenant.add_account(f"bot-{number:02}", local_auth=True)
    return tenant


def test_ctrl_c_finishes_what_is_in_flight_and_begins_nothing(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    azure.faults.on(method="PATCH", times=None).hang(1, after_acting=True)
    sending = threading.Event()
    azure.before(lambda request: sending.set() if request.method == "PATCH" else None)

    def interrupt() -> signal.Signals:
        assert sending.wait(30)
        return signal.SIGINT

    ran = in_terminal(azure, "sweep", "--yes", answers={"Turning keys off": interrupt})
    sent = [each for each in azure.operations if each.method == "PATCH"]
    done = {each.name for each in azure.tenant.accounts if not each.keys_on}
    assert 0 < len(sent) < 12
    assert all(each.status == 200 for each in sent)
    assert len(done) == len(sent)
    assert f"You stopped it: {12 - len(done)} accounts not attempted." in ran.plain
    assert f"{len(done)} DISABLED" in ran.plain
    assert ran.code == 1


def test_a_second_ctrl_c_breaks_off_and_says_what_is_not_known(serve: Serve) -> None:
    azure = at_once(serve, crowd())
    azure.faults.on(method="PATCH", times=None).hang(30)
    ran = in_terminal(
        azure,
        "sweep",
        "--yes",
        answers={"Turning keys off": signal.SIGINT, "Ctrl-C again": signal.SIGINT},
    )
    assert "broken off. Done: nothing. In flight or not begun: 12 accounts." in ran.plain
    assert ran.code == 2


def test_a_saved_report_names_what_was_changed(serve: Serve) -> None:
    azure = at_once(serve, scenarios.four_accounts())
    ran = here(azure, "sweep", "--yes", "--output", "json")
    document = json.loads(ran.out)
    jsonschema.validate(document, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    assert {each["name"] for each in document["accounts"] if each["accepted"]} == ALL
    assert document["mode"] == "enforce"
