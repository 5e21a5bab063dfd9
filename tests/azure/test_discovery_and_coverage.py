"""What a sweep looks at, what it leaves alone, and what it says of what it could not see.

The judge is the server: whose keys went off, and which requests it saw. What could not be seen can
only be told by the sweep's own events.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local_azure import ABSENT, LocalAzure, Operation, Tenant, scenarios
from local_azure.log import SeenRequest
from local_azure.services import Settings
from local_azure.state import ids
from local_azure.state.containers import SubscriptionState
from local_azure.state.tenant import OTHER_TENANT
from tests.support.real_sweeps import Swept, sweep

type Serve = Callable[..., LocalAzure]
type Doctor = Callable[[dict[str, Any]], None]

GRAPH = "Microsoft.ResourceGraph/resources/read"
READ = "Microsoft.CognitiveServices/accounts/read"
TAG = "local-auth-exempt"
LAG = 61


def nested() -> Tenant:
    """Three management groups, one in the other, with a subscription each; and one beside them."""
    tenant = Tenant()
    tenant.add_management_group("outer")
    tenant.add_management_group("middle", parent="outer")
    tenant.add_management_group("inner", parent="middle")
    for name, parent in (("one", "outer"), ("two", "middle"), ("three", "inner"), ("aside", None)):
        tenant.add_subscription(name, parent=parent)
        tenant.add_account(f"bot-{name}", subscription=name, local_auth=True)
    tenant.assign_function(ids.management_group_scope(tenant.id))
    return tenant


def turned_off(azure: LocalAzure) -> set[str]:
    """Return the names of the accounts whose keys somebody turned off over HTTP."""
    return {azure.tenant.account(write.account_id).name for write in azure.writes}


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def gaps(swept: Swept) -> set[tuple[str, str]]:
    return {(each["gapKind"], each["gapName"]) for each in swept.events("CoverageGap")}


def count(swept: Swept, number: str) -> int:
    (completed,) = swept.events("SweepCompleted")
    return int(completed[number])


def lists(azure: LocalAzure, subscription: str) -> list[Operation]:
    """Return the requests that listed the subscription's accounts from ARM."""
    path = f"{azure.tenant.subscription(subscription).scope}/providers/{ids.ACCOUNT_TYPE}"
    return [each for each in azure.operations if each.path.lower() == path.lower()]


def queries(azure: LocalAzure, word: str = "") -> list[Operation]:
    return [
        each for each in azure.operations if each.action == GRAPH and word in each.body["query"]
    ]


def is_count(request: SeenRequest) -> bool:
    """Whether it is the query that counts accounts."""
    return request.action == GRAPH and b"summarize" in request.body


def is_list(request: SeenRequest) -> bool:
    """Whether it is the query that lists accounts."""
    accounts = b"cognitiveservices/accounts" in request.body
    table = b"resourcechanges" not in request.body
    return request.action == GRAPH and accounts and table and not is_count(request)


def doctor(
    azure: LocalAzure, which: Callable[[SeenRequest], bool], change: Doctor, times: int = 1_000
) -> None:
    """Let Resource Graph answer such queries truly but for what `change` does to the answer."""
    left = [times]

    def hook(request: SeenRequest) -> None:
        if not which(request) or left[0] == 0:
            return
        left[0] -= 1
        asked = json.loads(request.body)
        answer = azure.services.feed.answer(
            asked,
            subscriptions=asked["subscriptions"],
            management_groups=[],
            api_version=request.query["api-version"],
            correlation_id="",
        )
        change(answer.body)
        azure.faults.on(action=GRAPH).answer(200, answer.body)

    azure.before(hook)


# Scope


@pytest.mark.parametrize(
    ("groups", "swept"),
    [
        ("outer", {"bot-one", "bot-two", "bot-three"}),
        ("middle", {"bot-two", "bot-three"}),
        ("inner", {"bot-three"}),
        ("INNER", {"bot-three"}),
        ("inner, outer, middle", {"bot-one", "bot-two", "bot-three"}),
    ],
)
async def test_a_management_group_stands_for_all_subscriptions_below_it_each_once(
    serve: Serve, groups: str, swept: set[str]
) -> None:
    azure = serve(nested())

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=groups)

    assert tick.whole
    assert turned_off(azure) == swept
    assert len(azure.writes) == len(swept) == count(tick, "subscriptionsRead")


