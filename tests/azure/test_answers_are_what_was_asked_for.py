"""An answer is believed only if it is what was asked for.

The truth protects an account; the answer that should say so is bent. The judge is the server: what
was written, and what the truth was then. What could not be read is told by the sweep's own events.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from local_azure import LocalAzure, PatchForm, SeenRequest, Tenant
from local_azure.exchange import Answer
from local_azure.faults import Fault
from local_azure.services import Settings
from local_azure.state import ids
from shared.core.errors import TelemetryLost
from shared.core.model import Result
from tests.support.real_sweeps import Swept, insights, sweep

type Serve = Callable[..., LocalAzure]
type Bend = Callable[[Answer], Answer]

TAG = "local-auth-exempt"
GRAPH = "Microsoft.ResourceGraph/resources/read"
ERROR = {"error": {"code": "InternalServerError", "message": "Later."}}
DEEP = b'{"value":' * 100_000
HUGE = "9" * 400


def says(body: object) -> Bend:
    """Return what answers this instead."""
    return lambda answer: replace(answer, body=body)


def with_header(name: str, value: str) -> Bend:
    return lambda answer: answer.with_header(name, value)


def changed(change: Callable[[dict[str, Any]], object]) -> Bend:
    """Return what changes the body in place."""

    def bend(answer: Answer) -> Answer:
        change(answer.body)
        return answer

    return bend


def without(*names: str) -> Bend:
    """Return what drops fields of an answer; of `a.b`, b in a."""

    def drop(body: dict[str, Any]) -> None:
        for name in names:
            *above, last = name.split(".")
            inner = body
            for part in above:
                inner = inner[part]
            inner.pop(last, None)

    return changed(drop)


def put(name: str, value: object) -> Bend:
    def change(body: dict[str, Any]) -> None:
        *above, last = name.split(".")
        inner = body
        for part in above:
            inner = inner[part]
        inner[last] = value

    return changed(change)


def with_only(*names: str) -> Bend:
    return lambda answer: replace(answer, body={name: answer.body[name] for name in names})


def bots(*names: str) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for name in names:
        tenant.add_account(name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0)
    return tenant


def tagged_unseen(tenant: Tenant) -> None:
    """Exempt the bot a second ago, so that Resource Graph has not seen it yet."""
    tenant.tag("bot", {TAG: "CHG0042"})


def turned_off(azure: LocalAzure) -> list[str]:
    return sorted(azure.tenant.account(write.account_id).name for write in azure.writes)


def gaps(swept: Swept) -> set[tuple[str, str]]:
    return {(event["gapKind"], event["gapName"]) for event in swept.events("CoverageGap")}


def completed(swept: Swept) -> dict[str, Any]:
    (event,) = swept.events("SweepCompleted")
    return event


def accounts_of(azure: LocalAzure, subscription: str = "contoso-prod") -> str:
    return f"{azure.tenant.subscription(subscription).scope}/providers/{ids.ACCOUNT_TYPE}"


# An account


NO_ACCOUNTS: dict[str, Bend] = {
    "only an id": with_only("id"),
    "no properties": without("properties", "tags"),
    "no kind": without("kind", "tags"),
    "no type": without("type", "tags"),
    "no id": without("id", "tags"),
    "null properties": put("properties", None),
    "empty properties": lambda answer: put("properties", {})(without("tags")(answer)),
    "null kind": put("kind", None),
    "null tags": put("tags", None),
    "tags that are a list": put("tags", []),
    "a tag that is a number": put("tags", {"owner": 5}),
    "a flag that is a text": lambda answer: put("properties.disableLocalAuth", "false")(
        without("tags")(answer)
    ),
    "another account": lambda answer: put("id", answer.body["id"] + "2")(without("tags")(answer)),
    "another type": lambda answer: put("type", "Microsoft.CognitiveServices/locations")(
        without("tags")(answer)
    ),
    "an error": says(ERROR),
    "an empty object": says({}),
    "a list": says([]),
    "a page": lambda answer: replace(answer, body={"value": [answer.body]}),
    "null": says(b"null"),
    "nothing": says(b""),
    "nested": says(DEEP),
    "no JSON": says(b'{"id": NaN}'),
    "HTML": says("<html>"),
}


@pytest.mark.parametrize("bend", NO_ACCOUNTS.values(), ids=NO_ACCOUNTS.keys())
async def test_an_account_that_is_none_is_never_patched(serve: Serve, bend: Bend) -> None:
    azure = serve(bots("bot", "neighbour"))
    tagged_unseen(azure.tenant)
    azure.faults.on(method="GET", path="*/accounts/bot", times=None).bend(bend)

    swept = await sweep(azure)

    assert turned_off(azure) == ["neighbour"]
    assert swept.results == {"bot": Result.FAILED, "neighbour": Result.DISABLED}
    assert not swept.whole


@pytest.mark.parametrize("name", ["no properties", "an error", "an empty object"])
async def test_an_answer_that_is_none_is_asked_for_again(serve: Serve, name: str) -> None:
    azure = serve(bots("bot"))
    tagged_unseen(azure.tenant)
    azure.faults.on(method="GET", path="*/accounts/bot", times=2).bend(NO_ACCOUNTS[name])

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.NOW_EXEMPT}
    assert azure.writes == ()
    assert swept.whole


@pytest.mark.parametrize(
    "bend",
    [without("properties.disableLocalAuth"), put("properties.disableLocalAuth", None)],
    ids=["absent", "null"],
)
async def test_a_flag_that_is_absent_or_null_in_real_properties_means_keys_on(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(method="GET", path="*/accounts/bot").bend(bend)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED}
    assert not azure.tenant.account("bot").keys_on


async def test_an_account_that_reads_back_as_none_is_unverified_and_never_disabled(
    serve: Serve,
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(method="GET", path="*/accounts/bot", skip=1, times=None).bend(
        without("properties")
    )

    swept = await sweep(azure)

    assert len(azure.writes) == 1
    assert swept.results == {"bot": Result.UNVERIFIED}


# The levels above


NO_LEVELS: dict[str, Bend] = {
    "an empty object": says({}),
    "an error": says(ERROR),
    "a list": says([]),
    "null": says(b"null"),
    "only an id": with_only("id"),
    "null tags": put("tags", None),
    "a tag that is a number": put("tags", {TAG: 5}),
    "another one's": lambda answer: put("id", answer.body["id"] + "2")(without("tags")(answer)),
    "nested": says(DEEP),
}


@pytest.mark.parametrize("bend", NO_LEVELS.values(), ids=NO_LEVELS.keys())
@pytest.mark.parametrize("level", ["resource group", "subscription"])
async def test_a_level_above_that_is_none_holds_the_account(
    serve: Serve, level: str, bend: Bend
) -> None:
    azure = serve(bots("bot"))
    home = azure.tenant.subscription("contoso-prod")
    path = home.scope if level == "subscription" else f"{home.scope}/resourcegroups/rg-ai"

    def exempt(request: SeenRequest) -> None:
        # After discovery has looked.
        if request.path.lower().endswith("/accounts/bot"):
            if level == "subscription":
                azure.tenant.tag_subscription(home, {TAG: "yes"})
            else:
                azure.tenant.tag_group(home.groups["rg-ai"], {TAG: "yes"})

    azure.before(exempt)
    azure.faults.on(method="GET", path=path, times=None).bend(bend)

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert azure.writes == ()
    assert swept.results == {"bot": Result.NOW_HELD}


async def test_a_page_of_resource_groups_that_is_none_holds_the_accounts(serve: Serve) -> None:
    tenant = bots("bot")
    home = tenant.subscription("contoso-prod")
    tenant.add_group("aa-first", subscription=home)
    tenant.add_group("rg-ai", subscription=home, tags={TAG: "yes"})
    home.hidden_from_graph = True
    azure = serve(tenant, settings=Settings(group_page=1))
    azure.faults.on(path=f"{home.scope}/resourcegroups", skip=1, times=None).bend(says({}))

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert azure.writes == ()
    assert swept.events("DriftFound") == []
    assert [event["holdReason"] for event in swept.events("AccountHeld")] == ["UNREADABLE_LEVEL"]


# Lists of ARM's


def two_subscriptions() -> Tenant:
    tenant = Tenant()
    tenant.assign_function(ids.management_group_scope(tenant.id))
    for name in ("one", "two"):
        tenant.add_subscription(name)
        tenant.add_account(
            f"bot-{name}", subscription=name, local_auth=True, patch=PatchForm.OK_200, stale_reads=0
        )
    return tenant


NO_PAGES: dict[str, Bend] = {
    "an empty object": says({}),
    "an error": says(ERROR),
    "a list": says([]),
    "null rows": put("value", None),
    "rows that are an object": put("value", {}),
    "a link that is a number": put("nextLink", 5),
    "nested": says(DEEP),
}


@pytest.mark.parametrize("bend", NO_PAGES.values(), ids=NO_PAGES.keys())
async def test_a_second_page_of_subscriptions_that_is_none_is_a_gap(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(two_subscriptions(), settings=Settings(subscription_page=1))
    azure.faults.on(path="/subscriptions", skip=1, times=None).bend(bend)

    swept = await sweep(azure)

    assert gaps(swept) == {("tenant", azure.tenant.id)}
    assert not swept.whole


LOST: dict[str, Bend] = {
    "the link": without("nextLink"),
    "the link under another name": changed(lambda body: body.update(next=body.pop("nextLink"))),
    "a row": changed(lambda body: body["value"].pop()),
}


@pytest.mark.parametrize("page", [1, 1000])
@pytest.mark.parametrize("lost", LOST)
async def test_a_subscription_that_arms_list_loses_is_swept_all_the_same(
    serve: Serve, lost: str, page: int
) -> None:
    azure = serve(two_subscriptions(), settings=Settings(subscription_page=page))
    azure.faults.on(path="/subscriptions", times=None).bend(
        LOST[lost] if page == 1 or lost == "a row" else lambda answer: answer
    )

    swept = await sweep(azure)

    assert turned_off(azure) == ["bot-one", "bot-two"]
    assert swept.whole


async def test_a_lost_subscription_that_can_not_be_read_is_a_gap(serve: Serve) -> None:
    azure = serve(two_subscriptions())
    azure.faults.on(path="/subscriptions", times=None).bend(
        changed(lambda body: body["value"].pop())
    )
    lost = sorted(azure.tenant.subscriptions)[1]
    azure.faults.on(path=f"/subscriptions/{lost}", times=None).bend(says({}))

    swept = await sweep(azure)

    assert gaps(swept) == {("subscription", lost)}
    assert len(azure.writes) == 1


async def test_a_subscription_that_answers_for_an_excluded_one_lets_nobody_in(
    serve: Serve,
) -> None:
    azure = serve(two_subscriptions())
    first, second = sorted(azure.tenant.subscriptions)
    azure.faults.on(path="/subscriptions", times=None).bend(
        changed(lambda body: body["value"].pop())
    )
    azure.faults.on(path=f"/subscriptions/{second}", times=None).bend(put("subscriptionId", first))

    swept = await sweep(azure, SWEEP_EXCLUDE_SUBSCRIPTIONS=first)

    assert azure.writes == ()
    assert gaps(swept) == {("subscription", second)}


NO_DESCENDANTS: dict[str, Bend] = {
    **NO_PAGES,
    "no name": changed(lambda body: body["value"][0].pop("name")),
    "no type": changed(lambda body: body["value"][0].pop("type")),
    "a name that is a number": changed(lambda body: body["value"][0].update(name=5)),
    "a row that is null": changed(lambda body: body["value"].append(None)),
}


@pytest.mark.parametrize("bend", NO_DESCENDANTS.values(), ids=NO_DESCENDANTS.keys())
async def test_descendants_that_are_none_are_a_gap(serve: Serve, bend: Bend) -> None:
    azure = serve(two_subscriptions())
    group = azure.tenant.id
    azure.faults.on(path=f"*/{group}/descendants", times=None).bend(bend)

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS=group)

    assert gaps(swept) == {("managementGroup", group)}
    assert azure.writes == ()


def hidden(*names: str) -> Tenant:
    """Return a tenant whose accounts ARM's list alone shows."""
    tenant = bots(*names)
    tenant.subscription("contoso-prod").hidden_from_graph = True
    return tenant


