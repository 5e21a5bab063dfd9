"""`keysweep impact --watch` tells of refused calls as they come in, each once."""

import asyncio
from typing import Any

from keysweep.impact.watching import watch
from shared.core.errors import NoRole
from tests.support.builders import an_account
from tests.support.fake_sources import Call, FakeSources
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import Person, a_session

MINUTE = 1 / 1440


def one(**more: Any) -> FakeSources:
    return FakeSources(FakeTenant.of(an_account(keys_on=False, **more)), logs_since={"bot": 90})


async def run(
    sources: FakeSources, seconds: float | None = 300, *, quiet: bool = False
) -> tuple[int, Person]:
    person = Person(quiet=quiet)
    session = a_session(sources.tenant, person, sources=sources)
    return await watch(session, "bot", 60, seconds), person


async def test_a_call_that_is_refused_is_told_once_by_each_source() -> None:
    sources = one()
    sources.calls["bot"].append(Call(2 * MINUTE, 3, "key", "401"))
    code, person = await run(sources)
    told = [line for line in person.read.splitlines() if "401" in line]
    who = "3 calls of ChatCompletions_Create to gpt-4o with a key from 203.0.113.***"
    assert [line.partition("  ")[2] for line in told] == [
        f"401  {who} (request log)",
        "401  3 calls to gpt-4o (metrics)",
    ]
    assert "3 calls refused since 2026-" in person.read
    assert code == 1


async def test_calls_that_come_in_later_are_told_then() -> None:
    before, after = one(), one()
    for sources in (before, after):
        sources.calls["bot"].append(Call(-3 * MINUTE, 2, "key", "403"))
    code, person = await run(before, seconds=60)
    assert "No call was seen to be refused." in person.read
    assert code == 0
    code, person = await run(after, seconds=300)
    assert "403  2 calls to gpt-4o (metrics)" in person.read
    assert code == 1


async def test_a_ctrl_c_ends_the_watch_and_what_was_seen_stands() -> None:
    sources = one()
    sources.calls["bot"].append(Call(2 * MINUTE, 3, "key", "401"))
    watching = asyncio.ensure_future(run(sources, seconds=None))
    asyncio.get_running_loop().call_later(130, watching.cancel)
    code, person = await watching
    assert "3 calls refused since" in person.read
    assert code == 1


async def test_calls_that_succeed_are_none() -> None:
    sources = one()
    sources.calls["bot"].append(Call(2 * MINUTE, 3, "key"))
    code, person = await run(sources)
    assert "No call was seen to be refused." in person.read
    assert code == 0


async def test_what_can_not_be_read_is_told_once_and_is_no_calm() -> None:
    sources = one()
    sources.refusals["log", "bot"] = an_error(NoRole, 403)
    code, person = await run(sources, quiet=True)
    assert person.heard.count("Not seen:") == 1
    assert code == 2


async def test_a_log_that_has_no_table_is_told_once_and_is_no_calm() -> None:
    sources = one()
    sources.calls["bot"].append(Call(2 * MINUTE, 3, "key", "401"))
    sources.without_table.add("bot")
    code, person = await run(sources)
    assert person.heard.count("Not seen: who makes refused calls. No workspace that you may") == 1
    assert "calls of bot were never logged, or are logged where you may not read" in person.heard
    assert "401  3 calls to gpt-4o (metrics)" in person.read
    assert code == 2


async def test_where_nobody_can_see_who_calls_no_refused_call_is_no_reassurance() -> None:
    sources = one()
    sources.without_table.add("bot")
    code, person = await run(sources)
    assert "No call was seen to be refused, as far as calls could be seen." in person.read
    assert code == 2


async def test_calls_that_the_log_shows_stand_whatever_else_it_leaves_out() -> None:
    sources = one()
    sources.calls["bot"].append(Call(2 * MINUTE, 3, "key", "401"))
    sources.unseen["bot"] = "You may not read the workspace other, which holds a part of it."
    code, person = await run(sources)
    assert "with a key from 203.0.113.*** (request log)" in person.read
    assert person.heard.count("Not seen: You may not read the workspace other") == 1
    assert code == 2


async def test_metrics_that_failed_are_no_calm() -> None:
    sources = one()
    sources.failed_metrics["ModelRequests"] = "InternalError"
    code, person = await run(sources)
    assert person.heard.count("could not read ModelRequests: InternalError.") == 1
    assert code == 2


async def test_metrics_without_a_status_say_so() -> None:
    sources = FakeSources(FakeTenant.of(an_account(keys_on=False, kind="Face")))
    person = Person()
    session = a_session(sources.tenant, person, environ={"SWEEP_KINDS": "Face"}, sources=sources)
    assert await watch(session, "bot", 60, 60) == 2
    assert "don't say which calls were refused" in person.heard


async def test_it_asks_anew_as_often_as_it_is_told_to() -> None:
    sources = one()
    await run(sources, seconds=300)
    assert 5 <= len([what for what, _ in sources.asked if what == "metrics"]) <= 6
