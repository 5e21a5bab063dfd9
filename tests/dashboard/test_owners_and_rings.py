"""By owner and by ring: whose drift is open, and where keys go off from when on."""

from typing import Any

import pytest

from dashboard.tables import Tables
from tests.support.queries import queries
from tests.support.told_sweeps import A, B, calm, completed, drift, event, outcome, read, shown

ANNA, BERT = "anna@contoso.com", "bert@contoso.com"
LEFT_OUT = "Of other owners, and not shown: 1 rows."


def exemption(hour: int, owner: str, days: int, account: str = "kiosk") -> Any:
    return event(
        "ExemptionObserved", hour, {"daysLeft": days},
        subscriptionId=A, accountId=f"/a/{account}", accountName=account, state="active",
        verdict="EXEMPT", until="2026-12-01", owner=owner, ownerFrom="account",
        exemptionOwner="said by the tag",
    )  # fmt: skip


def two_owners() -> list[Any]:
    """Return a sweep that finds a drift of Anna's, one of nobody's, and an exemption of Bert's."""
    numbers = {"accounts": 3, "compliant": 0, "exempt": 1, "held": 0, "drift": 2}
    return [
        drift(4, "bot", owner=ANNA, ownerFrom="resourceGroup"),
        drift(4, "stray"),
        exemption(4, BERT, 5),
        event("SubscriptionRead", 4, numbers, subscriptionId=A),
        completed(4),
    ]


def by_owner(*events: Any) -> dict[str, dict[str, Any]]:
    return {row["Owner"]: row for row in shown("who-owner", *events)}


def accounts(step: str, *events: Any, owner: str = "", clicked: str = "") -> list[str]:
    return [row["Account"] for row in shown(step, *events, owner=owner, clicked=clicked)]


# By owner


def test_open_drift_is_counted_for_its_owner() -> None:
    assert by_owner(*two_owners())[ANNA]["Open"] == 1


def test_drift_of_which_nobody_is_known_stands_there_too() -> None:
    assert by_owner(*two_owners())["not known"]["Open"] == 1


def test_an_exemption_that_ends_within_30_days_is_counted_for_its_owner() -> None:
    assert by_owner(*two_owners())[BERT]["Ending"] == 1


def test_an_exemption_that_ends_later_is_not_counted() -> None:
    numbers = {"accounts": 1, "compliant": 0, "exempt": 1, "held": 0, "drift": 0}
    read_it = event("SubscriptionRead", 4, numbers, subscriptionId=A)
    assert by_owner(exemption(4, BERT, 31), read_it, completed(4)) == {}


def test_the_age_is_that_of_the_oldest_open_drift() -> None:
    aged = [
        event("DriftFound", 4, {"openHours": hours}, subscriptionId=A, accountId=f"/a/{hours}",
              accountName=str(hours), owner=ANNA)
        for hours in (3, 70)
    ]  # fmt: skip
    assert by_owner(*aged, read(A, 4, drift=2), completed(4))[ANNA]["Oldest"] == 70


def test_who_only_turned_keys_on_is_told_apart_from_whom_a_tag_names() -> None:
    found = [drift(4, owner=ANNA, ownerFrom="changedBy"), read(A, 4, drift=1), completed(4)]
    assert by_owner(*found)[ANNA]["Untagged"] == 1
    assert by_owner(*two_owners())[ANNA]["Untagged"] == 0


def test_drift_that_was_settled_is_nobodys_any_more() -> None:
    found = [drift(4, owner=ANNA), read(A, 4, drift=1), outcome(4, "DISABLED"), completed(4)]
    assert by_owner(*found) == {}


# The parameter, and a click


@pytest.mark.parametrize("step", ["drift-open", "drift-all", "who-open", "exposure-accounts"])
def test_a_list_shows_the_accounts_of_the_owner_who_is_chosen(step: str) -> None:
    assert "bot" in accounts(step, *two_owners(), owner=ANNA)
    assert "stray" not in accounts(step, *two_owners(), owner=ANNA)


def test_a_list_says_how_many_of_other_owners_it_leaves_out() -> None:
    assert accounts("drift-open", *two_owners(), owner=ANNA) == [LEFT_OUT, "bot"]


def test_an_owner_of_nothing_is_not_told_that_nothing_is_open() -> None:
    assert accounts("who-open", *two_owners(), owner=BERT) != []


def test_all_owners_are_shown_unless_one_is_chosen() -> None:
    assert accounts("drift-open", *two_owners()) == ["bot", "stray"]


def test_a_click_on_an_owner_shows_what_is_open_for_that_one() -> None:
    assert accounts("who-open", *two_owners(), clicked=ANNA) == [LEFT_OUT, "bot"]


def test_a_list_of_exemptions_keeps_the_owner_that_the_tag_gives_apart() -> None:
    (row,) = shown("exemptions-soon", *two_owners())
    assert row["Owner"] == BERT
    assert row["SaidOwner"] == "said by the tag"


