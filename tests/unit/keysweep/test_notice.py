"""`keysweep notice`: owners see on their resource when the keys go off, and no tag is replaced."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from keysweep.advice import UsageProblem
from keysweep.impact.verdict import Impact
from keysweep.notice import Request, notice
from shared.core.errors import NoRole
from shared.core.model import Account, Turned
from tests.support.builders import SUBSCRIPTION_ID, TAG, a_change, an_account
from tests.support.fake_sources import Call, FakeSources
from tests.support.fake_sweeps import HOME, OTHER, bot
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import Person, Reply, a_session, interrupt_after

MONTH = timedelta(days=30)
PLAIN = "until=2026-12-24; reason=notice: keys go off on 2026-12-24"
BOT = an_account()


async def run(
    tenant: FakeTenant,
    *answers: Reply,
    output: str = "table",
    span: timedelta = MONTH,
    environ: dict[str, str] | None = None,
    sources: FakeSources | None = None,
    **more: Any,
) -> tuple[int, Person]:
    person = Person(*answers)
    settings = {"OWNER_TAGS": "owner", **(environ or {})}
    session = a_session(tenant, person, environ=settings, sources=sources)
    code = await notice(session, output, Request(span, **more))
    assert not tenant.writes, "it turned keys off"
    return code, person


def our_tags(tenant: FakeTenant) -> dict[str, str]:
    """Return the values of our tag, by account."""
    return {
        account.id.name: account.tags[TAG]
        for account in tenant.accounts.values()
        if TAG in account.tags
    }


def owned(name: str, owner: str, **more: Any) -> Account:
    return an_account(name, tags={"owner": owner}, **more)


def lines(person: Person) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(person.read, newline="")))


async def test_the_tag_says_when_keys_go_off_and_whose_the_account_is() -> None:
    tenant = FakeTenant.of(owned("bot", "web@contoso.com"), an_account("stray"))
    code, person = await run(tenant, "yes")
    assert our_tags(tenant) == {"bot": f"{PLAIN}; owner=web@contoso.com", "stray": PLAIN}
    assert tenant.accounts[BOT.id.key].tags["owner"] == "web@contoso.com"
    assert person.questions == [
        "Give notice to 2 accounts of 1 owner: exempt until 2026-12-24?",
    ]
    assert "bot (rg-chat, subscription" in person.read
    assert code == 0


async def test_what_a_sweep_would_not_change_gets_no_notice() -> None:
    tenant = FakeTenant.of(
        an_account("off", keys_on=False),
        an_account("held", tags={"LocalAuthExempt": "yes"}),
        an_account("face", kind="Face"),
        an_account("exempt", tags={TAG: "yes"}),
    )
    code, person = await run(tenant, "yes")
    assert not tenant.changed
    assert "There is nobody to give notice to." in person.heard
    assert person.questions == []
    assert code == 0


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no", "A tag says explicitly that it is not exempt."),
        ("until=2020-01-01", "Its exemption ended on 2020-01-01: renew it first"),
        ("until=soon", "Its tag can't be read, and is not replaced"),
    ],
)
async def test_a_tag_that_is_there_is_never_replaced_and_that_is_said(
    value: str, says: str
) -> None:
    tenant = FakeTenant.of(an_account(tags={TAG: value}), an_account("other"))
    code, person = await run(tenant, "yes", environ={"EXEMPTION_UNREADABLE": "disable"})
    assert our_tags(tenant) == {"bot": value, "other": PLAIN}
    assert f"is left alone: {says}" in person.heard
    assert code == 1


async def test_a_tag_that_comes_while_the_question_stands_is_not_replaced() -> None:
    tenant = FakeTenant.of(BOT, an_account("other"))
    code, person = await run(tenant, tenant.becomes(BOT, tags={TAG: "until=2099-09-09"}))
    assert our_tags(tenant) == {"bot": "until=2099-09-09", "other": PLAIN}
    assert "its tag was not there when it was shown" in person.heard
    assert code == 2


async def test_the_plan_is_grouped_by_owner_and_those_without_one_come_last() -> None:
    tenant = FakeTenant.of(
        an_account("a"), owned("b", "web"), owned("c", "Ann"), owned("d", "web"), an_account("e"),
        changes=[a_change(Turned.ON, name="e")],
    )  # fmt: skip
    code, person = await run(tenant, dry_run=True)
    rows = [" ".join(line.split()) for line in person.read.splitlines() if "rg-chat" in line]
    assert rows == [
        "Ann (1 account, by its tag) c rg-chat sub",
        ("ann@contoso.com (1 account, turned its keys on; not written into the tag) e rg-chat sub"),
        "web (2 accounts, by its tag) b rg-chat sub",
        "d rg-chat sub",
        "nobody is known (1 account) a rg-chat sub",
    ]
    assert "one that begins to accept keys after this has no notice" in person.heard
    assert code == 1


async def test_who_turned_keys_on_is_not_written_down_as_the_owner() -> None:
    tenant = FakeTenant.of(BOT, changes=[a_change(Turned.ON)])
    await run(tenant, "yes")
    assert our_tags(tenant) == {"bot": PLAIN}


@pytest.mark.parametrize("owner", ["x" * 220, "ann\tbob"], ids=["too long", "not printable"])
async def test_an_owner_that_the_tag_has_no_room_for_is_left_out_of_it(owner: str) -> None:
    tenant = FakeTenant.of(owned("bot", owner))
    await run(tenant, "yes")
    assert our_tags(tenant) == {"bot": PLAIN}


async def test_several_owners_in_one_value_are_kept_without_the_semicolon() -> None:
    tenant = FakeTenant.of(owned("bot", "ann; bob"))
    await run(tenant, "yes")
    assert our_tags(tenant) == {"bot": f"{PLAIN}; owner=ann, bob"}


async def test_a_reason_stands_after_the_notice() -> None:
    tenant = FakeTenant.of(BOT)
    await run(tenant, "yes", reason="CHG0042")
    assert our_tags(tenant) == {"bot": f"{PLAIN}: CHG0042"}


async def test_only_the_owners_that_are_named_get_notice() -> None:
    tenant = FakeTenant.of(owned("a", "Web"), owned("b", "ann"), an_account("c"))
    await run(tenant, "yes", owner=["WEB"])
    assert our_tags(tenant) == {"a": f"{PLAIN}; owner=Web"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"ENFORCE_SCOPES": "mg-dev@2026-12-25, mg-test@2026-12-01"},
            ["1 account: Ring mg-dev@2026-12-25T00:00Z begins 2026-12-25T00:00Z"],
        ),
        (
            {"ENFORCE_FROM": "2027-01-01"},
            ["2 accounts: ENFORCE_FROM is 2027-01-01T00:00Z"],
        ),
        ({"ENFORCE_SCOPES": "mg-dev@2026-12-24T23:59Z, mg-test"}, []),
        ({"SWEEP_MODE": "audit"}, []),
    ],
)
async def test_a_day_on_which_the_settings_turn_nothing_off_is_said(
    environ: dict[str, str], said: list[str]
) -> None:
    tenant = FakeTenant.of(bot("dev", HOME), bot("test", OTHER))
    tenant.below = {"mg-dev": [HOME], "mg-test": [OTHER]}
    _, person = await run(tenant, "yes", environ=environ)
    begins = "By then no sweep turns them off on "
    heard = [line for line in person.heard.splitlines() if line.startswith(begins)]
    assert [line.removesuffix(": audit until then.") for line in heard] == [
        begins + line for line in said
    ]
    assert len(our_tags(tenant)) == 2


@pytest.mark.parametrize("mode", ["enforce", "audit"])
async def test_an_account_in_no_ring_gets_no_notice_and_is_named(mode: str) -> None:
    tenant = FakeTenant.of(bot("dev", HOME), bot("test", OTHER))
    tenant.below = {"mg-dev": [HOME]}
    environ = {"SWEEP_MODE": mode, "ENFORCE_SCOPES": "mg-dev@2027-06-01"}
    code, person = await run(tenant, "yes", environ=environ)
    assert our_tags(tenant).keys() == {"dev"}
    assert (
        "No notice, because no sweep would turn them off: 1 account (test). "
        "It is in no ring of ENFORCE_SCOPES."
    ) in " ".join(person.heard.split())
    assert code == 0


async def test_an_account_in_no_ring_that_could_be_read_gets_no_notice_and_it_is_not_whole() -> (
    None
):
    tenant = FakeTenant.of(bot("dev", HOME), bot("test", OTHER))
    tenant.below = {"mg-dev": [HOME]}
    tenant.meanwhile("descendants", "mg-test", [an_error(NoRole, 403)])
    code, person = await run(tenant, "yes", environ={"ENFORCE_SCOPES": "mg-dev, mg-test"})
    assert our_tags(tenant).keys() == {"dev"}
    assert "that could be read; mg-test could not." in " ".join(person.heard.split())
    assert code == 2


async def test_where_no_account_is_in_a_ring_there_is_nobody_to_give_notice_to() -> None:
    tenant = FakeTenant.of(bot("test", OTHER), bot("dev", HOME, keys_on=False))
    tenant.below = {"mg-dev": [HOME]}
    code, person = await run(tenant, environ={"ENFORCE_SCOPES": "mg-dev"}, yes=True)
    assert "There is nobody to give notice to." in person.heard
    assert code == 0


async def test_the_tag_names_the_day_of_a_ring_that_begins_after_it_lapses() -> None:
    tenant = FakeTenant.of(bot("dev", HOME), bot("test", OTHER))
    tenant.below = {"mg-dev": [HOME], "mg-test": [OTHER]}
    environ = {"ENFORCE_SCOPES": "mg-dev@2027-01-15, mg-test@2026-12-01"}
    await run(tenant, "yes", environ=environ)
    assert our_tags(tenant) == {
        "dev": "until=2026-12-24; reason=notice: keys go off on 2027-01-15",
        "test": PLAIN,
    }


async def test_the_tag_names_the_day_before_which_nothing_is_enforced() -> None:
    tenant = FakeTenant.of(BOT)
    await run(tenant, "yes", environ={"ENFORCE_FROM": "2027-01-01"})
    assert our_tags(tenant)["bot"].endswith("keys go off on 2027-01-01")


async def test_who_would_break_is_not_asked_of_an_account_in_no_ring() -> None:
    sources = FakeSources(FakeTenant.of(bot("dev", HOME), bot("test", OTHER)))
    sources.tenant.below = {"mg-dev": [HOME]}
    environ = {"ENFORCE_SCOPES": "mg-dev"}
    await run(
        sources.tenant, sources=sources, environ=environ, impact=frozenset(Impact), dry_run=True
    )
    assert ("log", "dev") in sources.asked
    assert ("log", "test") not in sources.asked


async def test_an_empty_owner_is_nobody_and_not_those_without_one() -> None:
    tenant = FakeTenant.of(an_account("stray"))
    with pytest.raises(UsageProblem, match="--owner is empty"):
        await run(tenant, "yes", owner=["web", " "])
    assert our_tags(tenant) == {}


async def test_owners_who_have_none_are_all_named_and_nothing_is_written() -> None:
    tenant = FakeTenant.of(owned("a", "web"), owned("b", "ann"))
    with pytest.raises(UsageProblem) as caught:
        await run(tenant, "yes", owner=["web", "wbe", "an"])
    assert str(caught.value) == (
        "No account that a sweep would change is owned by an, wbe. The owners of those: ann, web."
    )
    assert not tenant.changed


# Who would break


def used(*more: Account) -> FakeSources:
    """Return a tenant in which one account uses keys, one likely does, and one is idle."""
    sources = FakeSources(
        FakeTenant.of(owned("idle", "web"), owned("likely", "web"), owned("zeta", "web"), *more)
    )
    sources.calls["zeta"].append(Call(5, 3, "key"))
    sources.logs_since["zeta"] = 90
    sources.calls["likely"].append(Call(5, 3))
    return sources


BREAKS = frozenset({Impact.USES_KEYS, Impact.LIKELY_KEYS})


async def test_only_accounts_with_a_verdict_that_is_named_get_notice() -> None:
    sources = used()
    await run(sources.tenant, "yes", sources=sources, impact=BREAKS)
    assert our_tags(sources.tenant).keys() == {"likely", "zeta"}


async def test_the_plan_shows_the_verdicts_the_worst_first() -> None:
    sources = used()
    _, person = await run(sources.tenant, sources=sources, impact=BREAKS, dry_run=True)
    rows = [" ".join(line.split()) for line in person.read.splitlines() if "rg-chat" in line]
    assert rows == [
        "web (2 accounts, by its tag) USES_KEYS zeta rg-chat sub",
        "LIKELY_KEYS likely rg-chat sub",
    ]


async def test_how_many_have_another_verdict_is_said() -> None:
    sources = used()
    _, person = await run(sources.tenant, sources=sources, impact=BREAKS, dry_run=True)
    said = " ".join(person.heard.split())
    assert "No notice, because --impact names other verdicts: 1 account (1 IDLE)." in said


async def test_the_csv_has_the_verdict() -> None:
    sources = used()
    _, person = await run(sources.tenant, "yes", sources=sources, impact=BREAKS, output="csv")
    assert {line["name"]: line["impact"] for line in lines(person)} == {
        "zeta": "USES_KEYS",
        "likely": "LIKELY_KEYS",
    }


async def test_only_the_owners_that_are_named_are_looked_into() -> None:
    sources = used(owned("other", "ann"))
    await run(sources.tenant, sources=sources, impact=BREAKS, owner=["web"], dry_run=True)
    assert ("log", "other") not in sources.asked


async def test_who_would_break_is_not_asked_unless_somebody_wants_it() -> None:
    sources = used()
    _, person = await run(sources.tenant, sources=sources, dry_run=True, output="csv")
    assert {line["impact"] for line in lines(person)} == {""}
    assert sources.asked == []


# What is refused


@pytest.mark.parametrize(
    ("environ", "reason", "says"),
    [
        ({"EXEMPTION_MAX_DAYS": "14"}, "", "this tenant allows 14 days"),
        ({}, "a;b", "can't hold a semicolon"),
        ({}, "x" * 300, "shorten --reason"),
    ],
)
async def test_a_notice_that_no_sweep_would_honour_is_refused_before_any_question(
    environ: dict[str, str], reason: str, says: str
) -> None:
    tenant, person = FakeTenant.of(BOT), Person("yes")
    with pytest.raises(UsageProblem, match=says):
        await notice(a_session(tenant, person, environ=environ), "table", Request(MONTH, reason))
    assert person.questions == []
    assert not tenant.changed


async def test_a_tenant_that_requires_an_end_honours_it() -> None:
    tenant = FakeTenant.of(BOT)
    environ = {"EXEMPTION_REQUIRE_UNTIL": "true", "EXEMPTION_MAX_DAYS": "30"}
    code, _ = await run(tenant, "yes", environ=environ)
    assert our_tags(tenant) == {"bot": PLAIN}
    assert code == 0


async def test_with_nobody_to_ask_it_says_which_option_answers() -> None:
    with pytest.raises(UsageProblem, match="say --yes, or --dry-run"):
        await run(FakeTenant.of(BOT))


# What is not done


@pytest.mark.parametrize("how", ["no", "dry run"])
async def test_a_no_and_a_dry_run_change_nothing(how: str) -> None:
    tenant = FakeTenant.of(BOT)
    answers: list[Reply] = ["no"] if how == "no" else []
    code, person = await run(tenant, *answers, dry_run=how == "dry run")
    assert "Nothing was changed." in person.heard
    assert not tenant.changed
    assert code == 1


async def test_an_account_that_can_not_be_read_is_left_alone_and_is_exit_code_2() -> None:
    tenant = FakeTenant.of(BOT, an_account("other"))
    tenant.meanwhile("account", BOT.id.key, [an_error(NoRole, 403)])
    person = Person(quiet=True)
    code = await notice(a_session(tenant, person), "table", Request(MONTH, yes=True))
    assert our_tags(tenant) == {"other": PLAIN}
    assert "bot (rg-chat" in person.heard
    assert code == 2


async def test_what_was_not_seen_is_said_and_is_exit_code_2() -> None:
    tenant = FakeTenant.of(BOT, odd_rows={SUBSCRIPTION_ID: ["x"]}, unshown={SUBSCRIPTION_ID})
    code, person = await run(tenant, "yes")
    assert "Not seen: account" in person.heard
    assert our_tags(tenant) == {"bot": PLAIN}
    assert code == 2


async def test_keys_that_went_off_meanwhile_need_no_notice() -> None:
    tenant = FakeTenant.of(BOT, lag=60.0)
    tenant.meanwhile("changes", SUBSCRIPTION_ID, [tenant.becomes(BOT, keys_on=False)])
    code, person = await run(tenant, "yes")
    assert "is left alone: Its keys are off." in person.heard
    assert not tenant.changed
    assert code == 0


async def test_an_account_that_is_gone_needs_no_notice() -> None:
    tenant = FakeTenant.of(BOT)
    tenant.meanwhile("changes", SUBSCRIPTION_ID, [lambda: tenant.delete(BOT)])
    code, person = await run(tenant, "yes")
    assert "It is there no more." in person.heard
    assert code == 0


# The CSV


async def test_the_csv_has_what_reads_back_by_owner_and_nothing_else() -> None:
    tenant = FakeTenant.of(
        owned("a", "web"), owned("b", "=cmd()"), owned("c", "web"), an_account("d"),
        locked={an_account("c").id.key},
    )  # fmt: skip
    code, person = await run(tenant, "yes", output="csv")
    assert [f"{line['owner']}/{line['name']}" for line in lines(person)] == [
        "'=cmd()/b",
        "web/a",
        "/d",
    ]
    assert {line["until"] for line in lines(person)} == {"2026-12-24"}
    assert {line["result"] for line in lines(person)} == {"EXEMPT"}
    assert lines(person)[1]["id"] == str(an_account("a").id)
    assert lines(person)[1]["owner_from"] == "account"
    assert "c (rg-chat" in person.heard
    assert code == 2


async def test_a_dry_run_writes_the_csv_of_what_it_would_do() -> None:
    _, person = await run(FakeTenant.of(owned("a", "web")), output="csv", dry_run=True)
    (line,) = lines(person)
    assert line["result"] == "WOULD_EXEMPT"
    assert line["owner"] == "web"


async def test_ctrl_c_leaves_a_csv_of_what_was_written() -> None:
    tenant, person = FakeTenant.of(an_account("a"), an_account("b")), Person("yes")
    waits = {SUBSCRIPTION_ID: [0.0, 0.0, 0.0, 600.0]}
    session = a_session(tenant, person, waits, {"OWNER_TAGS": "owner"})
    interrupt_after(5.0)
    code = await notice(session, "csv", Request(MONTH))
    assert [line["name"] for line in lines(person)] == ["a"]
    assert our_tags(tenant) == {"a": PLAIN}
    assert "Not attempted, or refused: 1 account." in person.heard
    assert code == 1
