"""Resource Graph: what of an installation there is anywhere in the tenant, whoever deployed it.

Asked for through `az rest`, which needs no extension. It shows what whoever asks may read, seconds
to minutes late: so it adds to what the management group itself says, and takes nothing from it.
Rows come with their `id` and in order, without which Resource Graph gives the first page alone
(learn.microsoft.com, "Working with large Azure resource data sets").
"""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.deploy.azure_cli import CommandFailed, post
from shared.core.addresses import Links
from shared.core.errors import Unclear

_URL = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
_MOST_ROWS = 1000
"""So many rows a page has at most."""
_GROUP = "/providers/microsoft.management/managementgroups/"
_ROLES = "authorizationresources | where type =~ 'microsoft.authorization/roledefinitions' | where "
_ASSIGNMENTS = (
    "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | where "
)


def groups_with_roles(installation: str) -> set[str] | None:
    """Return the management groups that have a role of an installation; None: can't be seen."""
    scopes = _scopes(
        f"{_ROLES}tostring(properties.roleName) startswith 'Keysweep {installation} ' | "
        "mv-expand scope = properties.assignableScopes | project id, scope = tostring(scope)"
    )
    if scopes is None:
        return None
    return {scope[len(_GROUP) :] for scope in scopes if scope.lower().startswith(_GROUP)}


def scopes_of_role(role_id: str) -> set[str] | None:
    """Return where a role is assigned, in lower case; None if that can't be seen.

    `role_id`: its definition's name, a guid.
    """
    scopes = _scopes(
        f"{_ASSIGNMENTS}tostring(properties.roleDefinitionId) endswith '/{role_id}' | "
        "project id, scope = tostring(properties.scope)"
    )
    return None if scopes is None else {scope.lower() for scope in scopes}


def _scopes(query: str) -> list[str] | None:
    """Return the column `scope` of what a query finds; None if that can't be seen, or not all."""
    try:
        return [str(row["scope"]) for page in _pages(query) for row in page["data"]]
    except (CommandFailed, Unclear, KeyError, TypeError):
        return None


def _pages(query: str) -> Iterator[Mapping[str, Any]]:
    """Ask for one page after the other.

    Raises CommandFailed, Unclear if the pages lead in a circle, and KeyError where the rest is cut.
    """
    options = {"resultFormat": "objectArray", "$top": _MOST_ROWS}
    ordered = f"{query} | order by id asc, scope asc"
    links = Links("Querying", "Resource Graph")
    page = post(_URL, {"query": ordered, "options": options})
    yield page
    # An empty token is none.
    while page.get("$skipToken") or page.get("resultTruncated") == "true":
        options["$skipToken"] = links.follow(page["$skipToken"])
        page = post(_URL, {"query": ordered, "options": options})
        yield page
