"""Border: what is read of who uses an account's keys. There is nothing in it that writes.

Azure Resource Manager, Resource Graph, Log Analytics and Azure Monitor are asked with the person's
own sign-in, each with a token of its own and within its own limits. azure-monitor-querymetrics
1.0.0 was tried and left: its results don't say of which resource they are.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from azure.core.rest import HttpRequest

from keysweep.border.logs import Logs
from keysweep.border.operator import Operator
from keysweep.border.pages import pages, query_of, sent
from keysweep.border.quotas import OneLane, SpanLane
from keysweep.impact.accounts import COLUMNS, Shown, read_account, row_of
from keysweep.impact.activity import SELECT, event_problem, filter_of
from keysweep.impact.callers import TABLE
from keysweep.impact.connections import connection_problem, project_problem
from keysweep.impact.data_roles import ASSIGNMENT_COLUMNS, DEFINITION_COLUMNS
from keysweep.impact.diagnostics import setting_problem
from keysweep.impact.metrics import MetricsQuery, batch_problem, metrics_problem
from keysweep.impact.sources import Row
from keysweep.taken import LogAnswer
from shared import __version__
from shared.border.answers import Check, account_problem
from shared.border.graph import Graph, Query
from shared.border.lanes import Lane, Lanes
from shared.border.pacing import Pace
from shared.border.tokens import TokenCache
from shared.border.transport import Pipeline, build_pipeline
from shared.core.addresses import Address
from shared.core.clouds import Cloud, MetricsApi
from shared.core.errors import NotFound, OutOfTime, Throttled, Unclear
from shared.core.model import AccountId, Answer
from shared.workspace import Parts

_COGNITIVE = "2025-09-01"
_SETTINGS = "2021-05-01-preview"
_ACTIVITY = "2015-04-01"
_METRICS = "2023-10-01"
# Limits of one person (azure-monitor-docs, service-limits.md), and how many batches at once.
_QUERIES_AT_ONCE, _QUERIES, _QUERY_SECONDS = 5, 200, 30.0
_ACTIVITY_CALLS, _ACTIVITY_SECONDS = 50, 30.0
_BATCHES_AT_ONCE = 8
_ACCOUNTS = Query(
    """\
resources
| where type =~ 'microsoft.cognitiveservices/accounts'
| project id, ['kind'], location,
    endpoint = tostring(properties.endpoint),
    endpoints = properties.endpoints,
    subdomain = tostring(properties.customSubDomainName),
    publicAccess = tostring(properties.publicNetworkAccess),
    defaultAction = tostring(properties.networkAcls.defaultAction)
| order by id asc""",
    COLUMNS,
)
_SUBSCRIPTIONS = Query(
    """\
resourcecontainers
| where type =~ 'microsoft.resources/subscriptions'
| project id, subscriptionId, chain = properties.managementGroupAncestorsChain
| order by id asc""",
    ("id", "subscriptionId", "chain"),
)
_DEFINITIONS = Query(
    """\
authorizationresources
| where type =~ 'microsoft.authorization/roledefinitions'
| project id, name, properties
| order by id asc""",
    DEFINITION_COLUMNS,
)
# An id ends in the guid of the role, whatever scope stands before it.
_ASSIGNMENTS = """\
authorizationresources
| where type =~ 'microsoft.authorization/roleassignments'
| extend definition = tolower(tostring(properties.roleDefinitionId))
| extend role = substring(definition, strlen(definition) - 36)
| where role in~ ({roles})
| project id, role, principal = tostring(properties.principalId),
    kind = tostring(properties.principalType), scope = tostring(properties.scope)
