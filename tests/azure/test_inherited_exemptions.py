"""EXEMPTION_INHERIT: tags of the resource group and the subscription count, the nearest decides."""

from collections.abc import Callable
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.faults import Fault
from shared.core.model import HoldReason, Result
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]
type Tags = dict[str, str] | None

TAG = "local-auth-exempt"
YES = {TAG: "until=2027-03-31; reason=group; owner=team-x"}
NO = {TAG: "no"}
LAPSED = {TAG: "2026-11-23"}
UNREADABLE = {TAG: "until=soon"}
NEAR = {"LocalAuthExempt": "yes"}
BOTH = "resourceGroup,subscription"

# How discovery finds the account: through Resource Graph, or by ARM's own lists.
SOURCES = pytest.mark.parametrize("hidden", [False, True], ids=["graph", "arm"])


def bot(
    account: Tags = None, group: Tags = None, subscription: Tags = None, *, hidden: bool = False
) -> Tenant:
    tenant = Tenant.with_one_subscription()
    home = tenant.subscription("contoso-prod")
    home.tags, home.hidden_from_graph = subscription, hidden
    tenant.add_group("rg-AI", tags=group)
    tenant.add_account(
        "bot", local_auth=True, tags=account, group="rg-AI", patch=PatchForm.OK_200, stale_reads=0
    )
    return tenant


def keys_on(azure: LocalAzure) -> bool:
    return azure.tenant.account("bot").keys_on


def only(swept: Swept, name: str) -> dict[str, Any]:
    (event,) = swept.events(name)
    return event


@SOURCES
@pytest.mark.parametrize("level", ["resourceGroup", "subscription"])
@pytest.mark.parametrize("setting", ["one", "true", "subscription, RESOURCEGROUP"])
async def test_a_tag_above_exempts_where_its_level_is_switched_on(
    serve: Serve, *, hidden: bool, level: str, setting: str
) -> None:
    tags = {"group" if level == "resourceGroup" else "subscription": YES}
    azure = serve(bot(hidden=hidden, **tags))

    swept = await sweep(azure, EXEMPTION_INHERIT=level if setting == "one" else setting)

    assert (azure.writes, keys_on(azure), swept.whole) == ((), True, True)
    told = only(swept, "ExemptionObserved")
    assert (told["level"], told["verdict"], told["state"]) == (level, "EXEMPT", "active")
    assert (told["until"], told["exemptionReason"], told["owner"]) == (
        "2027-03-31", "group", "team-x",
    )  # fmt: skip


@SOURCES
@pytest.mark.parametrize("setting", ["", "false"])
async def test_it_is_off_unless_switched_on(serve: Serve, *, hidden: bool, setting: str) -> None:
    azure = serve(bot(group=YES, subscription=YES, hidden=hidden))

    swept = await sweep(azure, EXEMPTION_INHERIT=setting)

    assert (swept.results, keys_on(azure)) == ({"bot": Result.DISABLED}, False)
    assert swept.events("ExemptionObserved") == []


@pytest.mark.parametrize(
    ("setting", "tags"),
    [("resourceGroup", {"subscription": YES}), ("subscription", {"group": YES})],
)
async def test_a_level_that_is_not_switched_on_does_not_count(
    serve: Serve, setting: str, tags: dict[str, Tags]
) -> None:
    azure = serve(bot(group=tags.get("group"), subscription=tags.get("subscription")))

    swept = await sweep(azure, EXEMPTION_INHERIT=setting)

    assert swept.results == {"bot": Result.DISABLED}


NEAREST: list[tuple[Tags, Tags, Tags, str]] = [
    # the account's tags, its group's, its subscription's, and what becomes of it
    (NO, YES, YES, "DISABLED"),
    (YES, NO, NO, "account"),
    (None, NO, YES, "DISABLED"),
    (None, YES, NO, "resourceGroup"),
    (LAPSED, YES, YES, "DISABLED"),
    (None, LAPSED, YES, "DISABLED"),
    (UNREADABLE, YES, YES, "UNREADABLE_TAG"),
    (None, UNREADABLE, YES, "UNREADABLE_TAG"),
    (None, None, UNREADABLE, "UNREADABLE_TAG"),
    (None, YES, UNREADABLE, "resourceGroup"),
    (None, NEAR, None, "NEAR_MISS_TAG"),
    (None, None, NEAR, "NEAR_MISS_TAG"),
    (NEAR, None, YES, "subscription"),
    (None, NEAR, YES, "subscription"),
    (NO, NEAR, NEAR, "DISABLED"),
    (None, {TAG.upper(): "yes"}, None, "resourceGroup"),
    (None, {"team": "x"}, {"cost": "y"}, "DISABLED"),
]