async def test_named_subscriptions_are_swept_and_no_other(serve: Serve) -> None:
    azure = serve(nested())
    one, three = (azure.tenant.subscription(name).id for name in ("one", "three"))

    tick = await sweep(azure, SWEEP_SUBSCRIPTIONS=f"{one.upper()}, {three}")

    assert tick.whole
    assert turned_off(azure) == {"bot-one", "bot-three"}


async def test_without_a_scope_everything_readable_is_swept(serve: Serve) -> None:
    azure = serve(nested())

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()


async def test_what_is_not_readable_is_not_in_a_scope_that_names_nothing(serve: Serve) -> None:
    tenant = nested()
    tenant.deny(tenant.function, tenant.subscription("two").scope, ["*"])
    azure = serve(tenant)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == {"bot-two"}


@pytest.mark.parametrize("how", ["groups", "subscriptions", "readable"])
async def test_an_excluded_subscription_is_counted_and_left_alone(serve: Serve, how: str) -> None:
    azure = serve(nested())
    two = azure.tenant.subscription("two")
    every = ",".join(each.id for each in azure.tenant.subscriptions.values())

    tick = await sweep(
        azure,
        SWEEP_MANAGEMENT_GROUPS=azure.tenant.id if how == "groups" else "",
        SWEEP_SUBSCRIPTIONS=every if how == "subscriptions" else "",
        SWEEP_EXCLUDE_SUBSCRIPTIONS=two.id.upper(),
    )

    assert tick.whole
    assert keys_on(azure) == {"bot-two"}
    assert count(tick, "subscriptionsExcluded") == 1
    assert not [each for each in azure.operations if two.id in each.path]


@pytest.mark.parametrize(
    ("state", "swept"),
    [
        ("Enabled", True),
        ("Warned", True),
        ("PastDue", True),
        ("Disabled", False),
        ("Deleted", False),
    ],
)
async def test_only_a_subscription_that_takes_changes_is_swept_and_the_others_are_counted(
    serve: Serve,
    *,
    state: SubscriptionState,
    swept: bool,
) -> None:
    tenant = nested()
    tenant.add_subscription("odd", state=state)
    tenant.add_account("odd-bot", subscription="odd", local_auth=True)
    azure = serve(tenant)

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=tenant.id)

    assert tick.whole
    assert keys_on(azure) == (set() if swept else {"odd-bot"})
    assert count(tick, "subscriptionsDisabled") == (not swept)
    assert count(tick, "subscriptionsRead") == 4 + swept


@pytest.mark.parametrize("named", [True, False])
async def test_a_subscription_of_another_tenant_is_counted_and_left_alone(
    serve: Serve,
    *,
    named: bool,
) -> None:
    tenant = nested()
    fabrikam = tenant.add_subscription(
        "fabrikam", tenant_id=OTHER_TENANT, managed_by_tenants=(tenant.id,)
    )
    tenant.add_account("fabrikam-bot", subscription="fabrikam", local_auth=True)
    tenant.assign_function(fabrikam.scope)
    azure = serve(tenant)
    one = tenant.subscription("one")

    tick = await sweep(azure, SWEEP_SUBSCRIPTIONS=f"{one.id},{fabrikam.id}" if named else "")

    assert tick.whole
    assert "fabrikam-bot" in keys_on(azure)
    assert "bot-one" not in keys_on(azure)
    assert count(tick, "subscriptionsOtherTenant") == 1


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


# What can't be read


async def test_an_expected_subscription_that_nobody_lets_us_read_is_a_gap_with_its_name(
    serve: Serve,
) -> None:
    tenant = nested()
    two = tenant.subscription("two")
    tenant.deny(tenant.function, two.scope, ["*"])
    azure = serve(tenant)

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="outer")

    assert not tick.whole
    assert two.id in str(tick.error)
    assert gaps(tick) == {("subscription", two.id)}
    assert keys_on(azure) == {"bot-two", "bot-aside"}
    assert count(tick, "subscriptionsRead") == 2


async def test_a_named_subscription_that_does_not_exist_is_a_gap(serve: Serve) -> None:
    azure = serve(nested())
    unknown = "00000000-0000-4000-8000-00000000dead"

    tick = await sweep(
        azure, SWEEP_SUBSCRIPTIONS=f"{azure.tenant.subscription('one').id},{unknown}"
    )

    assert not tick.whole
    assert gaps(tick) == {("subscription", unknown)}
    assert turned_off(azure) == {"bot-one"}


