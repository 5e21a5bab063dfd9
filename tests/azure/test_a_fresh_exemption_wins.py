"""Whatever made an account ours is asked again at the last moment, and what is new wins.

The judge is the server: what was written, and what was read before. tests/unit exempts before every
request of a sweep; here are the moments that SDKs and connections make.
"""

import asyncio
from collections.abc import Callable

import pytest

from local_azure import LocalAzure
from shared.core.model import Result
from tests.support.contoso import TAG, adrift, before, methods
from tests.support.real_sweeps import sweep
from tests.support.serving import Serve

THROTTLED = {"error": {"code": "TooManyRequests", "message": "Later."}}


def exempt(azure: LocalAzure) -> None:
    azure.tenant.tag("bot", {TAG: "CHG0042"})


def create_again(azure: LocalAzure) -> None:
    azure.tenant.delete("bot")
    azure.tenant.add_account("bot", kind="SpeechServices", local_auth=True)


def exempt_the_group(azure: LocalAzure) -> None:
    azure.tenant.tag_group(azure.tenant.subscription("contoso-prod").groups["rg-ai"], {TAG: "yes"})


CHANGES = {
    "exempted": (exempt, Result.NOW_EXEMPT),
    "its group exempted": (exempt_the_group, Result.NOW_EXEMPT),
    "created again as another kind": (create_again, Result.OUT_OF_SCOPE),
}


@pytest.mark.parametrize(
    ("change", "moment"),
    [
        *((change, "the read") for change in CHANGES),
        ("exempted", "a throttled PATCH"),
        ("its group exempted", "an unanswered PATCH"),
    ],
)
async def test_what_changes_before_the_last_read_is_seen(
    serve: Serve, change: str, moment: str
) -> None:
    azure = serve(adrift())
    bot = azure.tenant.account("bot")
    happens, result = CHANGES[change]
    before(azure, "GET" if moment == "the read" else "PATCH", bot, lambda: happens(azure))
    if moment == "a throttled PATCH":
        azure.faults.on(method="PATCH").answer(429, THROTTLED, {"Retry-After": "120"})
    elif moment == "an unanswered PATCH":
        azure.faults.on(method="PATCH").cut()

    swept = await sweep(azure, EXEMPTION_INHERIT="resourceGroup")

    assert azure.writes == ()
    assert swept.results["bot"] is result


def late_connections(
    azure: LocalAzure, seconds: float, then: Callable[[], object] = lambda: None
) -> None:
    """Let the connection of the next request after the account's read come so much later."""
    bot = azure.tenant.account("bot")
    # After its answer the connection is closed: the PATCH has to make one.
    azure.faults.on(method="GET", path=bot.id).close()

    def make_late() -> None:
        azure.connections.late(seconds)
        then()

    before(azure, "GET", bot, make_late)


@pytest.mark.parametrize(("seconds", "reads"), [(4, 1), (9, 2)])
async def test_no_patch_leaves_on_a_connection_that_took_more_than_five_seconds(
    serve: Serve, seconds: int, reads: int
) -> None:
    azure = serve(adrift())
    late_connections(azure, seconds)

    swept = await sweep(azure)

    sent = methods(azure, azure.tenant.account("bot"))
    assert sent[: reads + 1] == ["GET"] * reads + ["PATCH"]
    assert azure.clock.monotonic() >= seconds, "the connection was not late: this proves nothing"
    assert swept.results == {"bot": Result.DISABLED}


async def test_an_exemption_that_comes_while_the_patch_waits_for_its_connection_wins(
    serve: Serve,
) -> None:
    azure = serve(adrift())
    tasks: list[asyncio.Task[None]] = []

    async def exempt_later() -> None:
        await azure.clock.sleep(7)
        exempt(azure)

    late_connections(
        azure, 9, lambda: tasks.append(asyncio.get_running_loop().create_task(exempt_later()))
    )

    swept = await sweep(azure)

    assert azure.clock.monotonic() >= 9, "the connection was not late: this proves nothing"
    assert methods(azure, azure.tenant.account("bot")) == ["GET", "GET"]
    assert swept.results == {"bot": Result.NOW_EXEMPT}