@SOURCES
async def test_the_nearest_level_with_an_exact_tag_decides(serve: Serve, *, hidden: bool) -> None:
    tenant = Tenant.with_one_subscription()
    for number, (account, group, subscription, _) in enumerate(NEAREST):
        home = tenant.add_subscription(
            f"sub-{number}", parent="contoso", tags=subscription, hidden_from_graph=hidden
        )
        tenant.add_group("rg-AI", subscription=home, tags=group)
        tenant.add_account(
            f"bot-{number}", local_auth=True, tags=account, subscription=home, group="rg-AI",
            patch=PatchForm.OK_200, stale_reads=0,
        )  # fmt: skip
    azure = serve(tenant)

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    found: dict[str, str] = dict(swept.results)
    for each in swept.events("AccountHeld"):
        assert each["accountName"] not in found
        found[each["accountName"]] = each["holdReason"]
    for each in swept.events("ExemptionObserved"):
        if each["verdict"] == "EXEMPT":
            assert each["accountName"] not in found
            found[each["accountName"]] = each["level"]
    assert found == {f"bot-{number}": becomes for number, (*_, becomes) in enumerate(NEAREST)}
    off = {each.name for each in azure.tenant.accounts if not each.keys_on}
    assert off == {name for name, becomes in found.items() if becomes == "DISABLED"}


async def test_a_near_miss_above_names_the_tag_and_does_not_matter_when_inheritance_is_off(
    serve: Serve,
) -> None:
    azure = serve(bot(group=NEAR))

    on = await sweep(azure, EXEMPTION_INHERIT="resourceGroup")
    off = await sweep(azure)

    assert "'LocalAuthExempt' is nearly 'local-auth-exempt'" in only(on, "AccountHeld")["reason"]
    assert off.results == {"bot": Result.DISABLED}


async def test_the_tenants_rules_hold_for_inherited_tags_too(serve: Serve) -> None:
    azure = serve(bot(group=YES))

    swept = await sweep(azure, EXEMPTION_INHERIT="true", EXEMPTION_MAX_DAYS="30")

    assert only(swept, "AccountHeld")["holdReason"] == HoldReason.TAG_BREAKS_RULE
    assert keys_on(azure)


def just_before_the_patch(azure: LocalAzure, happens: Callable[[], None], path: str) -> None:
    """Let it happen at the last moment at which the server can still show it: the re-read."""
    left = [happens]

    def hook(request: SeenRequest) -> None:
        if left and request.method == "GET" and request.path.lower() == path.lower():
            left.pop()()

    azure.before(hook)


@pytest.mark.parametrize(
    ("setting", "level"),
    [
        ("resourceGroup", "resourceGroup"),
        ("subscription", "subscription"),
        (BOTH, "resourceGroup"),
        (BOTH, "subscription"),
    ],
)
@pytest.mark.parametrize(
    ("value", "result"),
    [("yes", Result.NOW_EXEMPT), ("until=soon", Result.NOW_HELD)],
    ids=["exempt", "unreadable"],
)
async def test_a_tag_put_above_just_before_the_patch_wins(
    serve: Serve, setting: str, level: str, value: str, result: Result
) -> None:
    azure = serve(bot())
    home = azure.tenant.subscription("contoso-prod")
    group = home.groups["rg-ai"]
    if level == "resourceGroup":
        just_before_the_patch(azure, lambda: azure.tenant.tag_group(group, {TAG: value}), group.id)
    else:
        just_before_the_patch(
            azure, lambda: azure.tenant.tag_subscription(home, {TAG: value}), home.scope
        )

    swept = await sweep(azure, EXEMPTION_INHERIT=setting)

    assert swept.results == {"bot": result}
    assert (azure.writes, keys_on(azure), swept.whole) == ((), True, True)
    assert not [each for each in azure.operations if each.method == "PATCH"]


