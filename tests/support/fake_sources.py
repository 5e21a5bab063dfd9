"""Evidence of who uses keys, from memory: what is so, and what somebody may not see of it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from keysweep.impact.accounts import ReachedAccount, read_account
from keysweep.impact.metrics import MetricsQuery
from keysweep.impact.sources import Row
from keysweep.taken import LogAnswer, NoTable
from shared.core.errors import AzureError, NotFound
from shared.core.model import Account, AccountId, Answer, Clock
from tests.support.evidence import span_of
from tests.support.fake_tenant import FakeTenant, an_error

USER = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"


@dataclass(frozen=True)
class Call:
    """Calls that an account had, so long before the test begins; less than 0: after it."""

    days_ago: float
    count: int = 1
    caller: str = "identity"
    """`key`, `identity` or `unknown`."""
    status: str = "200"
    deployment: str = "gpt-4o"


@dataclass
class FakeSources:
    """What is asked of Azure, answered from memory, in the forms that Azure has."""

    tenant: FakeTenant
    calls: defaultdict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    """By an account's name."""
    logs_since: dict[str, float] = field(default_factory=dict)
    """By an account's name, how many days it has been logged; else never."""
    links: list[tuple[str, str, Row]] = field(default_factory=list)
    """Connections, each with the name of its Foundry account and of its project."""
    holders: list[tuple[str, str]] = field(default_factory=list)
    """Who has the role of a user, and at which scope."""
    events: list[Row] = field(default_factory=list)
    refusals: dict[tuple[str, str], AzureError] = field(default_factory=dict)
    """By question, and the account or subscription that it is about; empty: any."""
    has_batches: bool = True
    unseen: dict[str, str] = field(default_factory=dict)
    """What an answer of the log leaves out, by an account's name."""
    without_table: set[str] = field(default_factory=set)
    """Accounts that log to no workspace that has the table, as far as they can be read."""
    second_refusal: AzureError | None = None
    """Of the question which workspaces such an account logs to."""
    failed_metrics: dict[str, str] = field(default_factory=dict)
    """By its name, the error code of a metric within an answer that is else a good one."""
    seconds: float = 0.1
    """How long each answer takes."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    def __post_init__(self) -> None:
        self.began = self.clock.now()

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.tenant.clock

    async def _ask(self, what: str, about: str) -> None:
        self.asked.append((what, about))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.clock.sleep(self.seconds)
        self.under_way -= 1
        refusal = self.refusals.get((what, about)) or self.refusals.get((what, ""))
        if refusal is not None:
            raise refusal

    async def accounts(self, subscriptions: Sequence[str]) -> Answer[ReachedAccount]:
        """List the accounts."""
        await self._ask("accounts", "")
        return Answer(tuple(map(_shown, self.tenant.shown(subscriptions))))

    async def accounts_by_arm(self, subscription: str) -> Sequence[ReachedAccount]:
        """List the accounts of one subscription."""
        await self._ask("accounts by ARM", subscription)
        return [
            _shown(account)
            for account in self.tenant.accounts.values()
            if account.id.subscription_id == subscription
        ]

    async def groups_above(self) -> Mapping[str, frozenset[str]]:
        """Return the management groups above each subscription that Resource Graph shows."""
        await self._ask("groups above", "")
        shown = self.tenant.subscriptions.keys() - self.tenant.unshown
        return dict.fromkeys(shown, frozenset({"root"}))

    async def role_definitions(self) -> Sequence[Row]:
        """List role definitions."""
        await self._ask("roles", "")
        permission = {"dataActions": ["Microsoft.CognitiveServices/*"]}
        properties = {"roleName": "Cognitive Services User", "permissions": [permission]}
        return [{"id": USER, "name": USER, "properties": properties}]

    async def role_assignments(self, roles: Sequence[str]) -> Sequence[Row]:
        """List who has a role."""
        await self._ask("assignments", "")
        assert roles == [USER]
        return [
            {"id": name, "role": USER, "principal": name, "kind": "Group", "scope": scope}
            for name, scope in self.holders
        ]

    async def metrics_of_many(
        self, region: str, accounts: Sequence[AccountId], query: MetricsQuery
    ) -> Sequence[Row]:
        """Return the metrics of several accounts."""
        await self._ask("batch", accounts[0].subscription_id)
        assert region
        assert len(accounts) <= 50
        assert len({account.subscription_id for account in accounts}) == 1
        if not self.has_batches:
            raise an_error(NotFound, 404)
        return [
            {**self._metrics(account, query), "resourceid": str(account)} for account in accounts
        ]

    async def metrics_of_one(self, account: AccountId, query: MetricsQuery) -> Row:
        """Return the metrics of one account."""
        await self._ask("metrics", account.name)
        return self._metrics(account, query)

    def _metrics(self, account: AccountId, query: MetricsQuery) -> dict[str, Any]:
        metrics = [
            {"name": {"value": name}, "timeseries": [], "errorCode": self.failed_metrics[name]}
            if name in self.failed_metrics
            else {"name": {"value": name}, "timeseries": self._series(account, query)}
            for name in query.names
        ]
        return {**span_of(query), "value": metrics}

    def _series(self, account: AccountId, query: MetricsQuery) -> list[Row]:
        step = timedelta(minutes=1) if query.interval == "PT1M" else timedelta(days=1)
        found: list[Row] = []
        for call in self.calls[account.name]:
            at = self._at(call)
            if query.begin <= at < query.end:
                point = query.begin + (at - query.begin) // step * step
                dimensions = {"modeldeploymentname": call.deployment, "statuscode": call.status}
                found.append(
                    {
                        "metadatavalues": [
                            {"name": {"value": name}, "value": value}
                            for name, value in dimensions.items()
                        ]
                        if query.filter
                        else [],
                        "data": [{"timeStamp": f"{point:%Y-%m-%dT%H:%M:%SZ}", "total": call.count}],
                    }
                )
        return found

    def _at(self, call: Call) -> datetime:
        return self.began - timedelta(days=call.days_ago)

    async def log(self, account: AccountId, kql: str, begin: datetime, end: datetime) -> LogAnswer:
        """Return the rows of the request log."""
        await self._ask("log", account.name)
        if "AzureDiagnostics" not in kql:
            if self.second_refusal is not None:
                raise self.second_refusal
            return LogAnswer((), tuple(filter(None, [self.unseen.get(account.name)])))
        if account.name in self.without_table:
            raise an_error(NoTable, 400)
        refused_alone = "'403'" in kql
        logged = self.logs_since.get(account.name, -1.0)
        rows = [
            {
                "day": (self._at(call) - begin) // timedelta(days=1),
                "caller": call.caller,
                "operation": "ChatCompletions_Create",
                "deployment": call.deployment,
                "status": call.status,
                "calls": call.count,
                "oldest": self._at(call),
                "newest": self._at(call),
                "addresses": '["203.0.113.***"]',
            }
            for call in self.calls[account.name]
            if begin <= self._at(call) < end and call.days_ago <= logged
            if not refused_alone or call.status in {"401", "403"}
        ]
        unseen = self.unseen.get(account.name)
        return LogAnswer(tuple(rows), (unseen,) if unseen else ())

    async def diagnostic_settings(self, account: AccountId) -> Sequence[Row]:
        """List the diagnostic settings."""
        await self._ask("settings", account.name)
        if account.name not in self.logs_since:
            return []
        logs = [{"category": "RequestResponse", "enabled": True}]
        return [{"properties": {"workspaceId": "/workspaces/central", "logs": logs}}]

    async def activity(self, subscription: str, begin: datetime, end: datetime) -> Sequence[Row]:
        """List the events."""
        await self._ask("activity", subscription)
        assert end - begin < timedelta(days=90)
        return self.events

    async def projects(self, account: AccountId) -> Sequence[Row]:
        """List the projects of a Foundry account."""
        await self._ask("projects", account.name)
        names = {project for hub, project, _ in self.links if hub == account.name and project}
        return [{"name": f"{account.name}/{name}"} for name in sorted(names)]

    async def connections(self, account: AccountId, project: str = "") -> Sequence[Row]:
        """List connections; those of a project have those of its account among them."""
        await self._ask("connections", f"{account.name}/{project}".rstrip("/"))
        return [
            {"id": f"{account}/{f'projects/{of}/' if of else ''}connections/{row['name']}", **row}
            for hub, of, row in self.links
            if hub == account.name and of in {"", project}
        ]


def _shown(account: Account) -> ReachedAccount:
    return read_account(
        {
            "id": str(account.id),
            "kind": account.kind,
            "location": account.location,
            "endpoint": f"https://{account.id.name}.openai.azure.com/",
            "subdomain": account.custom_subdomain,
            "publicAccess": "Enabled",
        }
    )


def connection(name: str, to: str, auth_type: str = "ApiKey") -> Row:
    """Return a connection that leads to the account of this name."""
    target = f"https://{to}.openai.azure.com/"
    properties = {"authType": auth_type, "category": "AzureOpenAI", "target": target}
    return {"name": name, "properties": properties}


def fetch(account: Account, at: Callable[[], datetime], client: str) -> Row:
    """Return the event of somebody who fetched the keys of an account."""
    return {
        "operationName": {"value": "Microsoft.CognitiveServices/accounts/listKeys/action"},
        "resourceId": str(account.id),
        "eventTimestamp": at().isoformat(),
        "caller": "ann@contoso.com",
        "claims": {"appid": client},
        "operationId": "1",
        "status": {"value": "Succeeded"},
    }
