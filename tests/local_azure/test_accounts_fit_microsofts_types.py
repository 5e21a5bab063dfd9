"""Account JSON against Microsoft's own types of it."""

import pytest

from local_azure import scenarios
from local_azure.state.account import Account
from tests.support.bicep_types import account_problems, update_problems
from tests.support.recorded_exchanges import recorded

# The types know no null. Azure answers it all the same.
NULLS = (
    # Recorded: account-get-200-kind-aiservices (2026).
    "account.properties.apiProperties.qnaAzureSearchEndpointKey is None, not a StringType ",
    # "nullable bool" in the SDK's model; whether Azure ever answers it is unverified.
    "account.properties.disableLocalAuth is None, not a BooleanType ",
)

ACCOUNTS = {account.name: account for account in scenarios.demo().tenant.accounts}


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_account_fits_the_types_but_for_known_nulls(account: Account) -> None:
    problems = account_problems(account.wire("2025-09-01"))

    assert [problem for problem in problems if problem not in NULLS] == []


@pytest.mark.parametrize("name", ["account-get-200-kind", "account-get-200-after"])
def test_recorded_accounts_fit_as_well_or_the_checker_is_wrong(name: str) -> None:
    assert [p for p in account_problems(recorded(name).body) if p not in NULLS] == []


def test_the_checker_sees_what_is_wrong() -> None:
    account = ACCOUNTS["invoice-reader"].wire()
    del account["name"]
    account["properties"]["publicNetworkAccess"] = 3
    account["properties"]["callRateLimit"] = {"rulez": []}
    account["properties"]["isMigrated"] = "no"
    account["sku"] = "S0"

    assert account_problems(account) == [
        "account.sku is 'S0', not an object",
        "account.properties.callRateLimit.rulez is not declared",
        "account.properties.isMigrated is 'no', not a BooleanType ",
        "account.properties.publicNetworkAccess is 3, none of what is allowed",
        "account.name is missing",
    ]


def test_a_client_may_send_the_flag_and_nothing_that_is_read_only() -> None:
    assert update_problems({"properties": {"disableLocalAuth": True}}) == []
    assert update_problems({"etag": "x", "properties": {"endpoint": "x"}}) == [
        "account.etag is read-only",
        "account.properties.endpoint is read-only",
    ]
