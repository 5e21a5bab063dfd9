"""An account is named by id, name or group/name, inside the scope that was said."""

from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.explain import explain
from keysweep.names import NotSeen, identify, resolve, scope_of
from keysweep.words import distinct
from shared.core.errors import Unclear
from shared.core.model import Account
from tests.support.builders import an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import a_session

DEV, PROD, HIDDEN = (f"0000000{number}-0000-0000-0000-000000000000" for number in (2, 3, 4))


def bot_in(subscription: str, name: str = "bot", **more: Any) -> Account:
    bot = an_account(name, **more)
    return an_account(name, id=type(bot.id)(subscription, "rg-ai", name), **more)


BOT = bot_in(PROD)


def two(*accounts: Account, **more: Any) -> FakeTenant:
    """Return a tenant with a development and a production subscription, and a bot in production."""
    tenant = FakeTenant.of(BOT, *accounts, below={"mg-dev": [DEV], "mg-prod": [PROD]}, **more)
    tenant.subscribe(DEV, name="dev")
    tenant.subscribe(PROD, name="prod")
    return tenant


async def found(tenant: FakeTenant, text: str, **environ: str) -> str:
    session = a_session(tenant, environ=environ)
    return (await resolve(session, await scope_of(session), text)).id.key


SPELLINGS = ["bot", "BOT", "rg-ai/bot", "RG-AI/Bot", str(BOT.id), f"{str(BOT.id).upper()}//"]
IN_DEV = [
    {"SWEEP_SUBSCRIPTIONS": DEV},
    {"SWEEP_MANAGEMENT_GROUPS": "mg-dev"},
    {"SWEEP_EXCLUDE_SUBSCRIPTIONS": PROD.upper()},
]


@pytest.mark.parametrize("text", SPELLINGS)
async def test_an_account_is_found_however_it_is_spelled(text: str) -> None:
    assert await found(two(), text) == BOT.id.key


@pytest.mark.parametrize("environ", IN_DEV)
@pytest.mark.parametrize("text", SPELLINGS)
async def test_what_is_outside_the_scope_is_refused(text: str, environ: dict[str, str]) -> None:
    with pytest.raises(UsageProblem, match=r"in scope|out of scope"):
        await found(two(), text, **environ)


@pytest.mark.parametrize("environ", IN_DEV)
async def test_a_namesake_outside_the_scope_is_nobodys_concern(environ: dict[str, str]) -> None:
    namesake = bot_in(DEV)
    assert await found(two(namesake), "rg-ai/BOT", **environ) == namesake.id.key


async def test_namesakes_inside_the_scope_are_listed() -> None:
    other = bot_in(DEV)
    with pytest.raises(UsageProblem, match="is the name of 2 accounts in scope") as raised:
        await found(two(other), "bot")
    for account in (BOT, other):
        assert str(account.id) in str(raised.value)


@pytest.mark.parametrize(
    ("subscription", "says"),
    [({"state": "Disabled"}, "is disabled"), ({"tenant_id": "theirs"}, "is of another tenant")],
)
async def test_a_subscription_that_is_left_alone_is_out_of_scope(
    subscription: dict[str, str], says: str
) -> None:
    tenant = two()
    tenant.subscribe(PROD, **subscription)
    with pytest.raises(UsageProblem, match=rf"prod \({PROD}\) {says}"):
        await found(tenant, str(BOT.id))
    with pytest.raises(UsageProblem, match="There is no account 'bot' in scope"):
        await found(tenant, "bot")


async def test_another_kind_is_out_of_scope_unless_the_settings_take_it_in() -> None:
    face = bot_in(DEV, "faces", kind="Face")
    for text in ("faces", str(face.id)):
        with pytest.raises(UsageProblem, match="Its kind is Face"):
            await found(two(face), text)
        assert await found(two(face), text, SWEEP_KINDS="Face") == face.id.key


async def test_an_account_that_resource_graph_does_not_show_yet_is_found_by_its_id() -> None:
    tenant = two(unshown={BOT.id.key})
    with pytest.raises(UsageProblem, match="Give its resource id if it was made within the last"):
        await found(tenant, "bot")
    assert await found(tenant, str(BOT.id)) == BOT.id.key


async def test_where_resource_graph_does_not_answer_arm_lists_all() -> None:
    tenant = two()
    for subscription in (DEV, PROD):
        tenant.meanwhile("visible", subscription, [an_error(Unclear, 503)])
    assert await found(tenant, "bot") == BOT.id.key


async def test_what_could_not_be_read_may_hold_the_name_and_stops_no_other_look_up() -> None:
    tenant = two(unshown={HIDDEN})
    tenant.subscribe(HIDDEN, name="hidden")
    tenant.meanwhile("accounts", HIDDEN, [an_error(Unclear, 403)] * 2)
    assert await found(tenant, "bot") == BOT.id.key
    with pytest.raises(NotSeen, match="Not read: subscription hidden"):
        await found(tenant, "somebody")


@pytest.mark.parametrize("text", ["bot", str(BOT.id)])
async def test_where_the_scope_can_not_be_read_nobody_can_tell(text: str) -> None:
    with pytest.raises(NotSeen, match="managementGroup gone"):
        await found(two(), text, SWEEP_MANAGEMENT_GROUPS="gone")


@pytest.mark.parametrize(
    ("part", "bent"),
    [
        ("/bot", "/bot?api-version=2020-01-01"),
        ("/bot", "/bot%2Fproviders"),
        ("/bot", "/bot#bot"),
        ("/bot", "/bot/deployments/gpt-4o"),
        ("/bot", "/bot\n/x"),
        ("/rg-ai/", "/rg%2Dai/"),
        ("/rg-ai/", "/rg-ai?/"),
        ("/subscriptions/", "/subscriptions/x"),
    ],
)
async def test_an_id_that_leads_elsewhere_is_refused(part: str, bent: str) -> None:
    with pytest.raises(UsageProblem, match="account"):
        await found(two(), str(BOT.id).replace(part, bent))


@pytest.mark.parametrize(
    ("text", "says"),
    [("nobody", "no account 'nobody'"), ("x/bot", "no account 'x/bot'"), ("a/b/c", "names no")],
)
async def test_a_name_of_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        await found(two(), text)


async def test_an_id_of_nothing_is_refused_where_the_account_is_needed() -> None:
    gone = str(BOT.id).replace("/bot", "/gone")
    session = a_session(two())
    assert str(await identify(session, await scope_of(session), gone)) == gone
    with pytest.raises(UsageProblem, match="There is no account"):
        await found(two(), gone)


def test_subscriptions_of_one_name_are_told_apart_by_their_ids() -> None:
    names = distinct({DEV: "prod", PROD: "Prod", HIDDEN: "lab"})
    assert names == {DEV: f"prod {DEV}", PROD: f"Prod {PROD}", HIDDEN: "lab"}


@pytest.mark.parametrize("text", ["bto", "rg-ai/Bots"])
async def test_a_name_that_is_nearly_one_asks_whether_that_was_meant(text: str) -> None:
    with pytest.raises(UsageProblem, match=r"Did you mean bot \(rg-ai, prod\)\?"):
        await found(two(), text)
    with pytest.raises(UsageProblem, match="Give its resource id"):
        await found(two(), "zebra")


async def test_every_wrong_name_is_told_at_once() -> None:
    session = a_session(two())
    with pytest.raises(UsageProblem) as raised:
        await explain(session, ["bot", "zebra", "bts"], "table")
    first, second, third = str(raised.value).splitlines()
    assert first == "2 of 3 accounts can't be found:"
    assert "'zebra'" in second
    assert "'bts'" in third
