"""A flag that appears for the first time: listed with null, with the text "null", or not at all.

Nobody showed which of them Azure does, so each is read for what it says, and for no more.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from local_azure import ABSENT, LocalAzure, PatchForm, Tenant
from local_azure.clock import START
from local_azure.state.changes import FirstValues
from shared.core.model import KeyChange
from shared.core.settings import OPERATOR_SETTINGS, read_settings
from shared.workspace import Connections, Parts
from tests.support.real_sweeps import environ_of, process, tick
from tests.support.unobserved import Unobserved

type Serve = Callable[..., LocalAzure]

FORMS: list[FirstValues] = ["unlisted", "null", "text"]


def bot(first_values: FirstValues, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.first_values = first_values
    tenant.add_account("bot", **{"local_auth": ABSENT, **more})
    return tenant


@asynccontextmanager
async def parts_of(azure: LocalAzure) -> AsyncIterator[Parts]:
    """Give parts as a person's, pointed at a local Azure."""
    environ = {**azure.environ, "SWEEP_MODE": "audit"}
    with environ_of(azure.environ):
        connections = Connections(environ, azure.clock)
        try:
            yield connections.parts(read_settings(environ, OPERATOR_SETTINGS), Unobserved())
        finally:
            await connections.close()


async def turns(azure: LocalAzure, *own: str) -> list[str]:
    """Return how the change log says that keys were turned, the oldest first."""
    async with parts_of(azure) as parts:
        subscriptions = [each.id for each in await parts.arm.subscriptions()]
        found = (await parts.graph.key_changes(subscriptions, own)).rows
    changes = [each for each in found if isinstance(each, KeyChange)]
    assert len(changes) == len(found)
    return [change.turned for change in sorted(changes, key=lambda change: change.at)]


@pytest.mark.parametrize("form", FORMS)
async def test_an_edit_by_a_person_who_swept_is_never_off(serve: Serve, form: FirstValues) -> None:
    tenant = bot(form, local_auth=False)
    tenant.tag("bot", {"cost": "4711"}, at=START - timedelta(hours=1))
    azure = serve(tenant)
    assert await turns(azure, tenant.team.name, tenant.team.client_id) == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_flag_that_appears_as_true_is_off_where_it_is_listed(
    serve: Serve, form: FirstValues
) -> None:
    tenant = bot(form)
    tenant.disable_keys("bot", at=START - timedelta(hours=1))
    assert await turns(serve(tenant)) == ([] if form == "unlisted" else ["off"])


@pytest.mark.parametrize("form", FORMS)
async def test_a_flag_that_appears_as_false_turns_nothing(serve: Serve, form: FirstValues) -> None:
    tenant = bot(form)
    tenant.enable_keys("bot", at=START - timedelta(hours=1))
    assert await turns(serve(tenant)) == []


@pytest.mark.parametrize("form", FORMS)
async def test_what_comes_after_the_first_value_is_listed_whatever_the_form(
    serve: Serve, form: FirstValues
) -> None:
    tenant = bot(form)
    tenant.disable_keys("bot", at=START - timedelta(hours=3))
    tenant.enable_keys("bot", at=START - timedelta(hours=2))
    tenant.disable_keys("bot", at=START - timedelta(hours=1))
    assert (await turns(serve(tenant)))[-2:] == ["on", "off"]


@pytest.mark.parametrize("form", FORMS)
async def test_the_functions_own_update_is_told_as_off_in_every_form(
    serve: Serve, form: FirstValues
) -> None:
    azure = serve(bot(form, patch=PatchForm.OK_200))
    async with process(azure) as first:
        await tick(first)
    azure.clock.advance(900)
    async with process(azure) as second:
        swept = await tick(second, START)
    told = [(each["turned"], each["ours"]) for each in swept.events("KeyAccessChanged")]
    assert told == [("off", "true")]


@pytest.mark.parametrize("form", FORMS)
async def test_on_the_line_an_applications_own_edits_say_nothing_of_the_flag(
    serve: Serve, form: FirstValues
) -> None:
    tenant = bot(form, local_auth=False)
    tenant.tag("bot", {"cost": "4711"}, by=tenant.function, at=START - timedelta(hours=1))
    azure = serve(tenant)
    async with parts_of(azure) as parts:
        subscriptions = [each.id for each in await parts.arm.subscriptions()]
        log = await parts.changes().read(subscriptions)
    assert log.by_account == {}
    assert not log.unread
