"""EXEMPTION_INHERIT: tags of the resource group and the subscription count, the nearest decides.

What the nearest level is, and what becomes of one that can't be read, is tested in tests/unit:
here, that each source shows the levels, and that the server shows a fresh tag before the write.
"""

import pytest

from local_azure import PatchForm, SeenRequest, Tenant
from shared.core.model import Result
from tests.support.contoso import TAG, adrift, keys_on
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

type Tags = dict[str, str] | None

YES = {TAG: "until=2027-03-31; reason=group; owner=team-x"}
NO = {TAG: "no"}
LAPSED = {TAG: "2026-11-23"}
UNREADABLE = {TAG: "until=soon"}
NEAR = {"LocalAuthExempt": "yes"}

NEAREST: list[tuple[Tags, Tags, Tags, str]] = [
    # the account's tags, its group's, its subscription's, and what becomes of it
    (NO, YES, YES, "DISABLED"),
    (YES, NO, NO, "account"),
    (None, NO, YES, "DISABLED"),
    (None, YES, NO, "resourceGroup"),
    (None, None, YES, "subscription"),
    (None, LAPSED, YES, "DISABLED"),
    (None, UNREADABLE, YES, "UNREADABLE_TAG"),
    (None, NEAR, None, "NEAR_MISS_TAG"),
    (None, None, NEAR, "NEAR_MISS_TAG"),
    (None, NEAR, YES, "subscription"),
    (None, {TAG.upper(): "yes"}, None, "resourceGroup"),
    (None, {"team": "x"}, {"cost": "y"}, "DISABLED"),
]


@pytest.mark.parametrize("hidden", [False, True], ids=["graph", "arm"])
async def test_the_nearest_level_with_an_exact_tag_decides(serve: Serve, *, hidden: bool) -> None:
    tenant = Tenant.with_one_subscription()
    for number, (account, group, subscription, _) in enumerate(NEAREST):
        home = tenant.add_subscription(
            f"sub-{number}", parent="contoso", tags=subscription, hidden_from_graph=hidden
        )
        # The same name in every subscription.
        tenant.add_group("rg-AI", subscription=home, tags=group)
        tenant.add_account(
            f"bot-{number}", local_auth=True, tags=account, subscription=home, group="RG-ai",
            patch=PatchForm.OK_200, stale_reads=0,
        )  # fmt: skip
    azure = serve(tenant)

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    found: dict[str, str] = dict(swept.results)
    for event in swept.events("AccountHeld"):
        found[event["accountName"]] = event["holdReason"]
    for event in swept.events("ExemptionObserved"):
        if event["verdict"] == "EXEMPT":
            found[event["accountName"]] = event["level"]
    assert found == {f"bot-{number}": becomes for number, (*_, becomes) in enumerate(NEAREST)}
    left_on = {name for name, becomes in found.items() if becomes != "DISABLED"}
    assert keys_on(azure) == left_on


@pytest.mark.parametrize(
    ("level", "value", "result"),
    [
        ("resourceGroup", "yes", Result.NOW_EXEMPT),
        ("subscription", "until=soon", Result.NOW_HELD),
    ],
)
async def test_a_tag_put_above_just_before_the_patch_wins(
    serve: Serve, level: str, value: str, result: Result
) -> None:
    azure = serve(adrift("bot"))
    home = azure.tenant.subscription("contoso-prod")

    def tag(request: SeenRequest) -> None:
        # Discovery is over when the account itself is read.
        if request.method != "GET" or not request.path.endswith("/accounts/bot"):
            return
        if level == "subscription":
            azure.tenant.tag_subscription(home, {TAG: value})
        else:
            azure.tenant.tag_group(home.groups["rg-ai"], {TAG: value})

    azure.before(tag)

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert swept.results == {"bot": result}
    assert azure.writes == ()
