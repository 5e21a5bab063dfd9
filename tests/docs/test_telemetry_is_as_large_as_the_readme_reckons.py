"""What infra/README.md says that telemetry costs is what a sweep sends."""

import json
import re
from math import prod
from typing import Any

import pytest

from local_azure import scenarios
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve
from tools.prose import DEPLOYING

TEXT = DEPLOYING.read_text().replace("\N{MULTIPLICATION SIGN}", "x")
SUBSCRIPTIONS, EXEMPT = 100, 48
TAG = "until=2027-03-31; reason=CHG0042 legacy bot; owner=team-x@contoso.com"


def said(pattern: str) -> float:
    (number,) = re.findall(pattern, TEXT)
    return float(number.replace(",", ""))


def kilobytes(envelopes: list[dict[str, Any]]) -> float:
    return sum(len(json.dumps(envelope, separators=(",", ":"))) for envelope in envelopes) / 1000


def named(envelopes: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [envelope for envelope in envelopes if envelope["data"]["baseData"].get("name") in names]


def steady(envelopes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what hangs on the machine: the exporter describes the app once a batch of spans."""
    metrics = [envelope for envelope in envelopes if envelope["data"]["baseType"] == "MetricData"]
    described = [
        envelope
        for envelope in metrics
        if envelope["data"]["baseData"]["metrics"][0]["name"] == "_OTELRESOURCE_"
    ]
    return [envelope for envelope in envelopes if envelope not in described[1:]]


async def test_a_calm_sweep_of_a_thousand_accounts_sends_what_the_readme_says(
    serve: Serve,
) -> None:
    tenant = scenarios.large(1000, drifted=0, subscriptions=SUBSCRIPTIONS)
    for account in list(tenant.accounts)[:EXEMPT]:
        account.flag = False
        account.tags = {"local-auth-exempt": TAG}
    sent = steady((await sweep(serve(tenant))).envelopes)
    read, exempt = named(sent, "SubscriptionRead"), named(sent, "ExemptionObserved")
    assert len(read) == SUBSCRIPTIONS
    assert len(exempt) == EXEMPT
    assert kilobytes(read) / SUBSCRIPTIONS == pytest.approx(
        said(r", ([\d.]+) kB for each subscription"), rel=0.05
    )
    assert kilobytes(exempt) / EXEMPT == pytest.approx(
        said(r"([\d.]+) kB for each account that is exempt"), rel=0.05
    )
    rest = [envelope for envelope in sent if envelope not in read and envelope not in exempt]
    assert kilobytes(rest) == pytest.approx(said(r"a sweep sends ([\d.]+) kB"), rel=0.1)
    host = said(r"the host adds some ([\d.]+) kB")
    assert kilobytes(sent) + host == pytest.approx(said(r"= ([\d.]+) kB a sweep"), rel=0.05)


async def test_an_account_with_keys_on_sends_what_the_readme_says(
    serve: Serve,
) -> None:
    azure = serve(scenarios.large(200, drifted=100, subscriptions=10))
    sent = (await sweep(azure, "audit")).envelopes
    drift = named(sent, "DriftFound", "RemediationOutcome")
    assert len(drift) == 200
    assert kilobytes(drift) / 100 == pytest.approx(said(r"([\d.]+) kB for each whose"), rel=0.05)


async def test_an_account_of_the_inventory_sends_what_the_readme_says(serve: Serve) -> None:
    azure = serve(scenarios.large(100, drifted=0, subscriptions=10))
    daily = {"INVENTORY": "daily", "SWEEP_SCHEDULE": "0 0 0 * * *"}
    seen = named((await sweep(azure, "audit", **daily)).envelopes, "AccountSeen")
    assert len(seen) == 100
    assert kilobytes(seen) / 100 == pytest.approx(
        said(r"sends ([\d.]+) kB for each account, once a day"), rel=0.05
    )


def test_the_months_arithmetic_is_right() -> None:
    sweeps = 4 * 24 * 365 / 12
    assert said(r"365 / 12 = ([\d,]+) sweeps") == sweeps
    # "2,920 x 170 kB = 0.50 GB", and the like.
    products = 0
    for factors, total in re.findall(
        r"((?:[\d,.]+ (?:k?B |s |GB )?x )+[\d,.]+(?: [kM]?B)?)[^=|]*= ([\d,.]+) G", TEXT
    ):
        numbers = [float(number.replace(",", "")) for number in re.findall(r"\d[\d,.]*", factors)]
        product = prod(numbers)
        scale = 1e6 if "kB" in factors else 1e3 if "MB" in factors else 1
        assert product / scale == pytest.approx(float(total.replace(",", "")), rel=0.03), factors
        products += 1
    assert products == 6
    alerts = len(re.findall(r"^\| `Microsoft.Insights/scheduledQueryRules`", TEXT, re.MULTILINE))
    assert said(r"15 minutes: (\d+) x 0.50") == alerts
    assert said(r"13 x 0.50 \| ([\d.]+)") == alerts * 0.5
    assert said(r"3 digests, 8 x 0.05 \| 0 to ([\d.]+)") == 8 * 0.05
