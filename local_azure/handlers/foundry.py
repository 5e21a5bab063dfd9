"""Projects of a Foundry account, and connections of accounts and projects."""

from local_azure.exchange import Answer, Call, Origin, Refusal
from local_azure.handlers.accounts import find_account
from local_azure.sources import NotModelledError, behaviour
from local_azure.state import ids
from local_azure.state.account import Account
from local_azure.state.foundry import Connection, Project

_LIST_PARAMETERS = {"api-version", "includeall", "target", "category"}


@behaviour(
    "projects listed: `value` only, no ETag, x-ms-original-request-ids beside the upstream's time",
    "data/recorded projects-02; fact 81",
    "recorded",
)
def list_projects(call: Call) -> Answer:
    """Return the projects of an account."""
    found = call.services.tenant.foundry.projects_of(find_account(call))
    headers = {"x-ms-original-request-ids": ids.guid("original", call.correlation_id)}
    return Answer(200, {"value": [p.wire() for p in found]}, Origin.PROVIDER, headers)


@behaviour(
    "one project, with its ETag; the headers of the account's provider",
    "data/recorded account-get-07 (June 2026)",
    "recorded",
)
@behaviour(
    "a project that isn't there: 404, in the words of the provider's other children",
    "fact 18 for those; no body of a project's was found",
    "inferred",
)
def get_project(call: Call) -> Answer:
    """Return one project."""
    account = find_account(call)
    project = call.services.tenant.foundry.project(account, call.params["project"])
    if project is None:
        message = f"Specified resource '{call.request.path}' cannot be found."
        raise Refusal(404, "NotFound", message, origin=Origin.PROVIDER)
    return Answer(200, project.wire(), Origin.PROVIDER, etag=account.etag)


def list_of_account(call: Call) -> Answer:
    """Return the connections of an account."""
    account = find_account(call)
    return _listed(call, account, call.services.tenant.foundry.connections_of(account.id))


@behaviour(
    "a project's connections listed with includeAll=true have those of its account too",
    "fact 78: the SDK's documentation; no recording has one of each",
    "documented",
)
def list_of_project(call: Call) -> Answer:
    """Return the connections of a project."""
    foundry, project = call.services.tenant.foundry, _project(call)
    found = foundry.connections_of(project.id)
    if call.query.get("includeall", "false").lower() == "true":
        found += foundry.connections_of(project.account.id)
    return _listed(call, project.account, found)


def get_of_account(call: Call) -> Answer:
    """Return one connection of an account."""
    account = find_account(call)
    return _one(call, account, account.id)


def get_of_project(call: Call) -> Answer:
    """Return one connection of a project."""
    project = _project(call)
    return _one(call, project.account, project.id)


@behaviour(
    "connections listed: `value` only, no nextLink, and a cache may keep the list for 120 s",
    "data/recorded connections-09, -10 (March 2026; no-cache in October 2025); fact 79",
    "recorded",
)
@behaviour(
    "connections listed by category and by target: those that are equal, in any case",
    "swagger stable/2025-09-01 AccountConnections_List; no recording",
    "documented",
)
def _listed(call: Call, account: Account, connections: list[Connection]) -> Answer:
    unknown = set(call.query) - _LIST_PARAMETERS
    if unknown:
        raise NotModelledError(f"connections with {', '.join(sorted(unknown))}")
    category, target = call.query.get("category"), call.query.get("target")
    shown = [
        connection.wire()
        for connection in connections
        if (category is None or connection.category.lower() == category.lower())
        and (target is None or connection.target.lower() == target.lower())
    ]
    headers = {**_headers(account), "Cache-Control": "max-age=120"}
    return Answer(200, {"value": shown}, Origin.CONNECTIONS, headers)


@behaviour(
    "a connection that isn't there: 404, in the words of the provider's other children",
    "fact 18 for those; no body of a connection's was found",
    "unverified",
)
def _one(call: Call, account: Account, home: str) -> Answer:
    for connection in call.services.tenant.foundry.connections_of(home):
        if connection.name.lower() == call.params["connection"].lower():
            return Answer(200, connection.wire(), Origin.CONNECTIONS, _headers(account))
    message = f"Specified resource '{call.request.path}' cannot be found."
    raise Refusal(404, "NotFound", message, origin=Origin.CONNECTIONS)


@behaviour(
    "connections of a project that isn't there: 404, whose message names the project",
    "data/recorded connections-15 (the message, of 2026; the code from memory)",
    "unverified",
)
def _project(call: Call) -> Project:
    account, name = find_account(call), call.params["project"]
    found = call.services.tenant.foundry.project(account, name)
    if found is None:
        raise Refusal(
            404,
            "ParentResourceNotFound",
            "Failed to perform 'read' on resource(s) of type 'accounts/projects/connections', "
            f"because the parent resource '{account.id}/projects/{name}' could not be found.",
        )
    return found


@behaviour(
    "connections have headers of Azure ML: azureml-served-by-cluster, x-request-time, "
    "x-ms-response-type; no upstream time of the provider's",
    "data/recorded connections-02, -06, -09; fact 76",
    "recorded",
)
def _headers(account: Account) -> dict[str, str]:
    region = account.location.replace(" ", "").lower()
    return {
        "azureml-served-by-cluster": f"vienna-{region}-01",
        "Request-Context": "appId=cid-v1:2d2e8e63-272e-4b3c-8598-4ee570a0e70d",
        "x-ms-response-type": "standard",
        "x-request-time": "0.052",
    }
