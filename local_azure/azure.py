"""`LocalAzure`: the facade that tests and the demo use."""

from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from local_azure import journal, trust
from local_azure.admission import Admission
from local_azure.allowance import ArmBuckets, CallWindow, GraphQuota, QueryPlaces
from local_azure.clock import MovedClock, ServerClock
from local_azure.connections import Connections
from local_azure.faults import Faults
from local_azure.feed import GraphFeed
from local_azure.log import Operation, SeenRequest, Write
from local_azure.scenarios.scenario import Scenario
from local_azure.services import Services, Settings
from local_azure.state.access import Principal
from local_azure.state.tenant import Tenant
from local_azure.telemetry import Telemetry
from local_azure.tokens import Tokens

if TYPE_CHECKING:
    from local_azure.server import Server

# The exporter's own background traffic, off: it would go to real hosts (seen by running it).
_QUIET_EXPORTER = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
}


class LocalAzure:
    """A tenant (or a scenario), served. Use it as a context manager."""

    def __init__(
        self,
        tenant: Tenant | Scenario,
        clock: ServerClock | None = None,
        *,
        graph_lag: float = 60,
        changes_lag: float = 90,
        token_lifetime: float = 86_400,
        settings: Settings | None = None,
    ) -> None:
        self.clock: ServerClock = clock if clock is not None else MovedClock()
        self.settings = settings or Settings()
        self.faults = Faults()
        self.admission = Admission()
        self.connections = Connections()
        self.telemetry = Telemetry()
        scenario = tenant if isinstance(tenant, Scenario) else Scenario(tenant)
        self.scenario = scenario
        self._tenant = scenario.tenant
        self._token_lifetime = token_lifetime
        self._lags = (graph_lag, changes_lag)
        self._services: Services | None = None
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving."""
        from local_azure.server import Server  # noqa: PLC0415 - it imports aiohttp

        tenant = self._tenant
        tenant.clock = self.clock
        lag, changes_lag = self._lags
        self._services = Services(
            tenant=tenant,
            clock=self.clock,
            tokens=Tokens(tenant, self.clock, self._token_lifetime),
            buckets=ArmBuckets(self.clock, self.settings.rates, enforced=self.settings.throttled),
            quota=GraphQuota(self.clock),
            activity_calls=CallWindow(self.clock, calls=50, seconds=30),
            log_queries=CallWindow(self.clock, calls=200, seconds=30),
            log_places=QueryPlaces(self.clock, at_once=5),
            feed=GraphFeed(tenant, self.clock, lag=lag, changes_lag=changes_lag),
            telemetry=self.telemetry,
            settings=self.settings,
            identities=[tenant.function, tenant.team],
            arm_url=lambda: self._running.urls.arm,
            openai_url=lambda: self._running.urls.openai,
            logs_url=lambda: self._running.urls.logs,
            metrics_url=lambda: self._running.urls.metrics,
        )
        self._server = Server(self._services, self.faults, self.admission, self.connections)
        for hook in self.scenario.hooks:
            self._server.before(hook)
        self._server.start()

    def stop(self) -> None:
        """Stop serving. What was seen stays to be looked at."""
        self._running.stop()
        self.services.feed.close()
        journal.note(self.actions())

    @property
    def _running(self) -> "Server":
        if self._server is None:
            raise RuntimeError("the local Azure was not started")
        return self._server

    @property
    def services(self) -> Services:
        """The parts: quota, buckets, feed, tokens, for tests that set them."""
        if self._services is None:
            raise RuntimeError("the local Azure was not started")
        return self._services

    @property
    def tenant(self) -> Tenant:
        """The tenant as it is now: operations whose time has come have ended."""
        self._tenant.settle()
        return self._tenant

    @property
    def environ(self) -> dict[str, str]:
        """What a Function App pointed here has in its environment."""
        urls, settings = self._running.urls, self.settings
        return {
            "IDENTITY_ENDPOINT": f"{urls.identity}/msi/token",
            "IDENTITY_HEADER": settings.identity_header,
            "AZURE_CLIENT_ID": self._tenant.function.client_id,
            "AZURE_TENANT_ID": self._tenant.id,
            "ARM_ENDPOINT": urls.arm,
            "ARM_SCOPE": "https://management.azure.com/.default",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey={settings.instrumentation_key};"
                f"IngestionEndpoint={urls.ingestion}/;LiveEndpoint={urls.ingestion}/;"
                f"ApplicationId={settings.application_id}"
            ),
            "WEBSITE_SITE_NAME": "func-keysweep",
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            **_QUIET_EXPORTER,
            **self.scenario.settings,
            **trust.environ(),
        }

    @property
    def operator_environ(self) -> dict[str, str]:
        """What a person of the application team has in their terminal: nothing of the Function."""
        kept = {
            name: value
            for name, value in self.environ.items()
            if not name.startswith(("APPLICATIONINSIGHTS", "WEBSITE", "FUNCTIONS"))
        }
        return {**kept, "AZURE_CLIENT_ID": self._tenant.team.client_id}

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every request seen, in order of arrival."""
        return self._running.operations

    @property
    def writes(self) -> tuple[Write, ...]:
        """Every write accepted over HTTP, with the state before and after it."""
        with self._tenant.guard:
            return tuple(self.services.writes)

    def logged_calls(self, workspace: str) -> list[dict[str, Any]]:
        """Return the rows of AzureDiagnostics of the workspace of a name, for a page to draw."""
        from local_azure.log_tables import rows_of  # noqa: PLC0415 - it imports duckdb

        with self._tenant.guard:
            spaces = self._tenant.diagnostics.workspaces.values()
            (found,) = (space for space in spaces if space.name == workspace)
            return rows_of(found, self.services)

    def before(self, hook: Callable[[SeenRequest], None]) -> Callable[[], None]:
        """Call `hook` on the server's thread before each request is handled."""
        return self._running.before(hook)

    def actions(self, principal: Principal | None = None) -> set[str]:
        """Return the actions that a principal (by default the Function's) was seen to use."""
        who = (principal or self._tenant.function).object_id
        return {o.action for o in self.operations if o.principal == who and o.action}

    def token_for(
        self, principal: Principal, audience: str = "https://management.azure.com/"
    ) -> str:
        """Return a bearer token for somebody else, say an application team."""
        return self.services.tokens.issue(principal, audience)[0]

    def now(self) -> datetime:
        """Return the time here."""
        return self.clock.now()
