"""What a sweep looks at, what it leaves alone, and what it says of what it could not see.

The judge is the server: whose keys went off, and which requests it saw. What is decided without the
wire is tested in tests/unit/steps, by test_scope.py and test_discovery.py.
"""

import pytest

from local_azure import Tenant
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.tenant import OTHER_TENANT
from tests.support.bent_answers import completed, listed, turned_off
from tests.support.contoso import TAG, keys_on
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve


def nested() -> Tenant:
    """Return three management groups, one in the other, a subscription in each, and one beside."""
    tenant = Tenant()
    tenant.add_management_group("outer")
    tenant.add_management_group("middle", parent="outer")
    tenant.add_management_group("inner", parent="middle")
    for name, parent in (("one", "outer"), ("two", "middle"), ("three", "inner"), ("aside", None)):
        tenant.add_subscription(name, parent=parent)
        tenant.add_account(f"bot-{name}", subscription=name, local_auth=True)
    tenant.assign_function(ids.management_group_scope(tenant.id))
    return tenant


# Scope


async def test_the_home_tenant_is_that_of_the_token_if_no_setting_names_it(serve: Serve) -> None:
    tenant = nested()
    fabrikam = tenant.add_subscription(
        "fabrikam", tenant_id=OTHER_TENANT, managed_by_tenants=(tenant.id,)
    )
    tenant.add_account("fabrikam-bot", subscription="fabrikam", local_auth=True)
    tenant.assign_function(fabrikam.scope)
    azure = serve(tenant)

    tick = await sweep(azure, AZURE_TENANT_ID="")

    assert tick.whole
    assert keys_on(azure) == {"fabrikam-bot"}
    assert completed(tick)["subscriptionsOtherTenant"] == 1


# Pages


@pytest.mark.slow
async def test_a_list_of_more_than_a_thousand_rows_is_read_to_its_end(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    for number in range(1_004):
        tenant.add_account(f"ai-{number:04d}", local_auth=True, tags={TAG: "yes"}, lean=True)
    tenant.add_account("zz-last", local_auth=True)
    azure = serve(tenant)

    tick = await sweep(azure)

    assert tick.whole
    assert turned_off(azure) == {"zz-last"}
    assert completed(tick)["accounts"] == 1_005


async def test_every_page_of_arms_lists_is_read(serve: Serve) -> None:
    tenant = nested()
    tenant.add_subscription("hidden", hidden_from_graph=True)
    for number in range(5):
        tenant.add_account(f"hidden-{number}", subscription="hidden", local_auth=True)
    azure = serve(tenant, settings=Settings(account_page=2, subscription_page=2, descendant_page=2))

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=tenant.id)

    assert tick.whole
    assert keys_on(azure) == set()
    assert listed(azure) == [tenant.subscription("hidden").id] * 3


# The queries' own words: kinds and letter case


@pytest.mark.parametrize("hidden", [False, True], ids=["graph", "arm"])
async def test_accounts_of_kinds_out_of_scope_are_left_alone(serve: Serve, *, hidden: bool) -> None:
    tenant = Tenant.with_one_subscription()
    home = tenant.add_subscription("other", parent="contoso", hidden_from_graph=hidden)
    for kind in ("OpenAI", "AIServices", "Face", "SpeechServices", "ContentSafety"):
        tenant.add_account(kind, kind=kind, local_auth=True, subscription=home)
    azure = serve(tenant)

    tick = await sweep(azure, SWEEP_KINDS="AISERVICES,Face")

    assert turned_off(azure) == {"AIServices", "Face"}
    assert completed(tick)["accounts"] == 2


@pytest.mark.parametrize("hidden", [False, True], ids=["graph", "arm"])
async def test_letter_case_of_ids_kinds_and_tags_makes_no_difference(
    serve: Serve, *, hidden: bool
) -> None:
    tenant = Tenant()
    tenant.add_management_group("Contoso-Corp")
    loud = tenant.add_subscription(
        "Loud",
        parent="Contoso-Corp",
        subscription_id="ABCDEF01-2345-4678-9ABC-DEF012345678",
        hidden_from_graph=hidden,
    )
    tenant.assign_function(ids.management_group_scope("CONTOSO-corp"))
    tenant.add_account("Press-AI", kind="openai", group="RG-Press", local_auth=True)
    tenant.add_account("SCAN", kind="AISERVICES", local_auth=True, tags={TAG.upper(): "YES"})
    tenant.add_account("faX", local_auth=True, tags={"LocalAuthExempt": "True"})
    azure = serve(tenant)

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso-CORP", EXEMPTION_TAG=TAG.title())

    assert tick.whole
    assert turned_off(azure) == {"Press-AI"}
    counts = {name: completed(tick)[name] for name in ("accounts", "exempt", "held")}
    assert counts == {"accounts": 3, "exempt": 1, "held": 1}
    for event in tick.events("RemediationOutcome"):
        assert event["subscriptionId"] == loud.id.lower()
        assert event["accountId"] == event["accountId"].lower()