@pytest.mark.parametrize("bend", NO_PAGES.values(), ids=NO_PAGES.keys())
async def test_a_list_of_accounts_that_is_none_is_a_gap(serve: Serve, bend: Bend) -> None:
    azure = serve(hidden("bot"))
    azure.faults.on(path=accounts_of(azure), times=None).bend(bend)

    swept = await sweep(azure)

    assert gaps(swept) == {("subscription", *azure.tenant.subscriptions)}


def first_row(change: Callable[[dict[str, Any]], object]) -> Bend:
    return changed(lambda body: change(body["value"][0]))


NO_ROWS: dict[str, Bend] = {
    "no kind": first_row(lambda row: row.pop("kind")),
    "null kind": first_row(lambda row: row.update(kind=None)),
    "no properties": first_row(lambda row: row.pop("properties")),
    "empty properties": first_row(lambda row: row.update(properties={})),
    "no type": first_row(lambda row: row.pop("type")),
    "null tags": first_row(lambda row: row.update(tags=None)),
    "a flag that is a text": first_row(
        lambda row: row["properties"].update(disableLocalAuth="false")
    ),
    "another id": first_row(lambda row: row.update(id=row["id"] + "/projects/x")),
    "null": changed(lambda body: body["value"].insert(0, None)),
    "an error": changed(lambda body: body["value"].insert(0, ERROR)),
}


