"""Runs real sweeps in a test: production's own parts, pointed at a local Azure by its environment.

OpenTelemetry's providers can be set once a process, so every sweep of a test process sends its
telemetry to one Application Insights, `insights`, and each sweep is told apart by its `sweepId`.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import azure.identity
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider

from local_azure import LocalAzure, MovedClock, RunningClock, scenarios
from shared.bootstrap import Process, SystemClock
from shared.border import telemetry
from shared.core.errors import KeysweepError
from shared.core.model import Outcome, Result
from shared.core.report import SweepReport
from tests.support.functions_worker import FunctionsWorker

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACE_PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
ONE_SWEEP = """
import asyncio, os
from shared.bootstrap import Process, SystemClock
asyncio.run(Process(os.environ, SystemClock()).tick())
"""
"""One sweep in a process of its own."""

# OpenTelemetry sends every second what there is, in real time, and so now and then, on a machine
# with much else to do, before the product would have sent it: here events leave when it sends them.
SENT_BY_THE_PRODUCT_ALONE = {"OTEL_BLRP_SCHEDULE_DELAY": str(24 * 3600 * 1000)}


@cache
def insights() -> LocalAzure:
    """Return the Application Insights of this test process."""
    azure = LocalAzure(scenarios.empty(), RunningClock())
    azure.start()
    with environ_of({**azure.environ, **SENT_BY_THE_PRODUCT_ALONE}):
        telemetry.configure(
            azure.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"],
            "func-keysweep",
            lambda: _exporter_credential(azure),
            SystemClock(),
        )
    return azure


def exporters_timer_fires() -> None:
    """Send what is left, as OpenTelemetry's own thread does every second in production."""
    provider = _logs.get_logger_provider()
    assert isinstance(provider, LoggerProvider)
    assert provider.force_flush()


def _exporter_credential(azure_at: LocalAzure) -> azure.identity.ManagedIdentityCredential:
    credential = azure_credential(azure_at)
    # msal looks in the environment each time that it asks for a token, and by then that is another
    # local Azure's. The token that it gets now it keeps.
    credential.get_token("https://monitor.azure.com//.default")
    return credential


def azure_credential(azure_at: LocalAzure) -> azure.identity.ManagedIdentityCredential:
    """Return the exporter's credential."""
    return azure.identity.ManagedIdentityCredential(client_id=azure_at.environ["AZURE_CLIENT_ID"])


@contextmanager
def environ_of(values: Mapping[str, str]) -> Iterator[None]:
    """Set the process's environment, which is where azure-identity looks for its endpoint."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True, slots=True)
class Swept:
    """What came of one tick: the report or the error, and what Application Insights received."""

    report: SweepReport | None
    error: BaseException | None
    envelopes: list[dict[str, Any]]

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return events as {name, **properties, **measurements}, of one name if given."""
        data = [
            envelope["data"]["baseData"]
            for envelope in self.envelopes
            if envelope["data"]["baseType"] == "EventData"
        ]
        return [
            {"name": event["name"], **event["properties"], **(event.get("measurements") or {})}
            for event in data
            if name in {None, event["name"]}
        ]

    @property
    def results(self) -> dict[str, Result]:
        """Result by account name, from the events."""
        return {
            event["accountName"]: Result(event["result"])
            for event in self.events("RemediationOutcome")
        }

    @property
    def whole(self) -> bool:
        """Whether the tick said that it was whole, to the host and in its event alike."""
        (completed,) = self.events("SweepCompleted")
        assert (completed["whole"] == "true") == (self.error is None)
        return self.error is None

    def outcome(self, account: str) -> Outcome:
        """Return the outcome of the account with this name."""
        assert self.report is not None
        (found,) = [
            outcome
            for outcome in self.report.outcomes
            if outcome.decision.account.id.name == account
        ]
        return found


def settings_of(azure: LocalAzure, mode: str = "enforce", **settings: str) -> dict[str, str]:
    """Return the environment of a Function App that sweeps `azure` and reports to `insights`."""
    telemetry_to = "APPLICATIONINSIGHTS_CONNECTION_STRING"
    return {
        **azure.environ,
        telemetry_to: insights().environ[telemetry_to],
        "SWEEP_MODE": mode,
        **settings,
    }


@asynccontextmanager
async def worker(
    azure: LocalAzure, mode: str = "enforce", **settings: str
) -> AsyncIterator[FunctionsWorker]:
    """Give function_app.py as the Functions runtime loads it, pointed at a local Azure.

    It keeps the clock that it came with, the real one, unless the local Azure's is a moved one.
    Meanwhile `os.environ` is the app's: what a test changes there is put back at the end.
    """
    with environ_of(settings_of(azure, mode, **settings)):
        functions = FunctionsWorker()
        await functions.load()
        if isinstance(azure.clock, MovedClock):
            functions.module.process = Process(os.environ, azure.clock)
        try:
            yield functions
        finally:
            await functions.close()


@asynccontextmanager
async def process(
    azure: LocalAzure, mode: str = "enforce", **settings: str
) -> AsyncIterator[Process]:
    """Give a process that lives for several ticks, on the clock of its local Azure."""
    environ = settings_of(azure, mode, **settings)
    with environ_of(environ):
        process = Process(environ, azure.clock)
        try:
            yield process
        finally:
            await process.close()


async def sweep(azure: LocalAzure, mode: str = "enforce", **settings: str) -> Swept:
    """Run one tick of a fresh process against a local Azure."""
    async with process(azure, mode, **settings) as fresh:
        return await tick(fresh)


async def tick(process: Process, last: datetime | None = None) -> Swept:
    """Run one tick of a process that is there already. `last`: when the timer last fired."""
    before = len(insights().telemetry)
    report: SweepReport | None = None
    error: BaseException | None = None
    try:
        report = await process.tick(TRACE_PARENT, last=last.isoformat() if last else "")
    except KeysweepError as raised:
        error = raised
        report = getattr(raised, "report", None)
    return Swept(report, error, insights().telemetry.envelopes[before:])