| order by id asc"""


class _KeptTokens(TokenCache):
    """The tokens of everything else, which a refusal doesn't make anybody forget.

    metrics:getBatch answers 401 where a role is missing (recorded exchanges, fact 67): the token
    is good, and a new one would take a new sign-in for each subscription.
    """

    def __init__(self, tokens: TokenCache) -> None:
        # It has none of its own.
        self._shared = tokens

    async def token(self, scope: str) -> str:
        return await self._shared.token(scope)

    def forget(self, scope: str, token: str) -> None:
        pass


class _Rows(Graph):
    """Resource Graph, about what the Function has no use for."""

    async def accounts(self, subscriptions: Sequence[str]) -> Answer[Shown]:
        def read(row: Row, _: object) -> Shown:
            try:
                return read_account(row)
            except ValueError as error:
                raise Unclear("Querying", "Resource Graph", message=str(error)) from error

        return await self._asked(_ACCOUNTS, subscriptions, read)

    async def everywhere_by(self, query: Query) -> Sequence[Row]:
        """Ask about the whole tenant.

        With subscriptions named, built-in roles are left out (recorded exchanges, fact 86), and so
        is what is assigned at management groups.
        """
        return await self._rows(query, None)


class AzureSources:
    """Reads evidence. Of each kind as many at a time as its API takes."""

    def __init__(self, parts: Parts) -> None:
        """Ask with the identity, the connections and the time budget of these parts."""
        cloud = parts.settings.cloud
        self._parts = parts
        self._endpoint = cloud.endpoint
        self._graph = _Rows(cloud.endpoint, cloud.scope, parts.pipeline)
        self._logs = Logs(parts, self._pace(SpanLane(calls=_QUERIES, seconds=_QUERY_SECONDS)))
        self._queries = asyncio.Semaphore(_QUERIES_AT_ONCE)
        self._activity = build_pipeline(
            parts.transport,
            parts.tokens,
            cloud,
            self._pace(SpanLane(calls=_ACTIVITY_CALLS, seconds=_ACTIVITY_SECONDS)),
            parts.observer,
            __version__,
        )
        self._batches = asyncio.Semaphore(_BATCHES_AT_ONCE)
        self._metrics: tuple[str, Pipeline] | None = None
        self._finding_metrics = asyncio.Lock()

    def _pace(self, lane: Lane | None = None) -> Pace:
        lanes = Lanes() if lane is None else OneLane(lane)
        parts = self._parts
        return Pace(lanes, parts.clock, parts.deadline, parts.settings.concurrency)

    async def accounts(self, subscriptions: Sequence[str]) -> Answer[Shown]:
        """List the accounts of every kind, with the addresses at which they are reached."""
        return await self._graph.accounts(subscriptions)

    async def accounts_by_arm(self, subscription: str) -> Sequence[Shown]:
        """List the accounts of one subscription, without Resource Graph and at a higher price."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.CognitiveServices/accounts"
        action = "Listing the accounts of"
        rows = await pages(
            self._parts.pipeline,
            self._endpoint,
            action,
            subscription,
            path,
            {"api-version": _COGNITIVE},
            account_problem,
            lambda: self._parts.pace.page(subscription),
        )
        try:
            return [read_account(row_of(row)) for row in rows]
        except ValueError as error:
            raise Unclear(action, subscription, message=str(error)) from error

    async def groups_above(self) -> Mapping[str, frozenset[str]]:
        """Return the management groups that contain each subscription, in lower case."""
        return {
            str(row["subscriptionId"]).lower(): frozenset(
                str(group.get("name")).lower()
                for group in row["chain"] or []
                if isinstance(group, dict)
            )
            for row in await self._graph.everywhere_by(_SUBSCRIPTIONS)
        }

    async def role_definitions(self) -> Sequence[Row]:
        """List all role definitions, those of Azure's own included."""
        return await self._graph.everywhere_by(_DEFINITIONS)

    async def role_assignments(self, roles: Sequence[str]) -> Sequence[Row]:
        """List who has one of these roles, which are guids, and at which scope."""
        named = ", ".join(f"'{role}'" for role in roles if role.replace("-", "").isalnum())
        query = Query(_ASSIGNMENTS.format(roles=named or "''"), ASSIGNMENT_COLUMNS)
        return await self._graph.everywhere_by(query)

    async def metrics_of_many(
        self, region: str, accounts: Sequence[AccountId], query: MetricsQuery
    ) -> Sequence[Row]:
        """Return the metrics of up to 50 accounts of one subscription and region."""
        template, pipeline = await self._metrics_api()
        name = "".join(region.split()).lower()
        if not name.isalnum():
            raise NotFound("Asking", f"the metrics of {region!r}", message="It is no region.")
        subscription = accounts[0].subscription_id
        parameters = {
            "api-version": _METRICS,
            "starttime": f"{query.begin:%Y-%m-%dT%H:%M:%SZ}",
            "endtime": f"{query.end:%Y-%m-%dT%H:%M:%SZ}",
            **query.parameters,
            **({"filter": query.filter} if query.filter else {}),
        }
        url = f"{template.format(region=name)}/subscriptions/{subscription}/metrics:getBatch"
        request = HttpRequest(
            "POST",
            f"{url}?{query_of(parameters)}",
            json={"resourceids": [str(account) for account in accounts]},
        )
        async with self._batches:
            body = await sent(
                pipeline, request, "Reading the metrics of", subscription, batch_problem
            )
        values: Sequence[Row] = body["values"]
        return values

    async def _metrics_api(self) -> tuple[str, Pipeline]:
        """Return where batches are asked for. Raises NotFound in a cloud not known to have them."""
        async with self._finding_metrics:
            if self._metrics is None:
                parts = self._parts
                api = parts.settings.cloud.metrics or await self._metrics_named_by_arm()
                home = api.endpoint.replace("{region}.", "").replace("/{region}", "")
                pipeline = build_pipeline(
                    parts.transport,
                    _KeptTokens(parts.tokens),
                    Cloud(home, api.scope),
                    self._pace(),
                    parts.observer,
                    __version__,
                )
                self._metrics = api.endpoint, pipeline
            return self._metrics

    async def _metrics_named_by_arm(self) -> MetricsApi:
        """Ask an Azure Resource Manager that no known cloud has where its metrics are.

        No cloud's metadata is known to say: then accounts are asked about one by one.
        """
        metadata = await Operator(self._parts).cloud_metadata()
        endpoint = str(metadata.get("metricsEndpoint") or "").rstrip("/")
        home = endpoint.replace("{region}.", "").replace("/{region}", "")
        try:
            Address.parse(home)
        except ValueError as error:
            message = "Its metadata names no metrics of several resources."
            raise NotFound("Looking for the metrics of", self._endpoint, message=message) from error
        return MetricsApi(endpoint, f"{home}/.default")

    async def metrics_of_one(self, account: AccountId, query: MetricsQuery) -> Row:
        """Return the metrics of one account."""
        parameters = {
            "timespan": f"{query.begin:%Y-%m-%dT%H:%M:%SZ}/{query.end:%Y-%m-%dT%H:%M:%SZ}",
            **query.parameters,
            **({"$filter": query.filter} if query.filter else {}),
        }
        path = f"{_path(account)}/providers/Microsoft.Insights/metrics"
        return await self._one(
            "Reading the metrics of", account, path, _METRICS, parameters, metrics_problem
        )

    async def log(self, account: AccountId, kql: str, begin: datetime, end: datetime) -> LogAnswer:
        """Return what a query finds in whatever workspaces an account logs to."""
        async with self._queries:
            return await self._logs.query(str(account), kql, begin, end, frozenset({TABLE.lower()}))

    async def diagnostic_settings(self, account: AccountId) -> Sequence[Row]:
        """List the diagnostic settings of an account."""
        path = f"{_path(account)}/providers/Microsoft.Insights/diagnosticSettings"
        action = "Listing the diagnostic settings of"
        return await self._listed(action, account, path, _SETTINGS, setting_problem)

    async def activity(self, subscription: str, begin: datetime, end: datetime) -> Sequence[Row]:
        """List the events of a subscription's activity log that are of this provider."""
        path = (
            f"/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/"
            "values"
        )
        parameters = {"$filter": filter_of(begin, end), "$select": SELECT}
        action = "Reading the activity log of"
        return await pages(
            self._activity, self._endpoint, action, subscription, path,
            {"api-version": _ACTIVITY, **parameters}, event_problem,
        )  # fmt: skip

    async def projects(self, account: AccountId) -> Sequence[Row]:
        """List the projects of a Foundry account."""
        path = f"{_path(account)}/projects"
        return await self._listed(
            "Listing the projects of", account, path, _COGNITIVE, project_problem
        )

    async def connections(self, account: AccountId, project: str = "") -> Sequence[Row]:
        """List the connections of a Foundry account, or of one of its projects."""
        home = f"{_path(account)}/projects/{quote(project, safe='')}" if project else _path(account)
        return await self._listed(
            "Listing the connections of",
            account,
            f"{home}/connections",
            _COGNITIVE,
            connection_problem,
            {"includeAll": "true"},
        )

    async def _listed(
        self,
        action: str,
        account: AccountId,
        path: str,
        version: str,
        row_problem: Check,
        parameters: Mapping[str, str] | None = None,
    ) -> Sequence[Row]:
        query = {"api-version": version, **(parameters or {})}
        return await pages(
            self._parts.pipeline,
            self._endpoint,
            action,
            str(account),
            path,
            query,
            row_problem,
            lambda: self._parts.pace.page(account.subscription_id),
        )

    async def _one(
        self,
        action: str,
        account: AccountId,
        path: str,
        version: str,
        parameters: Mapping[str, str],
        check: Check,
    ) -> Row:
        url = f"{self._endpoint}{path}?{query_of({'api-version': version, **parameters})}"
        while True:
            try:
                async with self._parts.pace.page(account.subscription_id):
                    request = HttpRequest("GET", url)
                    found: Row = await sent(
                        self._parts.pipeline, request, action, str(account), check
                    )
                    return found
            except OutOfTime:
                raise
            except Throttled:
                continue


def _path(account: AccountId) -> str:
    parts = (account.subscription_id, account.resource_group, account.name)
    subscription, group, name = (quote(part, safe="") for part in parts)
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.CognitiveServices/accounts/{name}"
    )
