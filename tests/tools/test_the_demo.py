"""What the demo says of its tenant, and how it shows what became of an account."""

import io

from rich.console import Console

from local_azure import scenarios
from tools.demo import table
from tools.demo_sweep import Row, Sweep, left_alone

SUBSCRIPTION = "6f0c0bd2-0000-0000-0000-000000000000"


def event(name: str, **properties: str) -> dict[str, object]:
    account = {"accountId": "/a/bot", "accountName": "bot", "subscriptionId": SUBSCRIPTION}
    data = {"name": name, "properties": account | properties, "measurements": {"drift": 1}}
    return {"data": {"baseType": "EventData", "baseData": data}}


def sweep(*envelopes: dict[str, object]) -> Sweep:
    return Sweep([*envelopes], {SUBSCRIPTION: "contoso-web-prod"})


def test_the_accounts_that_no_sweep_meets_are_fifteen_each_with_its_reason() -> None:
    assert sum(map(len, left_alone(scenarios.demo().tenant).values())) == 15


def test_a_refusal_is_told_in_words_with_azures_code() -> None:
    told = sweep(
        event("DriftFound", reason="Its keys are on."),
        event("RemediationOutcome", result="LOCKED", azureCode="ScopeLocked", detail=""),
    )
    assert [row.why for row in told.rows()] == ["A lock on it forbids changes. (ScopeLocked)"]


def test_why_a_sweep_is_not_whole_names_the_subscription() -> None:
    told = sweep(event("SweepCompleted", reasons=f"subscription {SUBSCRIPTION} could not be read"))
    assert told.reasons() == "subscription contoso-web-prod could not be read"


def test_requests_are_those_that_the_metrics_count() -> None:
    metric = {"metrics": [{"name": "keysweep.requests", "value": 3.0}]}
    told = sweep({"data": {"baseType": "MetricData", "baseData": metric}}, event("SweepStarted"))
    assert told.requests == 3


def test_nothing_of_a_reason_is_cut_in_a_narrow_terminal() -> None:
    console = Console(width=80, file=io.StringIO(), record=True)
    why = " ".join(f"word{number}" for number in range(30))
    console.print(table([Row("contoso-finance-prod", "contract-review-test", "HELD", why)]))
    assert "word29" in console.export_text()
