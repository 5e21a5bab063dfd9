"""Which request is what: the method and path, the action that it needs, and who handles it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from local_azure.allowance import Kind
from local_azure.exchange import Answer, Call
from local_azure.handlers import (
    accounts,
    activity_log,
    authorization,
    cloud,
    components,
    diagnostic_settings,
    foundry,
    keys,
    management_groups,
    metrics,
    resource_graph,
    sites,
    subscriptions,
    tags,
)

# The api-versions that ARM knows for each type [bicep-types-az 1f896de2; for the rest the
# specification's and those seen in recordings].
ACCOUNT_VERSIONS = [
    "2016-02-01-preview",
    "2017-04-18",
    "2021-04-30",
    "2021-10-01",
    "2022-03-01",
    "2022-10-01",
    "2022-12-01",
    "2023-05-01",
    "2023-10-01-preview",
    "2024-04-01-preview",
    "2024-06-01-preview",
    "2024-10-01",
    "2025-04-01-preview",
    "2025-06-01",
    "2025-07-01-preview",
    "2025-09-01",
    "2025-10-01-preview",
    "2025-12-01",
    "2026-01-15-preview",
    "2026-03-01",
    "2026-03-15-preview",
    "2026-05-01",
    "2026-05-15-preview",
    "2026-07-01",
]
SUBSCRIPTION_VERSIONS = [
    "2014-04-01",
    "2015-01-01",
    "2015-11-01",
    "2016-06-01",
    "2016-09-01",
    "2017-05-10",
    "2018-02-01",
    "2018-05-01",
    "2018-06-01",
    "2019-05-01",
    "2019-06-01",
    "2019-07-01",
    "2019-08-01",
    "2019-10-01",
    "2019-11-01",
    "2020-01-01",
    "2020-06-01",
    "2020-08-01",
    "2020-10-01",
    "2021-01-01",
    "2021-04-01",
    "2022-01-01",
    "2022-09-01",
    "2022-12-01",
    "2023-07-01",
    "2024-03-01",
    "2024-07-01",
    "2024-11-01",
    "2025-03-01",
    "2025-04-01",
]
MANAGEMENT_VERSIONS = [
    "2018-01-01-preview",
    "2018-03-01-preview",
    "2019-11-01",
    "2020-02-01",
    "2020-05-01",
    "2020-10-01",
    "2021-04-01",
    "2023-04-01",
    "2024-02-01-preview",
]
TAG_VERSIONS = ["2019-10-01", "2020-06-01", "2021-04-01", "2022-09-01", "2025-04-01"]
LOCK_VERSIONS = ["2016-09-01", "2017-04-01", "2020-05-01"]
PERMISSION_VERSIONS = ["2015-07-01", "2018-07-01", "2022-04-01"]
# Those of azure-rest-api-specs, applicationinsights.
COMPONENT_VERSIONS = ["2015-05-01", "2018-05-01-preview", "2020-02-02-preview", "2020-02-02"]
SITE_VERSIONS = ["2022-03-01", "2022-09-01", "2023-01-01", "2023-12-01", "2024-04-01", "2024-11-01"]
METADATA_VERSIONS = ["2022-09-01"]
CONNECTION_VERSIONS = [version for version in ACCOUNT_VERSIONS if version >= "2025-04-01-preview"]
METRICS_VERSIONS = [
    "2018-01-01",
    "2019-07-01",
    "2021-05-01",
    "2023-10-01",
    "2024-02-01",
]
DIAGNOSTIC_VERSIONS = ["2017-05-01-preview", "2021-05-01-preview"]
# Recorded: what activity-log-08 says that it supports.
ACTIVITY_VERSIONS = [
    "2014-04-01",
    "2014-11-01",
    "2015-04-01",
    "2016-09-01-preview",
    "2017-03-01-preview",
]
GRAPH_VERSIONS = [
    "2018-09-01-preview",
    "2019-04-01",
    "2020-04-01-preview",
    "2020-09-01-preview",
    "2021-03-01",
    "2021-06-01-preview",
    "2022-10-01",
    "2024-04-01",
]

type Scope = Literal["path", "subscription", "management group", "tenant", "none"]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request."""

    method: str
    path: str
    action: str
    versions: list[str]
    handler: Callable[[Call], Answer]
    kind: Kind = "reads"
    # Where the action has to be allowed; "none" where the answer itself is made of what is.
    scope: Scope = "path"
    type_name: str | None = None  # the provider's type, for the refusal of an unknown version
    slow: bool = False

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the path's variables, if it is of this kind. Letter case doesn't matter."""
        if method != self.method:
            return None
        found = _compiled(self.path).fullmatch(path.rstrip("/") or "/")
        return found.groupdict() if found else None


_COMPILED: dict[str, re.Pattern[str]] = {}


def _compiled(path: str) -> re.Pattern[str]:
    if path not in _COMPILED:
        parts = [
            f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part)
            for part in path.split("/")
        ]
        _COMPILED[path] = re.compile("/".join(parts), re.IGNORECASE)
    return _COMPILED[path]


_ACCOUNTS = "/providers/Microsoft.CognitiveServices/accounts"
_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
_MG = "/providers/Microsoft.Management/managementGroups/{mg}"

ROUTES = (
    Route(
        "GET",
        f"{_SUBSCRIPTION}{_ACCOUNTS}",
        "Microsoft.CognitiveServices/accounts/read",
        ACCOUNT_VERSIONS,
        accounts.list_by_subscription,
        scope="subscription",
        type_name="accounts",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}",
        "Microsoft.CognitiveServices/accounts/read",
        ACCOUNT_VERSIONS,
        accounts.list_by_group,
        scope="path",
        type_name="accounts",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}",
        "Microsoft.CognitiveServices/accounts/read",
        ACCOUNT_VERSIONS,
        accounts.get_account,
        type_name="accounts",
    ),
    Route(
        "PATCH",
        f"{_GROUP}{_ACCOUNTS}/{{account}}",
        "Microsoft.CognitiveServices/accounts/write",
        ACCOUNT_VERSIONS,
        accounts.update_account,
        kind="writes",
        type_name="accounts",
    ),
    Route(
        "POST",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/listKeys",
        "Microsoft.CognitiveServices/accounts/listKeys/action",
        ACCOUNT_VERSIONS,
        keys.list_keys,
        kind="writes",
        type_name="accounts",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Resources/tags/default",
        "Microsoft.Resources/tags/read",
        TAG_VERSIONS,
        tags.get_tags,
    ),
    Route(
        "PATCH",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Resources/tags/default",
        "Microsoft.Resources/tags/write",
        TAG_VERSIONS,
        tags.patch_tags,
        kind="writes",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Authorization/locks",
        "Microsoft.Authorization/locks/read",
        LOCK_VERSIONS,
        authorization.list_locks,
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Authorization/permissions",
        "Microsoft.Authorization/permissions/read",
        PERMISSION_VERSIONS,
        authorization.list_permissions,
    ),
    Route(
        "GET",
        f"{_SUBSCRIPTION}/providers/Microsoft.Authorization/permissions",
        "Microsoft.Authorization/permissions/read",
        PERMISSION_VERSIONS,
        authorization.list_permissions_at_scope,
        scope="subscription",
    ),
    Route(
        "GET",
        f"{_MG}/providers/Microsoft.Authorization/permissions",
        "Microsoft.Authorization/permissions/read",
        PERMISSION_VERSIONS,
        authorization.list_permissions_at_scope,
        scope="management group",
    ),
    Route(
        "GET",
        f"{_SUBSCRIPTION}/providers/Microsoft.Insights/components",
        "Microsoft.Insights/components/read",
        COMPONENT_VERSIONS,
        components.list_components,
        scope="subscription",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Insights/metrics",
        metrics.READ,
        METRICS_VERSIONS,
        metrics.of_account,
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Insights/diagnosticSettings",
        "Microsoft.Insights/diagnosticSettings/read",
        DIAGNOSTIC_VERSIONS,
        diagnostic_settings.list_settings,
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/providers/Microsoft.Insights/diagnosticSettings/{{setting}}",
        "Microsoft.Insights/diagnosticSettings/read",
        DIAGNOSTIC_VERSIONS,
        diagnostic_settings.get_setting,
    ),
    Route(
        "GET",
        f"{_SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values",
        "Microsoft.Insights/eventtypes/values/read",
        ACTIVITY_VERSIONS,
        activity_log.values,
        scope="subscription",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/projects",
        "Microsoft.CognitiveServices/accounts/projects/read",
        CONNECTION_VERSIONS,
        foundry.list_projects,
        type_name="accounts/projects",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/projects/{{project}}",
        "Microsoft.CognitiveServices/accounts/projects/read",
        CONNECTION_VERSIONS,
        foundry.get_project,
        type_name="accounts/projects",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/connections",
        "Microsoft.CognitiveServices/accounts/connections/read",
        CONNECTION_VERSIONS,
        foundry.list_of_account,
        type_name="accounts/connections",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/connections/{{connection}}",
        "Microsoft.CognitiveServices/accounts/connections/read",
        CONNECTION_VERSIONS,
        foundry.get_of_account,
        type_name="accounts/connections",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/projects/{{project}}/connections",
        "Microsoft.CognitiveServices/accounts/projects/connections/read",
        CONNECTION_VERSIONS,
        foundry.list_of_project,
        type_name="accounts/projects/connections",
    ),
    Route(
        "GET",
        f"{_GROUP}{_ACCOUNTS}/{{account}}/projects/{{project}}/connections/{{connection}}",
        "Microsoft.CognitiveServices/accounts/projects/connections/read",
        CONNECTION_VERSIONS,
        foundry.get_of_project,
        type_name="accounts/projects/connections",
    ),
    Route(
        "GET",
        f"{_SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/{{location}}"
        "/operationResults/{operation}",
        "Microsoft.CognitiveServices/locations/operationResults/read",
        ACCOUNT_VERSIONS,
        accounts.get_operation,
        scope="subscription",
        type_name="locations/operationResults",
    ),
    Route(
        "GET",
        "/subscriptions",
        "Microsoft.Resources/subscriptions/read",
        SUBSCRIPTION_VERSIONS,
        subscriptions.list_subscriptions,
        scope="none",
    ),
    Route(
        "GET",
        _SUBSCRIPTION,
        "Microsoft.Resources/subscriptions/read",
        SUBSCRIPTION_VERSIONS,
        subscriptions.get_subscription,
        scope="subscription",
    ),
    Route(
        "GET",
        f"{_SUBSCRIPTION}/resourceGroups",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        SUBSCRIPTION_VERSIONS,
        subscriptions.list_resource_groups,
        scope="subscription",
    ),
    Route(
        "GET",
        _GROUP,
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        SUBSCRIPTION_VERSIONS,
        subscriptions.get_resource_group,
    ),
    Route(
        "HEAD",
        _GROUP,
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        SUBSCRIPTION_VERSIONS,
        subscriptions.head_resource_group,
    ),
    Route(
        "GET",
        "/providers/Microsoft.Management/managementGroups",
        "Microsoft.Management/managementGroups/read",
        MANAGEMENT_VERSIONS,
        management_groups.list_groups,
        scope="none",
    ),
    Route(
        "GET",
        _MG,
        "Microsoft.Management/managementGroups/read",
        MANAGEMENT_VERSIONS,
        management_groups.get_group,
        scope="management group",
    ),
    Route(
        "GET",
        f"{_MG}/descendants",
        "Microsoft.Management/managementGroups/descendants/read",
        MANAGEMENT_VERSIONS,
        management_groups.list_descendants,
        scope="management group",
    ),
    Route(
        "POST",
        f"{_GROUP}/providers/Microsoft.Web/sites/{{site}}/config/appsettings/list",
        "Microsoft.Web/sites/config/list/action",
        SITE_VERSIONS,
        sites.list_app_settings,
    ),
    Route("GET", "/metadata/endpoints", "", METADATA_VERSIONS, cloud.metadata, scope="none"),
    Route(
        "POST",
        "/providers/Microsoft.ResourceGraph/resources",
        "Microsoft.ResourceGraph/resources/read",
        GRAPH_VERSIONS,
        resource_graph.query,
        scope="none",
        slow=True,
    ),
)


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """Return the route of an ARM request and the path's variables."""
    for route in ROUTES:
        params = route.match(method, path)
        if params is not None:
            return route, params
    return None