@pytest.mark.parametrize("kind", ["unknown", "unreadable"])
async def test_a_management_group_that_can_not_be_read_is_a_gap_and_the_others_are_swept(
    serve: Serve, kind: str
) -> None:
    tenant = nested()
    if kind == "unreadable":
        tenant.add_management_group("unreadable")
        scope = ids.management_group_scope("unreadable")
        tenant.deny(tenant.function, scope, ["*"])
    azure = serve(tenant)

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=f"{kind},inner")

    assert not tick.whole
    assert gaps(tick) == {("managementGroup", kind)}
    assert turned_off(azure) == {"bot-three"}


async def test_accounts_that_neither_source_shows_are_a_gap(serve: Serve) -> None:
    tenant = nested()
    dark = tenant.add_subscription("dark", hidden_from_graph=True)
    tenant.add_account("dark-bot", subscription="dark", local_auth=True)
    tenant.deny(tenant.function, dark.scope, [READ])
    azure = serve(tenant)

    tick = await sweep(azure)

    assert not tick.whole
    assert gaps(tick) == {("subscription", dark.id)}
    assert keys_on(azure) == {"dark-bot"}


@pytest.mark.parametrize("group", ["", "contoso"])
async def test_before_the_role_has_arrived_no_sweep_is_whole_and_afterwards_it_is(
    serve: Serve, group: str
) -> None:
    tenant = Tenant()
    tenant.add_management_group("contoso")
    tenant.add_subscription("contoso-prod", parent="contoso")
    tenant.add_account("bot", local_auth=True)
    azure = serve(tenant)

    first = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=group)
    tenant.assign_function(ids.management_group_scope("contoso"))
    second = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=group)

    assert not first.whole
    assert gaps(first)
    assert second.whole
    assert keys_on(azure) == set()


async def test_a_scope_of_which_nothing_is_left_is_not_whole(serve: Serve) -> None:
    azure = serve(scenarios.four_accounts())
    only = azure.tenant.subscription("contoso-prod").id

    tick = await sweep(azure, SWEEP_EXCLUDE_SUBSCRIPTIONS=only)

    assert not tick.whole
    assert [kind for kind, _ in gaps(tick)] == ["tenant"]
    assert azure.writes == ()


async def test_a_subscription_without_accounts_is_read_and_the_sweep_is_whole(serve: Serve) -> None:
    azure = serve(scenarios.empty())

    tick = await sweep(azure)

    assert tick.whole
    assert (count(tick, "subscriptionsRead"), count(tick, "accounts")) == (1, 0)


@pytest.mark.parametrize("status", [403, 500])
async def test_when_the_subscriptions_can_not_be_listed_the_tenant_is_a_gap(
    serve: Serve, status: int
) -> None:
    azure = serve(scenarios.four_accounts())
    azure.faults.on(path="/subscriptions", times=None).answer(status)

    tick = await sweep(azure)

    assert not tick.whole
    assert gaps(tick) == {("tenant", azure.tenant.id)}
    assert azure.writes == ()


# Resource Graph doesn't show it, or is down, or lags


async def test_a_subscription_that_resource_graph_does_not_show_is_listed_directly(
    serve: Serve,
) -> None:
    tenant = nested()
    tenant.add_subscription("hidden", hidden_from_graph=True)
    tenant.add_account("hidden-bot", subscription="hidden", local_auth=ABSENT)
    tenant.add_account("hidden-off", subscription="hidden", local_auth=False)
    azure = serve(tenant)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()
    assert len(lists(azure, "hidden")) == 1
    assert (count(tick, "accounts"), count(tick, "compliant")) == (6, 1)


def _down(status: int) -> Callable[[LocalAzure], object]:
    refusal = {"error": {"code": "Down", "message": "Not now."}}
    return lambda azure: azure.faults.on(action=GRAPH, times=None).answer(status, refusal)


def _throttled(azure: LocalAzure) -> object:
    quota = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "02:00:00"}
    return azure.faults.on(action=GRAPH, times=None).answer(429, {}, quota)


