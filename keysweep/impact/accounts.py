"""The accounts of the scope as Resource Graph shows them: what leads to one, and who reaches it.

Pure. Foundry accounts with their keys off are among them: their connections may hold the keys of
others.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.core.kinds import KINDS
from shared.core.model import AccountId

# Of a custom subdomain, which is one in all of Azure (docs/facts.md, 8).
_ZONES = ("openai.azure.", "cognitiveservices.azure.", "services.ai.azure.")
_PRIVATE = "privatelink."
# Of a region or of all regions. They lead to any account whose key comes with the call, and go on
# doing so where it has a custom subdomain (azure-ai-docs, cognitive-services-custom-subdomains.md:
# "the regional endpoint will continue to work with the resource").
_OF_MANY = re.compile(
    r"\.(cognitive\.(microsoft|azure|microsofttranslator)|speech\.(microsoft|azure)|translator\.azure)"
    r"\.(com|us|cn)$"
)
_WITHOUT_PROJECTS = frozenset(kind.lower() for kind in KINDS) - {"aiservices"}
# An address of no region begins with this.
_OF_NO_REGION = "api"
# Azure Government's addresses leave out what each of its regions begins with.
_GOVERNMENT = "usgov"
COLUMNS = (
    *("id", "kind", "location", "endpoint", "endpoints", "subdomain"),
    *("publicAccess", "defaultAction"),
)


@dataclass(frozen=True, slots=True)
class ReachedAccount:
    """An account as it is reached."""

    id: AccountId
    kind: str
    location: str
    """Its region as it stands in addresses; empty: it is not known, or of no region."""
    subdomain: str
    hosts: frozenset[str]
    network: str

    @property
    def is_foundry(self) -> bool:
        """Whether it can have projects and connections, as one of a kind that we don't know may."""
        return self.kind.lower() not in _WITHOUT_PROJECTS

    def is_at(self, target: str) -> bool:
        """Whether an address leads to this account and to no other."""
        host = host_of(target)
        name, _, zone = host.partition(".")
        of_subdomain = bool(self.subdomain) and name == self.subdomain.lower()
        return of_subdomain and zone.removeprefix(_PRIVATE).startswith(_ZONES)

    def may_be_at(self, target: str) -> bool:
        """Whether an address may lead to this account: those of a region are many accounts'."""
        host = host_of(target)
        return host in self.hosts or (bool(_OF_MANY.search(host)) and self._is_in_region_of(host))

    def _is_in_region_of(self, host: str) -> bool:
        region = host.partition(".")[0]
        is_here = self.location in {"", region, f"{_GOVERNMENT}{region}"}
        return is_here or region.startswith(_OF_NO_REGION)


def read_account(row: Mapping[str, Any]) -> ReachedAccount:
    """Read a row. Raises ValueError if it is of no account."""
    endpoints = row.get("endpoints")
    urls: Iterable[object] = endpoints.values() if isinstance(endpoints, dict) else ()
    hosts = {host_of(str(url)) for url in (*urls, row.get("endpoint")) if url}
    return ReachedAccount(
        AccountId.parse(str(row["id"])),
        str(row.get("kind") or ""),
        _region(str(row.get("location") or "")),
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
        "location": resource.get("location"),
        "endpoint": properties.get("endpoint"),
        "endpoints": properties.get("endpoints"),
        "subdomain": properties.get("customSubDomainName"),
        "publicAccess": properties.get("publicNetworkAccess"),
        "defaultAction": rules.get("defaultAction") if isinstance(rules, dict) else "",
    }


def host_of(url: str) -> str:
    """Return the host of an address in lower case; empty: it has none."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host.lower().rstrip(".")


def _region(location: str) -> str:
    """Return a region without the blanks that names for people have; `global` is none."""
    region = "".join(location.split()).lower()
    return "" if region == "global" else region


def _network(public: str, default: str) -> str:
    if public.lower() == "disabled":
        return "private endpoints only"
    if default.lower() == "deny":
        return "chosen networks"
    return "all networks" if public else ""