async def test_every_level_that_counts_is_read_again_before_each_write(serve: Serve) -> None:
    tenant = bot()
    tenant.add_account("other", local_auth=True, group="rg-AI", patch=PatchForm.OK_200)
    azure = serve(tenant)

    await sweep(azure, EXEMPTION_INHERIT="true")

    home = tenant.subscription("contoso-prod")
    for write in azure.writes:
        before = [each for each in azure.operations if each.ordinal < write.ordinal]
        for path in (write.account_id, home.groups["rg-ai"].id, home.scope):
            read = [each for each in before if each.path.lower() == path.lower()]
            assert read, f"{path} was not read again"
            assert (write.at - read[-1].at).total_seconds() <= 5
    groups = [each for each in azure.operations if each.path.lower().endswith("/rg-ai")]
    assert len(groups) == 2, "once for each write"


async def test_a_tag_taken_from_the_group_lets_the_next_sweep_write(serve: Serve) -> None:
    azure = serve(bot(group=YES))
    await sweep(azure, EXEMPTION_INHERIT="true")
    group = azure.tenant.subscription("contoso-prod").groups["rg-ai"]
    azure.tenant.tag_group(group, {TAG: None})
    azure.clock.advance(15 * 60)

    assert (await sweep(azure, EXEMPTION_INHERIT="true")).results == {"bot": Result.DISABLED}


UNREADABLE_LEVELS = pytest.mark.parametrize(
    "strike",
    [
        lambda fault: fault.answer(403, {"error": {"code": "AuthorizationFailed", "message": ""}}),
        lambda fault: fault.answer(500),
        lambda fault: fault.cut(),
        lambda fault: fault.answer(200, "{"),
    ],
    ids=["403", "500", "cut", "broken json"],
)


@UNREADABLE_LEVELS
@pytest.mark.parametrize("level", ["resource group", "subscription"])
async def test_a_level_that_can_not_be_read_again_is_held_and_not_written(
    serve: Serve, strike: Callable[[Fault], Fault], level: str
) -> None:
    azure = serve(bot())
    home = azure.tenant.subscription("contoso-prod")
    path = home.scope if level == "subscription" else home.groups["rg-ai"].id
    fault = strike(azure.faults.on(method="GET", path=path, times=None))

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert fault.hits
    assert swept.results == {"bot": Result.NOW_HELD}
    detail = only(swept, "RemediationOutcome")["detail"]
    assert "can't be read, and could exempt it" in detail
    assert (azure.writes, keys_on(azure)) == ((), True)


@UNREADABLE_LEVELS
async def test_groups_that_arms_lists_can_not_show_hold_their_accounts(
    serve: Serve, strike: Callable[[Fault], Fault]
) -> None:
    azure = serve(bot(hidden=True))
    strike(azure.faults.on(method="GET", path="*/resourcegroups", times=None))

    swept = await sweep(azure, EXEMPTION_INHERIT="resourceGroup")

    held = only(swept, "AccountHeld")
    assert held["holdReason"] == HoldReason.UNREADABLE_LEVEL
    assert held["reason"] == "The tags of its resourceGroup can't be read, and could exempt it."
    assert (azure.writes, keys_on(azure)) == ((), True)


async def test_an_exact_tag_below_a_level_that_can_not_be_read_decides(serve: Serve) -> None:
    azure = serve(bot(NO))
    azure.faults.on(method="GET", path="*/resourcegroups/rg-ai", times=None).answer(500)

    swept = await sweep(azure, EXEMPTION_INHERIT="resourceGroup", SWEEP_BUDGET_SECONDS="120")

    assert swept.results == {"bot": Result.DISABLED}


async def test_when_resource_graph_can_not_list_the_groups_arm_does(serve: Serve) -> None:
    azure = serve(bot(group=YES))
    # visible, census, list, groups: the fourth is refused.
    fault = azure.faults.on(path="*/microsoft.resourcegraph/resources", skip=3, times=4)
    fault.answer(400, {"error": {"code": "BadRequest", "message": "No."}})

    swept = await sweep(azure, EXEMPTION_INHERIT="resourceGroup")

    assert keys_on(azure)
    (completed,) = swept.events("SweepCompleted")
    assert (completed["accounts"], completed["exempt"]) == (1, 1)


async def test_accounts_in_groups_of_the_same_name_in_two_subscriptions_are_told_apart(
    serve: Serve,
) -> None:
    tenant = bot(group=YES)
    other = tenant.add_subscription("contoso-dev", parent="contoso")
    tenant.add_account(
        "dev", local_auth=True, subscription=other, group="RG-ai", patch=PatchForm.OK_200
    )
    azure = serve(tenant)

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert swept.results == {"dev": Result.DISABLED}
    assert keys_on(azure)