@pytest.mark.parametrize("bend", NO_ROWS.values(), ids=NO_ROWS.keys())
async def test_a_row_of_arms_that_lacks_something_is_a_gap_and_the_others_are_swept(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(hidden("bot", "neighbour"))
    azure.faults.on(path=accounts_of(azure), times=None).bend(bend)

    swept = await sweep(azure)

    assert [kind for kind, _ in gaps(swept)] == ["account"]
    assert len(azure.writes) >= 1
    assert not swept.whole


async def test_a_row_of_another_subscription_in_arms_list_is_not_acted_on(serve: Serve) -> None:
    tenant = two_subscriptions()
    tenant.subscription("one").hidden_from_graph = True
    azure = serve(tenant)
    other = tenant.account("bot-two").wire()
    azure.faults.on(path=accounts_of(azure, "one"), times=None).bend(
        changed(lambda body: body["value"].append(other))
    )

    swept = await sweep(azure, SWEEP_EXCLUDE_SUBSCRIPTIONS=tenant.subscription("two").id)

    assert turned_off(azure) == ["bot-one"]
    assert [kind for kind, _ in gaps(swept)] == ["account"]


# Resource Graph


def asks(word: bytes) -> Callable[[SeenRequest], bool]:
    return lambda request: request.action == GRAPH and word in request.body


def bend_queries(azure: LocalAzure, word: bytes, bend: Bend) -> None:
    """Bend the answers of Resource Graph to the queries that have a word in them."""

    def hook(request: SeenRequest) -> None:
        if asks(word)(request):
            azure.faults.on(action=GRAPH).bend(bend)

    azure.before(hook)


def in_row(change: Callable[[dict[str, Any]], object]) -> Bend:
    return changed(lambda body: change(body["data"][0]))


async def test_a_row_of_another_subscription_in_resource_graphs_list_is_not_acted_on(
    serve: Serve,
) -> None:
    azure = serve(two_subscriptions())
    one, two = (azure.tenant.subscription(name).id for name in ("one", "two"))
    bend_queries(
        azure, b"flag != 'true' or", in_row(lambda row: row.update(id=row["id"].replace(one, two)))
    )

    swept = await sweep(azure, SWEEP_EXCLUDE_SUBSCRIPTIONS=two)

    assert turned_off(azure) == ["bot-one"]
    assert "nobody asked about" in completed(swept)["resourceGraph"]
    assert completed(swept)["subscriptionsReadDirectly"] == 1


@pytest.mark.parametrize("column", ["id", "subscriptionId", "name", "tags"])
async def test_a_row_of_a_resource_group_that_lacks_a_column_ends_no_sweep(
    serve: Serve, column: str
) -> None:
    tenant = bots("bot")
    tenant.add_group("rg-ai", tags={TAG: "yes"})
    azure = serve(tenant)
    bend_queries(azure, b"subscriptions/resourcegroups'", in_row(lambda row: row.pop(column)))

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert azure.writes == ()
    assert (completed(swept)["exempt"], completed(swept)["subscriptionsReadDirectly"]) == (1, 1)
    assert column in completed(swept)["resourceGraph"]
    assert swept.whole


NO_GRAPH: dict[str, Bend] = {
    "truncated is a list": put("resultTruncated", []),
    "truncated is an object": put("resultTruncated", {}),
    "truncated is true": put("resultTruncated", "true"),
    "the count is a text": put("totalRecords", "2"),
    "the count is null": put("totalRecords", None),
    "the count is huge": says(b'{"data":[],"totalRecords":' + HUGE.encode() + b"}"),
    "rows are an object": put("data", {}),
    "a row is null": put("data", [None]),
    "a row is a list": put("data", [[]]),
    "the token is a number": put("$skipToken", 7),
    "nested": says(DEEP),
    "an error": says(ERROR),
}


@pytest.mark.parametrize("bend", NO_GRAPH.values(), ids=NO_GRAPH.keys())
async def test_an_answer_of_resource_graph_that_is_none_is_read_from_arm_instead(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(bots("bot", "neighbour"))
    azure.faults.on(action=GRAPH, times=None).bend(bend)

    swept = await sweep(azure)

    assert turned_off(azure) == ["bot", "neighbour"]
    assert completed(swept)["subscriptionsReadDirectly"] == 1
    assert completed(swept)["resourceGraph"] != "read"
    assert swept.whole


@pytest.mark.parametrize("code", ["InvalidQuery", "ParserFailure"])
async def test_the_reason_why_resource_graph_refuses_is_told(serve: Serve, code: str) -> None:
    refusal = {
        "error": {
            "code": "BadRequest",
            "message": "Please provide below info when asking for support: timestamp = now.",
            "details": [{"code": code, "message": "Query is invalid."}],
        }
    }
    azure = serve(bots("bot"))
    azure.faults.on(action=GRAPH, times=None).answer(400, refusal)

    event = completed(await sweep(azure))

    assert f"{code}: Query is invalid." in event["resourceGraph"]
    assert f"{code}: Query is invalid." in event["changeLog"]


async def test_why_no_subscription_is_valid_is_told_by_resource_graph_itself(
    serve: Serve,
) -> None:
    tenant = bots("bot")
    tenant.deny(
        tenant.function,
        ids.management_group_scope("contoso"),
        ["Microsoft.CognitiveServices/accounts/write"],
    )
    azure = serve(tenant)

    def forget(request: SeenRequest) -> None:
        if asks(b"resourcechanges")(request):
            tenant.subscription("contoso-prod").hidden_from_graph = True

    tenant.add_subscription("visible")
    tenant.assign_function(tenant.subscription("visible").scope)
    azure.before(forget)

    event = completed(
        await sweep(azure, "audit", SWEEP_EXCLUDE_SUBSCRIPTIONS=tenant.subscription("visible").id)
    )

    assert "NoValidSubscriptionsInQueryRequest" in event["changeLog"]


async def test_a_change_record_of_another_subscription_is_told_to_nobody(serve: Serve) -> None:
    azure = serve(two_subscriptions())
    one, two = (azure.tenant.subscription(name).id for name in ("one", "two"))
    azure.tenant.disable_keys("bot-one")
    azure.tenant.enable_keys("bot-one")
    azure.clock.advance(120)

    def elsewhere(body: dict[str, Any]) -> None:
        for row in body["data"]:
            row.update({name: row[name].replace(one, two) for name in ("id", "account")})

    bend_queries(azure, b"resourcechanges", changed(elsewhere))

    swept = await sweep(azure, "audit", SWEEP_EXCLUDE_SUBSCRIPTIONS=two)

    assert "but for" in completed(swept)["changeLog"]
    assert two not in str(swept.events())


CHANGED: dict[str, Bend] = {
    "no id": changed(lambda body: [row.pop("id") for row in body["data"]]),
    "no account": changed(lambda body: [row.pop("account") for row in body["data"]]),
    "null moments": changed(lambda body: [row.update(at=None) for row in body["data"]]),
    "a moment long ago": changed(
        lambda body: [row.update(at="0001-01-01T00:00:00+14:00") for row in body["data"]]
    ),
    "a moment far ahead": changed(
        lambda body: [row.update(at="9999-12-31T23:59:59-14:00") for row in body["data"]]
    ),
    "the same id": changed(lambda body: [row.update(id="x") for row in body["data"]]),
    "flags that are objects": changed(lambda body: [row.update(after={}) for row in body["data"]]),
    "rows that are null": put("data", [None]),
    **{
        name: bend
        for name, bend in NO_GRAPH.items()
        if name.startswith(("truncated", "the count", "nested"))
    },
}


@pytest.mark.parametrize("bend", CHANGED.values(), ids=CHANGED.keys())
async def test_whatever_the_change_log_says_the_keys_go_off(serve: Serve, bend: Bend) -> None:
    azure = serve(bots("bot", "neighbour"))
    azure.tenant.disable_keys("bot")
    azure.tenant.enable_keys("bot")
    azure.clock.advance(120)
    bend_queries(azure, b"resourcechanges", bend)

    swept = await sweep(azure)

    assert turned_off(azure) == ["bot", "neighbour"]
    assert swept.whole


async def test_an_exemption_of_a_group_that_resource_graph_loses_is_found_by_the_second_look(
    serve: Serve,
) -> None:
    tenant = bots("bot")
    tenant.add_group("rg-ai", tags={TAG: "yes"})
    azure = serve(tenant)
    bend_queries(
        azure,
        b"subscriptions/resourcegroups'",
        changed(lambda body: body.update(data=[], totalRecords=0, count=0)),
    )

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert azure.writes == ()
    assert swept.results == {"bot": Result.NOW_EXEMPT}


async def test_a_resource_group_of_another_subscription_hides_nobodys_exemption(
    serve: Serve,
) -> None:
    tenant = two_subscriptions()
    one = tenant.subscription("one")
    one.hidden_from_graph = True
    tenant.add_group("rg-ai", subscription=one, tags={TAG: "yes"})
    azure = serve(tenant)
    other = tenant.subscription("two").groups["rg-ai"].wire()
    azure.faults.on(path=f"{one.scope}/resourcegroups", times=None).bend(
        changed(lambda body: body["value"].append(other))
    )

    swept = await sweep(azure, EXEMPTION_INHERIT="true")

    assert turned_off(azure) == ["bot-two"]
    assert {event["accountName"] for event in swept.events("DriftFound")} == {"bot-two"}


@pytest.mark.parametrize(
    "text",
    ["\ud800", "\x00", "\u202e", "\x1b[2J", "x" * 100_000, "'; drop", "{}", "\r\nX-Evil: 1"],
    ids=["half a letter", "NUL", "right to left", "escape", "long", "quote", "braces", "line"],
)
async def test_whatever_text_stands_in_an_answer_it_ends_no_sweep_and_is_told(
    serve: Serve, text: str
) -> None:
    azure = serve(hidden("bot", "neighbour"))

    def odd(body: dict[str, Any]) -> None:
        row = body["value"][0]
        row["tags"] = {text: text, TAG: text}
        row["location"] = row["systemData"]["lastModifiedBy"] = text

    azure.faults.on(path=accounts_of(azure), times=None).bend(ascii_only(changed(odd)))

    swept = await sweep(azure)

    assert len(azure.writes) == 1
    assert completed(swept)["accounts"] == 2
    assert swept.whole


def ascii_only(bend: Bend) -> Bend:
    """Return what sends a bent body escaped, so that half a letter can be sent."""

    def sent(answer: Answer) -> Answer:
        bent = bend(answer)
        return replace(bent, body=json.dumps(bent.body).encode())

    return sent


async def test_an_id_in_other_letters_is_the_same_account(serve: Serve) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(method="GET", path="*/accounts/bot", times=None).bend(
        changed(lambda body: body.update(id=body["id"].upper(), type=body["type"].upper()))
    )

    assert (await sweep(azure)).results == {"bot": Result.DISABLED}


# Numbers, nesting and size


NUMBERS = {
    "400 digits": HUGE,
    "5000 digits": "9" * 5000,
    "negative": "-5",
    "a large exponent": "1e400",
    "no number": "nan",
    "digits of another script": "\u0663",
    "half a second": "0.5",
    "nothing": "",
}


WAITS = ["Retry-After", "x-ms-retry-after-ms", "retry-after-ms", "x-ms-user-quota-resets-after"]
LEFT = [
    "x-ms-ratelimit-remaining-subscription-reads",
    "x-ms-ratelimit-remaining-subscription-writes",
    "x-ms-ratelimit-remaining-tenant-resource-requests",
    "x-ms-user-quota-remaining",
]


@pytest.mark.parametrize(
    ("name", "number"),
    [*((WAITS[0], number) for number in NUMBERS), *((name, "400 digits") for name in WAITS[1:])],
)
async def test_no_number_in_a_header_of_a_refusal_ends_a_sweep(
    serve: Serve, name: str, number: str
) -> None:
    azure = serve(bots("bot"))
    headers = {name: NUMBERS[number]}
    azure.faults.on(method="GET", path="*/accounts/bot").answer(429, ERROR, headers)
    azure.faults.on(action=GRAPH).answer(429, ERROR, headers)

    swept = await sweep(azure)

    assert set(swept.results) == {"bot"}
    assert set(swept.results.values()) <= {Result.DISABLED, Result.DEFERRED}


@pytest.mark.parametrize("number", NUMBERS)
async def test_no_number_in_a_header_of_any_answer_ends_a_sweep(serve: Serve, number: str) -> None:
    azure = serve(bots("bot", "neighbour"))
    for name in LEFT:
        azure.faults.on(host="arm", times=None).bend(with_header(name, NUMBERS[number]))

    swept = await sweep(azure)

    assert set(swept.results) == {"bot", "neighbour"}
    assert set(swept.results.values()) <= {Result.DISABLED, Result.DEFERRED}


@pytest.mark.parametrize("kind", ["", "text/html", "application/json; charset=utf-16", "x"])
async def test_an_answer_of_another_content_type_is_read_or_refused_and_ends_no_sweep(
    serve: Serve, kind: str
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(host="arm", times=None).bend(with_header("Content-Type", kind))

    swept = await sweep(azure)

    assert completed(swept)["accounts"] == 1
    assert swept.results["bot"] in {Result.DISABLED, Result.FAILED}


def folded(body: bytes) -> Bend:
    packed = gzip.compress(body)
    return lambda answer: replace(answer, body=packed).with_header("Content-Encoding", "gzip")


UNFOLDING = b'{"value":[],"padding":"' + b"x" * (64 * 1024 * 1024) + b'"}'


async def test_an_answer_that_unfolds_beyond_its_ceiling_is_none(serve: Serve) -> None:
    azure = serve(hidden("bot"))
    azure.faults.on(path=accounts_of(azure), times=None).bend(folded(UNFOLDING))

    swept = await sweep(azure)

    (gap,) = swept.events("CoverageGap")
    assert "longer than" in gap["problem"]


async def test_an_ordinary_answer_may_be_packed(serve: Serve) -> None:
    azure = serve(bots("bot"))

    def pack(answer: Answer) -> Answer:
        return folded(json.dumps(answer.body).encode())(answer)

    azure.faults.on(method="GET", path="*/accounts/bot", times=None).bend(pack)

    assert (await sweep(azure)).results == {"bot": Result.DISABLED}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
async def test_an_answer_that_can_not_be_unpacked_is_none(serve: Serve, encoding: str) -> None:
    azure = serve(hidden("bot"))
    azure.faults.on(path=accounts_of(azure), times=None).bend(
        lambda answer: replace(answer, body=zlib.compress(b"{}")[1:]).with_header(
            "Content-Encoding", encoding
        )
    )

    swept = await sweep(azure)

    assert gaps(swept) == {("subscription", *azure.tenant.subscriptions)}


PLACES: dict[str, Callable[[LocalAzure], Fault]] = {
    "subscriptions": lambda azure: azure.faults.on(path="/subscriptions", times=None),
    "descendants": lambda azure: azure.faults.on(path="*/descendants", times=None),
    "accounts": lambda azure: azure.faults.on(path=accounts_of(azure), times=None),
    "account": lambda azure: azure.faults.on(
        method="GET", path="*/accounts/bot", action=None, times=None
    ),
    "resource graph": lambda azure: azure.faults.on(action=GRAPH, times=None),
    "patch": lambda azure: azure.faults.on(method="PATCH", times=None),
    "operation": lambda azure: azure.faults.on(path="*/operationresults/*", times=None),
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("place", PLACES)
async def test_json_that_is_nested_too_deeply_ends_no_sweep(
    serve: Serve, place: str, status: int
) -> None:
    tenant = hidden("bot")
    tenant.account("bot").patch = PatchForm.BOTH
    azure = serve(tenant)
    PLACES[place](azure).bend(lambda answer: replace(answer, status=status, body=DEEP))

    swept = await sweep(azure, SWEEP_MANAGEMENT_GROUPS="contoso", SWEEP_BUDGET_SECONDS="300")

    completed(swept)


# What follows a PATCH


ODD_WRITTEN: dict[str, Bend] = {
    "an empty object": says({}),
    "an error": says(ERROR),
    "a list": says([]),
    "null": says(b"null"),
    "nothing": says(b""),
    "nested": says(DEEP),
    "HTML": says("<html>"),
    "numbers": says(b'{"properties":{"callRateLimit":{"count":1e999}}}'),
    "folded": folded(UNFOLDING),
    "keys that are still on": put("properties", {"disableLocalAuth": False}),
    "another status": lambda answer: replace(answer, status=204, body=None),
    "201": lambda answer: replace(answer, status=201),
    "302": lambda answer: replace(answer, status=302).with_header("Location", answer.url),
    "202 without a link": lambda answer: replace(answer, status=202, body=None),
    "202 with odd links": lambda answer: (
        replace(answer, status=202)
        .with_header("Location", "nowhere")
        .with_header("Azure-AsyncOperation", "")
    ),
    "Retry-After": with_header("Retry-After", HUGE),
}


@pytest.mark.parametrize("bend", ODD_WRITTEN.values(), ids=ODD_WRITTEN.keys())
async def test_whatever_answers_a_patch_the_read_back_says_what_came_of_it(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(bots("bot"))
    azure.faults.on(method="PATCH").bend(bend)

    swept = await sweep(azure)

    assert len(azure.writes) == 1
    assert swept.results == {"bot": Result.DISABLED}
    assert swept.outcome("bot").accepted


@pytest.mark.parametrize("form", [PatchForm.BOTH, PatchForm.LOCATION, PatchForm.ASYNC_OPERATION])
async def test_an_update_is_followed_to_its_end_in_every_form(
    serve: Serve, form: PatchForm
) -> None:
    tenant = bots("bot")
    tenant.account("bot").patch = form
    azure = serve(tenant)

    swept = await sweep(azure)

    assert swept.results == {"bot": Result.DISABLED}
    assert swept.outcome("bot").azure_code == ""
    assert azure.clock.monotonic() < 15


ODD_POLLED: dict[str, Bend] = {
    **ODD_WRITTEN,
    "no status": without("status"),
    "a status that is a number": put("status", 5),
    "a status that is a list": put("status", []),
    "a status nobody knows": put("status", "Dreaming"),
    "succeeded too early": put("status", "Succeeded"),
    "failed too early": put("status", "Failed"),
    "an error that is a text": put("error", "no"),
}


@pytest.mark.parametrize("bend", ODD_POLLED.values(), ids=ODD_POLLED.keys())
async def test_whatever_answers_the_polling_the_read_back_says_what_came_of_it(
    serve: Serve, bend: Bend
) -> None:
    tenant = bots("bot")
    tenant.account("bot").patch = PatchForm.BOTH
    azure = serve(tenant)
    azure.faults.on(path="*/operationresults/*", times=3).bend(
        lambda answer: bend(answer) if isinstance(answer.body, dict) else answer
    )

    swept = await sweep(azure)

    assert len(azure.writes) == 1
    assert swept.results == {"bot": Result.DISABLED}


# Application Insights


@contextmanager
def ingestion(bend: Bend) -> Iterator[None]:
    """Let Application Insights answer oddly for a while."""
    fault = insights().faults.on(host="ingestion", times=None).bend(bend)
    try:
        yield
    finally:
        insights().faults.remove(fault)


UNACKNOWLEDGED: dict[str, Bend] = {
    "accepted 0": lambda answer: put("itemsAccepted", 0)(put("errors", [])(answer)),
    "accepted 0, errors null": lambda answer: put("itemsAccepted", 0)(put("errors", None)(answer)),
    "accepted fewer": lambda answer: put("itemsAccepted", answer.body["itemsReceived"] - 1)(answer),
    "accepted more": lambda answer: put("itemsAccepted", answer.body["itemsReceived"] + 1)(answer),
    "received none": put("itemsReceived", 0),
    "accepted is a text": lambda answer: put("itemsAccepted", str(answer.body["itemsAccepted"]))(
        answer
    ),
    "no counts": without("itemsAccepted", "itemsReceived"),
    "an empty object": says({}),
    "a list": says([]),
    "an error": says(ERROR),
    "HTML": says("<html>"),
    "nothing": says(b""),
    "nested": says(DEEP),
    "errors that are a text": put("errors", "none"),
}


@pytest.mark.parametrize("bend", UNACKNOWLEDGED.values(), ids=UNACKNOWLEDGED.keys())
async def test_what_application_insights_does_not_say_it_took_is_lost_and_nothing_is_written(
    serve: Serve, bend: Bend
) -> None:
    azure = serve(bots("bot"))

    with ingestion(bend):
        swept = await sweep(azure)

    assert isinstance(swept.error, TelemetryLost)
    assert azure.writes == ()
