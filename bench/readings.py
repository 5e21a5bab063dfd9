"""The workbook's heaviest steps on 30 days of a large tenant: `python -m bench.readings`.

1,000 subscriptions, 5,000 accounts and 96 sweeps a day, unless told otherwise. Time and memory are
those of the local executor, one thread; Application Insights has more of both.
"""

import argparse
import resource
import time
from datetime import datetime, timedelta

from dashboard.tables import Tables
from tests.support.envelopes import event_envelope
from tests.support.queries import queries

END = datetime(2026, 11, 24)  # noqa: DTZ001 - as the tables have it
STEPS = ("freshness", "overview-now", "overview-coverage", "overview-states-over-time",
         "drift-open", "exemptions-soon")  # fmt: skip


def received(subscriptions: int, accounts: int, sweeps: int, days: int) -> Tables:
    """Return what such a tenant sends: one account in fifty is adrift, one in ten exempt."""
    tables = Tables([event_envelope("Stranger", "2026-11-01T00:00:00Z")])
    begin, apart = END - timedelta(days=days), timedelta(days=1) / sweeps
    common = """begin + INTERVAL 1 MINUTE AS timestamp, '{name}' AS name, 'customEvent' AS itemType,
        json_object('sweepId', sweep, 'mode', 'enforce', {words}) AS customDimensions,
        '' AS operation_Id, 'func-keysweep' AS cloud_RoleName, '' AS cloud_RoleInstance,
        1 AS itemCount, json_object({numbers}) AS customMeasurements"""
    numbers = f"'accounts', {accounts // subscriptions}, 'compliant', 0, 'held', 0"
    told = f"""(account % 50 == 0)::INT AS drift, (account % 10 == 1)::INT AS exempt
        FROM range({accounts}) AS accounts(account)"""
    by_subscription = f"""(SELECT account % {subscriptions} AS place, sum(drift) AS drift,
        sum(exempt) AS exempt FROM (SELECT account, {told}) GROUP BY ALL)"""  # noqa: S608
    account = f"""'subscriptionId', 'sub-' || (account % {subscriptions}),
        'accountId', '/subscriptions/x/accounts/account-' || account,
        'accountName', 'account-' || account"""
    parts = {
        "SweepStarted": ("'scope', 'all'", "", ""),
        "SweepCompleted": ("'whole', 'true'", f"'subscriptionsRead', {subscriptions}", ""),
        "SubscriptionRead": (
            """'subscriptionId', 'sub-' || place, 'subscriptionName', 'name-' || place,
            'source', 'graph'""",
            numbers + ", 'drift', drift, 'exempt', exempt",
            f", {by_subscription}",
        ),
        "DriftFound": (account, "'openHours', 3", f", (SELECT account, {told}) WHERE drift == 1"),
        "RemediationOutcome": (
            account + ", 'result', 'LOCKED'",
            "",
            f", (SELECT account, {told}) WHERE drift == 1",
        ),
        "ExemptionObserved": (
            account + ", 'state', 'active', 'keysOn', 'true', 'verdict', 'EXEMPT',"
            " 'until', '2027-01-01'",
            "'daysLeft', 38",
            f", (SELECT account, {told}) WHERE exempt == 1",
        ),
    }
    database = tables._database  # noqa: SLF001 - millions of rows are made where they go
    for name, (words, measured, source) in parts.items():
        columns = common.format(name=name, words=words, numbers=measured)
        database.execute(
            f"INSERT INTO received_events BY NAME SELECT {columns} FROM (SELECT begin, "  # noqa: S608
            f"strftime(begin, '%Y%m%dT%H%M%SZ') || '-0' AS sweep FROM range(TIMESTAMP '{begin}', "
            f"TIMESTAMP '{END}', INTERVAL {apart.total_seconds()} SECOND) AS sweeps(begin)){source}"
        )
    tables.everything()
    return tables


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.readings", description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=5000)
    parser.add_argument("--sweeps", type=int, default=96, help="a day")
    parser.add_argument("--days", type=int, default=30)
    given = parser.parse_args()
    began = time.monotonic()
    tables = received(given.subscriptions, given.accounts, given.sweeps, given.days)
    ((rows,),) = tables.query("customEvents | summarize count()").rows
    print(f"{rows:,} events in {time.monotonic() - began:.0f} s")  # noqa: T201
    for step in STEPS:
        began = time.monotonic()
        found = tables.query(queries()[f"workbook {step}"])
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(  # noqa: T201
            f"{step}: {len(found.rows)} rows, {time.monotonic() - began:.1f} s, {most:,.0f} MB"
        )


if __name__ == "__main__":
    main()