@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(_down(400), id="400"),
        pytest.param(_down(403), id="403"),
        pytest.param(_down(500), id="500"),
        pytest.param(_down(501), id="501"),
        pytest.param(_down(503), id="503"),
        pytest.param(_throttled, id="429 for two hours"),
        pytest.param(lambda azure: azure.faults.on(action=GRAPH, times=None).cut(), id="cut"),
        pytest.param(lambda azure: azure.faults.on(action=GRAPH, times=None).hang(), id="hang"),
        pytest.param(
            lambda azure: azure.faults.on(action=GRAPH, times=None).answer(200, "<html>"), id="html"
        ),
    ],
)
async def test_when_resource_graph_is_down_everything_is_listed_from_arm_and_nothing_is_lost(
    serve: Serve, strike: Callable[[LocalAzure], object]
) -> None:
    tenant = nested()
    tenant.add_account("exempt-bot", subscription="one", local_auth=True, tags={TAG: "yes"})
    tenant.add_account("off-bot", subscription="two", local_auth=False)
    azure = serve(tenant)
    strike(azure)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == {"exempt-bot"}
    assert count(tick, "subscriptionsReadDirectly") == 4
    assert [count(tick, each) for each in ("accounts", "exempt", "compliant")] == [6, 1, 1]


async def test_when_resource_graph_throttles_without_a_word_nothing_is_lost(serve: Serve) -> None:
    azure = serve(nested())
    azure.faults.on(action=GRAPH, times=None).answer(429, {})

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()


@pytest.mark.parametrize("nth", range(4))
async def test_resource_graph_may_fail_at_any_of_its_queries(serve: Serve, nth: int) -> None:
    azure = serve(nested())
    azure.faults.on(action=GRAPH, skip=nth, times=None).answer(503)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()
    assert count(tick, "accounts") == 4


@pytest.mark.parametrize("body", ["null", "", "5", "[]"])
async def test_when_resource_graph_answers_oddly_everything_is_listed_from_arm(
    serve: Serve, body: str
) -> None:
    azure = serve(nested())
    odd = {"Content-Type": "application/json; charset=utf-8"}
    azure.faults.on(action=GRAPH, times=None).answer(200, body, odd)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()


def _lose_a_row(body: dict[str, Any]) -> None:
    body["data"].pop()


def _truncate(body: dict[str, Any]) -> None:
    body["resultTruncated"] = "true"


def _no_rows(body: dict[str, Any]) -> None:
    body["data"] = None


@pytest.mark.parametrize("change", [_lose_a_row, _truncate, _no_rows])
@pytest.mark.parametrize("which", [is_count, is_list])
async def test_an_answer_that_is_not_complete_is_not_believed(
    serve: Serve, which: Callable[[SeenRequest], bool], change: Doctor
) -> None:
    azure = serve(nested())
    doctor(azure, which, change)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()
    assert count(tick, "subscriptionsReadDirectly") == 4


async def test_keys_that_went_off_a_second_ago_are_already_off(serve: Serve) -> None:
    azure = serve(nested())
    azure.tenant.disable_keys("bot-two")

    tick = await sweep(azure)

    assert tick.whole
    assert tick.results["bot-two"] == "ALREADY_OFF"
    assert turned_off(azure) == {"bot-one", "bot-three", "bot-aside"}


async def test_an_account_that_went_a_second_ago_is_gone_and_not_a_failure(serve: Serve) -> None:
    azure = serve(nested())
    azure.tenant.delete("bot-two")

    tick = await sweep(azure)

    assert tick.whole
    assert tick.results["bot-two"] == "GONE"


async def test_keys_that_went_on_a_second_ago_go_off_once_resource_graph_shows_it(
    serve: Serve,
) -> None:
    tenant = nested()
    tenant.add_account("late-bot", subscription="one", local_auth=False)
    azure = serve(tenant)
    azure.tenant.enable_keys("late-bot")
    azure.tenant.add_account("new-bot", subscription="two")

    await sweep(azure)
    azure.clock.advance(LAG)
    second = await sweep(azure)

    assert second.whole
    assert keys_on(azure) == set()


# Pages


async def test_a_list_of_more_than_a_thousand_rows_is_read_to_its_end(serve: Serve) -> None:
    tenant = Tenant.with_one_subscription()
    for number in range(1_004):
        tenant.add_account(f"ai-{number:04d}", local_auth=True, tags={TAG: "yes"}, lean=True)
    tenant.add_account("zz-last", local_auth=True)
    azure = serve(tenant)

    tick = await sweep(azure)

    assert tick.whole
    assert turned_off(azure) == {"zz-last"}
    assert (count(tick, "accounts"), count(tick, "exempt")) == (1_005, 1_004)
    assert [each for each in queries(azure) if each.body["options"].get("$skipToken")]


