"""Runs real sweeps in a test: production's own parts, pointed at a local Azure by its environment.

OpenTelemetry's providers can be set once a process, so every sweep of a test process sends its
telemetry to one Application Insights, `insights`, and each sweep is told apart by its `sweepId`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import azure.identity

from shared import telemetry
from shared.bootstrap import Process, SystemClock
from shared.errors import KeysweepError
from shared.model import Outcome, Result
from shared.report import SweepReport
from tests.local_azure import LocalAzure, RunningClock, scenarios

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACE_PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@cache
def insights() -> LocalAzure:
    """Return the Application Insights of this test process."""
    azure = LocalAzure(scenarios.empty(), RunningClock())
    azure.start()
    with _environ(azure.environ):
        telemetry.configure(
            azure.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"],
            "func-keysweep",
            lambda: azure_credential(azure),
            SystemClock(),
        )
    return azure


def azure_credential(azure_at: LocalAzure) -> azure.identity.ManagedIdentityCredential:
    """Return the exporter's credential."""
    return azure.identity.ManagedIdentityCredential(client_id=azure_at.environ["AZURE_CLIENT_ID"])


@contextmanager
def _environ(values: Mapping[str, str]) -> Iterator[None]:
    """Set the process's environment, which is where azure-identity looks for its endpoint."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
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
            each["data"]["baseData"]
            for each in self.envelopes
            if each["data"]["baseType"] == "EventData"
        ]
        return [
            {"name": each["name"], **each["properties"], **(each.get("measurements") or {})}
            for each in data
            if name in {None, each["name"]}
        ]

    @property
    def results(self) -> dict[str, Result]:
        """Result by account name, from the events."""
        return {
            each["accountName"]: Result(each["result"])
            for each in self.events("RemediationOutcome")
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
            each for each in self.report.outcomes if each.decision.account.id.name == account
        ]
        return found


async def sweep(azure: LocalAzure, mode: str = "enforce", **settings: str) -> Swept:
    """Run one tick of a fresh process against a local Azure."""
    environ = {
        **azure.environ,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": insights().environ[
            "APPLICATIONINSIGHTS_CONNECTION_STRING"
        ],
        "SWEEP_MODE": mode,
        **settings,
    }
    with _environ(environ):
        process = Process(environ, azure.clock)
        try:
            return await tick(process)
        finally:
            await process.close()


async def tick(process: Process) -> Swept:
    """Run one tick of a process that is there already."""
    before = len(insights().telemetry)
    report: SweepReport | None = None
    error: BaseException | None = None
    try:
        report = await process.tick(TRACE_PARENT)
    except KeysweepError as raised:
        error = raised
        report = getattr(raised, "report", None)
    return Swept(report, error, insights().telemetry.envelopes[before:])
