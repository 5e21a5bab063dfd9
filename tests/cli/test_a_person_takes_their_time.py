"""However long a person thinks or waits, the work after that has its whole time budget."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keysweep import exempt as exemption
from keysweep.probe import probe
from keysweep.record import read_record
from keysweep.screen import Screen
from keysweep.session import Given, Options, read_given
from keysweep.sweep import Wish, sweep
from keysweep.undo import Asked, undo
from local_azure import LocalAzure, MovedClock, Tenant, scenarios
from local_azure.handlers.keys import keys_of
from local_azure.log import SeenRequest
from local_azure.services import Settings
from shared.workspace import Connections, Parts
from tests.support.unobserved import Unobserved

type Serve = Callable[..., LocalAzure]

ALL = {"contoso-chat", "contoso-search", "contoso-agents", "contoso-docs"}
HOURS = timedelta(hours=3)


class Slow(Screen):
    """A person who says yes after three hours."""

    def __init__(self, azure: LocalAzure) -> None:
        super().__init__()
        self.azure = azure
        self.said: list[str] = []

    @property
    def can_ask(self) -> bool:
        """There is somebody."""
        return True

    def ask(self, question: str) -> bool:  # noqa: ARG002 - whatever it is
        """Think."""
        self.azure.clock.advance(HOURS)
        return True

    def say(self, text: str) -> None:
        """Keep what is said."""
        self.said.append(text)


@asynccontextmanager
async def at_a_terminal(
    azure: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Parts, Given]]:
    environ = azure.operator_environ
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, environ[name])  # azure-identity looks nowhere else
    connections = Connections(environ, azure.clock)
    try:
        given = Options(environ).given({}, "")
        yield connections.parts(read_given(given), Unobserved()), given
    finally:
        await connections.close()


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


async def test_a_sweep_that_was_agreed_to_late_is_done_and_can_be_undone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    azure = serve(scenarios.four_accounts(), clock=MovedClock(datetime.now(UTC)))
    person = Slow(azure)
    record = tmp_path / "record.jsonl"
    async with at_a_terminal(azure, monkeypatch) as (parts, given):
        assert await sweep(parts, person, given, "table", Wish(record=record)) == 0
        assert keys_on(azure) == set()
        sweep_id = read_record(record.read_text()).sweep_id
        asked = Asked(sweep_id, timedelta(days=1), record)
        code = await undo(parts.again(), person, given, asked)
    assert code == 0
    assert keys_on(azure) == ALL


async def test_what_lapses_while_a_person_thinks_was_not_shown_and_keeps_its_keys(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    evening = datetime.now(UTC).replace(hour=22)
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot")
    tenant.add_account("lapsing", tags={"local-auth-exempt": f"{evening.date()}"})
    azure = serve(tenant, clock=MovedClock(evening))
    record = tmp_path / "record.jsonl"
    async with at_a_terminal(azure, monkeypatch) as (parts, given):
        code = await sweep(parts, Slow(azure), given, "table", Wish(record=record))
    assert keys_on(azure) == {"lapsing"}
    assert [change.account.name for change in read_record(record.read_text()).changes] == ["bot"]
    assert code == 1


async def test_an_exemption_that_was_agreed_to_late_is_given(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("bot", local_auth=False, tags={"local-auth-exempt": "2020-01-01"})
    azure = serve(tenant, clock=MovedClock(datetime.now(UTC)))
    wish = exemption.Wish(None, "CHG0042", "")
    async with at_a_terminal(azure, monkeypatch) as (parts, given):
        code = await exemption.exempt(
            parts, Slow(azure), given, "bot", wish, enable_keys=True, yes=False, replace=False
        )
    assert code == 0
    assert azure.tenant.account("bot").tags == {"local-auth-exempt": "reason=CHG0042"}
    assert keys_on(azure) == {"bot"}


async def test_the_gateway_may_take_longer_than_a_sweeps_budget(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=False)
    settings = Settings(reachable_endpoints=True, gateway_lag=HOURS.total_seconds())
    azure = serve(tenant, clock=MovedClock(datetime.now(UTC)), settings=settings)
    tenant.enable_keys("bot")
    tenant.disable_keys("bot")
    asked: list[str] = []

    def seen(request: SeenRequest) -> None:
        asked.append(request.host)

    azure.before(seen)
    person = Slow(azure)
    async with at_a_terminal(azure, monkeypatch) as (parts, _):
        key = keys_of(account)[0]
        code = await probe(parts, person, "bot", None, key=key, wait=5 * 3600.0, every=3600.0)
    assert code == 1  # no role on the data plane: the check of the token
    assert asked.count("openai") >= HOURS / timedelta(hours=1)