def test_owners_are_offered_and_no_quote_of_a_tag_leaves_its_place() -> None:
    tables = Tables([*two_owners(), drift(4, "third", owner="') or ('1' == '1\\")])
    tables.everything()
    offered = [row["value"] for row in tables.query(queries()["workbook parameter Owner"]).dicts()]
    assert sorted(offered) == sorted([ANNA, BERT, "not known", "_) or (_1_ == _1_"])


# Rings


def ring(name: str, mode: str, subscription: str, *, begins: str = "", drift: int = 0) -> Any:
    words = {"ring": name, "mode": mode, "enforceFrom": begins}
    said: dict[str, Any] = {key: word for key, word in words.items() if word}
    return read(subscription, 4, drift=drift, name=subscription[:4], **said)


def standings(*events: Any) -> dict[str, dict[str, Any]]:
    return {row["Subscription"]: row for row in shown("rings-subscriptions", *events)}


def three_rings() -> list[Any]:
    """Return a sweep of one ring in force, with a drift that was refused, and one to come."""
    return [
        drift(4), outcome(4, "LOCKED"),
        ring("mg-dev", "enforce", A, drift=1),
        ring("mg-test", "audit", B, begins="2027-01-15T00:00:00Z"),
        completed(4, count=2),
    ]  # fmt: skip


def test_a_subscription_shows_its_ring_and_whether_that_is_in_force() -> None:
    found = standings(*three_rings())
    assert found["aaaa"]["Ring"] == "mg-dev"
    assert found["aaaa"]["Standing"] == "in force"


def test_a_ring_to_come_shows_its_day() -> None:
    found = standings(*three_rings())
    assert found["bbbb"]["Standing"] == "to come"
    assert f"{found['bbbb']['From']:%Y-%m-%d}" == "2027-01-15"


def test_a_ring_whose_day_passed_since_the_reading_is_due() -> None:
    due = ring("mg-dev", "audit", A, begins="2026-11-23T04:30:00Z")
    assert standings(due, completed(4))["aaaa"]["Standing"] == "due with the next sweep"


def test_a_subscription_in_no_ring_is_audited() -> None:
    found = standings(read(A, 4, mode="audit"), completed(4))[A]
    assert found["Standing"] == "audited"
    assert found["Ring"] == "none"


def test_without_rings_enforcement_is_everywhere() -> None:
    assert standings(*calm([4]))[A]["Ring"] == "everywhere"


def test_drift_where_no_sweep_read_the_ring_is_of_a_ring_that_nobody_knows() -> None:
    found = standings(*calm([4]), event("SweepStarted", 5), drift(5, subscription=B))
    assert found[B]["Standing"] == "not known"
    assert found[B]["Drift"] == 1


def test_open_drift_is_summed_by_ring() -> None:
    summed = {row["Ring"]: row["Drift"] for row in shown("rings-drift", *three_rings())}
    assert summed == {"mg-dev": 1, "mg-test": 0}


def test_what_waits_for_its_ring_is_listed_with_the_day_on_which_keys_go_off() -> None:
    begins = "2027-01-15T00:00:00Z"
    found = [
        drift(4, mode="audit", enforceFrom=begins), outcome(4, "WOULD_DISABLE"),
        ring("mg-test", "audit", A, begins=begins, drift=1), completed(4),
    ]  # fmt: skip
    (row,) = shown("overview-would-do", *found)
    assert row["Accounts"] == 1
    assert f"{row['From']:%Y-%m-%d}" == "2027-01-15"


def test_the_newest_sweep_says_how_much_of_its_drift_is_in_force_to_come_and_audited() -> None:
    counted = event(
        "SweepCompleted", 4,
        {"subscriptionsRead": 1, "gaps": 0, "driftEnforced": 1, "driftToCome": 2,
         "driftAudited": 3}, whole="true",
    )  # fmt: skip
    newest = shown("overview-last-sweeps", read(A, 4), counted)[0]
    assert [newest[name] for name in ("InForce", "ToCome", "Audited")] == [1, 2, 3]


# The brake, and compliance


def braked(hour: int, changes: int) -> Any:
    numbers = {"changes": changes, "limit": 6, "held": changes}
    return event("BrakeEngaged", hour, numbers, brake=f"holds {changes}")


def test_what_the_brake_holds_is_one_line_however_many_sweeps_it_held_it() -> None:
    (row,) = shown("held-brake", *(braked(hour, 8) for hour in range(4)))
    assert row["Sweeps"] == 4
    assert row["First"].hour == 0
    assert row["Last"].hour == 3


def test_what_the_brake_holds_is_a_new_line_once_it_is_more() -> None:
    assert len(shown("held-brake", braked(1, 8), braked(2, 9))) == 2


def test_compliance_is_drawn_with_and_without_the_exempt() -> None:
    numbers = {"accounts": 4, "compliant": 1, "exempt": 1, "held": 0, "drift": 2}
    told = [event("SubscriptionRead", 4, numbers, subscriptionId=A), completed(4)]
    drawn = {row["Counted"]: row["Share"] for row in shown("overview-compliance-over-time", *told)}
    assert drawn == {"Keys off": 25.0, "Keys off or exempt": 50.0}