async def test_more_subscriptions_than_one_census_may_ask_about_are_all_counted(
    serve: Serve,
) -> None:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for number in range(801):
        tenant.add_subscription(f"sub-{number}")
        tenant.add_account(
            f"ai-{number}", subscription=f"sub-{number}", local_auth=False, lean=True
        )
    for number in (0, 400, 800):
        tenant.add_account(
            f"drift-{number}", subscription=f"sub-{number}", local_auth=True, lean=True
        )
    azure = serve(tenant)

    tick = await sweep(azure)

    assert tick.whole
    assert turned_off(azure) == {"drift-0", "drift-400", "drift-800"}
    assert (count(tick, "accounts"), count(tick, "subscriptionsRead")) == (804, 801)
    for query in queries(azure, "summarize"):
        assert len(query.body["subscriptions"]) <= 400


async def test_every_page_of_arms_lists_is_read(serve: Serve) -> None:
    tenant = nested()
    tenant.add_subscription("hidden", hidden_from_graph=True)
    for number in range(5):
        tenant.add_account(f"hidden-{number}", subscription="hidden", local_auth=True)
    azure = serve(tenant, settings=Settings(account_page=2, subscription_page=2))

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=tenant.id)

    assert tick.whole
    assert keys_on(azure) == set()
    assert len(lists(azure, "hidden")) == 3
    assert count(tick, "subscriptionsRead") == 5


async def test_every_page_of_a_management_groups_descendants_is_read(serve: Serve) -> None:
    azure = serve(nested(), settings=Settings(descendant_page=2))

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=azure.tenant.id)

    assert tick.whole
    assert keys_on(azure) == set()


@pytest.mark.parametrize("link", ["nextLink", "@nextLink"])
async def test_the_link_to_the_next_page_of_descendants_may_be_called_either(
    serve: Serve, link: str
) -> None:
    azure = serve(nested())
    path = f"{ids.management_group_scope('outer')}/descendants"
    url = f"{azure.environ['ARM_ENDPOINT']}{path}?api-version=2023-04-01"
    azure.faults.on(path=path).answer(200, {"value": [], link: url})

    tick = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="outer")

    assert tick.whole
    assert keys_on(azure) == {"bot-aside"}


async def test_a_list_that_breaks_off_after_its_first_page_is_a_gap(serve: Serve) -> None:
    tenant = nested()
    hidden = tenant.add_subscription("hidden", hidden_from_graph=True)
    for number in range(3):
        tenant.add_account(f"hidden-{number}", subscription="hidden", local_auth=True)
    azure = serve(tenant, settings=Settings(account_page=1))
    path = f"{hidden.scope}/providers/{ids.ACCOUNT_TYPE}"
    azure.faults.on(path=path, skip=1, times=None).answer(403, {"error": {"code": "No"}})

    tick = await sweep(azure)

    assert not tick.whole
    assert gaps(tick) == {("subscription", hidden.id)}
    assert {"bot-one", "bot-two", "bot-three", "bot-aside"} <= turned_off(azure)


# The count and the list


def _appear_before_each_list(azure: LocalAzure, times: int) -> None:
    """Let an account appear in subscription two between the count and the list, so many times."""
    left = list(range(times))

    def hook(request: SeenRequest) -> None:
        if is_list(request) and left:
            name = f"appeared-{left.pop()}"
            azure.tenant.add_account(name, subscription="two", local_auth=True)

    azure.before(hook)


async def test_a_count_and_a_list_that_never_agree_are_a_gap_in_that_subscription_alone(
    serve: Serve,
) -> None:
    azure = serve(nested(), graph_lag=0)
    _appear_before_each_list(azure, 1_000)

    tick = await sweep(azure)

    assert not tick.whole
    assert gaps(tick) == {("subscription", azure.tenant.subscription("two").id)}
    assert len(queries(azure, "summarize")) == 2
    assert {"bot-one", "bot-three", "bot-aside"} <= turned_off(azure)


async def test_a_count_and_a_list_that_agree_at_the_second_asking_are_none(serve: Serve) -> None:
    azure = serve(nested(), graph_lag=0)
    _appear_before_each_list(azure, 1)

    tick = await sweep(azure)

    assert tick.whole
    assert len(queries(azure, "summarize")) == 2
    assert keys_on(azure) == set()
    assert count(tick, "accounts") == 5


async def test_only_what_was_in_dispute_is_asked_about_again(serve: Serve) -> None:
    azure = serve(nested(), graph_lag=0)
    _appear_before_each_list(azure, 1)

    await sweep(azure)

    first, second = queries(azure, "summarize")
    assert len(first.body["subscriptions"]) == 4
    assert second.body["subscriptions"] == [azure.tenant.subscription("two").id]


