"""The accounts of the scope as Resource Graph shows them: what leads to one, and who reaches it.

Pure. Foundry accounts with their keys off are among them: their connections may hold the keys of
others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.core.model import AccountId

# Of a custom subdomain, which is one in all of Azure (docs/facts.md, 8).
_ZONES = ("openai.azure.", "cognitiveservices.azure.", "services.ai.azure.")
_PRIVATE = "privatelink."
COLUMNS = ("id", "kind", "endpoint", "endpoints", "subdomain", "publicAccess", "defaultAction")


@dataclass(frozen=True, slots=True)
class Shown:
    """An account as it is reached."""

    id: AccountId
    kind: str
    subdomain: str
    hosts: frozenset[str]
    network: str

    @property
    def is_foundry(self) -> bool:
        """Whether it can have projects and connections."""
        return self.kind.lower() == "aiservices"

    def is_at(self, target: str) -> bool:
        """Whether an address leads to this account and to no other."""
        host = host_of(target)
        name, _, zone = host.partition(".")
        of_subdomain = bool(self.subdomain) and name == self.subdomain.lower()
        return of_subdomain and zone.removeprefix(_PRIVATE).startswith(_ZONES)

    def may_be_at(self, target: str) -> bool:
        """Whether an address may lead to this account: those of a region are many accounts'."""
        return not self.subdomain and host_of(target) in self.hosts


def read_account(row: Mapping[str, Any]) -> Shown:
    """Read a row. Raises ValueError if it is of no account."""
    endpoints = row.get("endpoints")
    urls: Iterable[object] = endpoints.values() if isinstance(endpoints, dict) else ()
    hosts = {host_of(str(url)) for url in (*urls, row.get("endpoint")) if url}
    return Shown(
        AccountId.parse(str(row["id"])),
        str(row.get("kind") or ""),
        str(row.get("subdomain") or ""),
        frozenset(hosts - {""}),
        _network(str(row.get("publicAccess") or ""), str(row.get("defaultAction") or "")),
    )


def row_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return an account as ARM lists it in the form of a row of Resource Graph's."""
    properties = resource["properties"]
    rules = properties.get("networkAcls")
    return {
        "id": resource["id"],
        "kind": resource.get("kind"),
        "endpoint": properties.get("endpoint"),
        "endpoints": properties.get("endpoints"),
        "subdomain": properties.get("customSubDomainName"),
        "publicAccess": properties.get("publicNetworkAccess"),
        "defaultAction": rules.get("defaultAction") if isinstance(rules, dict) else "",
    }


def host_of(url: str) -> str:
    """Return the host of an address in lower case; empty: it has none."""
    try:
        return (urlsplit(url if "//" in url else f"//{url}").hostname or "").lower()
    except ValueError:
        return ""


def _network(public: str, default: str) -> str:
    if public.lower() == "disabled":
        return "private endpoints only"
    if default.lower() == "deny":
        return "chosen networks"
    return "all networks" if public else ""
