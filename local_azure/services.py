"""What the handlers share: the tenant, and all that surrounds it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local_azure.allowance import ArmBuckets, CallWindow, GraphQuota, Kind, QueryPlaces, Rates
from local_azure.clock import ServerClock
from local_azure.feed import GraphFeed
from local_azure.log import Write
from local_azure.state.access import Principal
from local_azure.state.account import Account
from local_azure.state.tenant import Tenant
from local_azure.telemetry import Envelope, Telemetry
from local_azure.tokens import Tokens


@dataclass
class Settings:
    """What a test or scenario may set about the services. The defaults are the common case."""

    account_page: int = 100
    subscription_page: int = 1000
    list_shows_tags: bool = True  # of subscriptions
    group_page: int = 1000
    descendant_page: int = 1000
    graph_scope: int = 10_000  # subscriptions under a tenant or management group that a query reads
    require_entra_for_telemetry: bool = True
    sampled_out: Callable[[Envelope], bool] = lambda _: False  # what ingestion drops by sampling
    throttled: bool = False  # whether ARM's token buckets refuse
    rates: dict[Kind, Rates] | None = None  # theirs, if not the documented ones
    reachable_endpoints: bool = False  # endpoints that lead to the data plane here
    disabled_key_status: int = 403  # what a real key gets with keys off; the documented form: 401
    gateway_lag: float = 0  # seconds until the data plane follows ARM
    deployments: tuple[str, ...] = ("gpt-4o",)
    telemetry_lag: float = 0  # seconds until a query finds what ingestion took
    in_other_workspace: Callable[[Envelope], bool] | None = None  # one that nobody may read
    log_rows: int | None = None  # at most so many in the result of a query: the rest is cut
    diagnostics_lag: float = 0  # seconds until a query finds what an account logged
    unlogged_table_exists: bool = True  # in the answer to a query of what logs nowhere
    activity_lag: float = 240  # seconds until the activity log shows what was done
    activity_page: int = 200
    app_settings: dict[str, dict[str, str]] = field(default_factory=dict)  # by a site's resource id
    region: str = "SWEDENCENTRAL"
    identity_header: str = "3f1a9c0de7b84f6c8f0b5a6a9d2e4c71"
    instrumentation_key: str = "7d3c9a52-5b3e-4f0e-9a52-0f5d4ad0c9b1"
    application_id: str = "2b0d9f4e-6a0c-4a3b-8a55-1f4d7c0e9e10"


@dataclass
class Services:
    """All of it."""

    tenant: Tenant
    clock: ServerClock
    tokens: Tokens
    buckets: ArmBuckets
    quota: GraphQuota
    activity_calls: CallWindow
    log_queries: CallWindow
    log_places: QueryPlaces
    feed: GraphFeed
    telemetry: Telemetry
    settings: Settings
    identities: list[Principal]
    arm_url: Callable[[], str]
    openai_url: Callable[[], str]
    logs_url: Callable[[], str]
    metrics_url: Callable[[], str]
    writes: list[Write] = field(default_factory=list)

    def component_id(self) -> str:
        """Return the resource id of the Application Insights component here."""
        return f"{self._home()}/microsoft.insights/components/appi-keysweep"

    def workspace_id(self) -> str:
        """Return the resource id of the workspace that keeps what it receives."""
        return f"{self._home()}/microsoft.operationalinsights/workspaces/log-keysweep"

    def _home(self) -> str:
        subscription = next(iter(self.tenant.subscriptions.values()))
        return f"{subscription.scope}/resourceGroups/rg-keysweep/providers"

    def data_plane_url(self, account: Account) -> str:
        """Return where the data plane of an account is here."""
        return f"{self.openai_url()}/{account.name}/"

    def link(self, path: str, **query: Any) -> str:
        """Return an absolute URL of ARM; `$` is written `%24` (recorded: fact 36)."""
        pairs = [
            f"{name.replace('_', '$', 1).replace('$', '%24')}={v}" for name, v in query.items()
        ]
        return f"{self.arm_url()}{path}?{'&'.join(pairs)}"