async def test_a_list_that_leaves_an_account_out_is_a_gap(serve: Serve) -> None:
    azure = serve(nested())

    def leave_out(body: dict[str, Any]) -> None:
        _lose_a_row(body)
        body["totalRecords"] -= 1
        body["count"] -= 1

    doctor(azure, is_list, leave_out)

    tick = await sweep(azure)

    assert not tick.whole
    assert [kind for kind, _ in gaps(tick)] == ["subscription"]
    assert len(turned_off(azure)) == 3


# Rows


@pytest.mark.parametrize("spoilt", ["no id", "an id that is none", "no tags column", "no kind"])
async def test_a_row_of_resource_graph_that_lacks_what_we_need_has_its_batch_read_from_arm(
    serve: Serve, spoilt: str
) -> None:
    azure = serve(nested())

    def spoil(body: dict[str, Any]) -> None:
        row = body["data"][0]
        if spoilt == "an id that is none":
            row["id"] = "/subscriptions/nonsense"
        else:
            del row[{"no id": "id", "no tags column": "tags", "no kind": "kind"}[spoilt]]

    doctor(azure, is_list, spoil)

    tick = await sweep(azure)

    assert tick.whole
    assert keys_on(azure) == set()
    assert count(tick, "subscriptionsReadDirectly") == 4
    (completed,) = tick.events("SweepCompleted")
    assert "It gave a row that " in completed["resourceGraph"]


@pytest.mark.parametrize("row", [{}, {"id": None}, {"id": "/subscriptions/nonsense"}, None, 5])
async def test_a_row_of_arms_that_lacks_what_we_need_is_reported_and_others_go_on(
    serve: Serve, row: object
) -> None:
    tenant = nested()
    hidden = tenant.add_subscription("hidden", hidden_from_graph=True)
    bot = tenant.add_account("hidden-bot", subscription="hidden", local_auth=True)
    azure = serve(tenant)
    path = f"{hidden.scope}/providers/{ids.ACCOUNT_TYPE}"
    azure.faults.on(path=path).answer(200, {"value": [row, bot.wire()]})

    tick = await sweep(azure)

    assert not tick.whole
    assert [kind for kind, _ in gaps(tick)] == ["account"]
    assert keys_on(azure) == set()


# Kinds and letter case


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    ("kinds", "swept"),
    [
        ("", {"OpenAI", "AIServices"}),
        ("openai", {"OpenAI"}),
        ("AISERVICES,Face", {"AIServices", "Face"}),
    ],
)
async def test_accounts_of_kinds_out_of_scope_are_left_alone(
    serve: Serve,
    *,
    hidden: bool,
    kinds: str,
    swept: set[str],
) -> None:
    tenant = Tenant.with_one_subscription()
    sub = tenant.add_subscription("other", parent="contoso", hidden_from_graph=hidden)
    every = ("OpenAI", "AIServices", "Face", "CognitiveServices", "SpeechServices", "ContentSafety")
    for kind in every:
        tenant.add_account(kind, kind=kind, local_auth=True, subscription=sub)
    azure = serve(tenant)

    tick = await sweep(azure, SWEEP_KINDS=kinds)

    assert tick.whole
    assert turned_off(azure) == swept
    assert count(tick, "accounts") == len(swept)


@pytest.mark.parametrize("hidden", [False, True])
async def test_letter_case_of_ids_kinds_and_tags_makes_no_difference(
    serve: Serve,
    *,
    hidden: bool,
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

    tick = await sweep(
        azure,
        SWEEP_MANAGEMENT_GROUPS="contoso-CORP",
        SWEEP_EXCLUDE_SUBSCRIPTIONS="00000000-0000-4000-8000-00000000dead",
        EXEMPTION_TAG="Local-Auth-Exempt",
    )

    assert tick.whole
    assert turned_off(azure) == {"Press-AI"}
    assert [count(tick, each) for each in ("accounts", "exempt", "held")] == [3, 1, 1]
    for event in tick.events("RemediationOutcome"):
        assert event["subscriptionId"] == loud.id.lower()
        assert event["accountId"] == event["accountId"].lower()


async def test_a_calm_sweep_costs_the_same_at_ten_accounts_and_at_a_thousand(serve: Serve) -> None:
    costs = []
    for accounts in (10, 1_000):
        azure = serve(scenarios.large(accounts=accounts, drifted=0, subscriptions=10))
        tick = await sweep(azure)
        assert count(tick, "compliant") == accounts
        costs.append(len([each for each in azure.operations if each.host == "arm"]))

    assert costs[0] == costs[1]
