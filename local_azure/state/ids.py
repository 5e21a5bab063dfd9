"""Resource ids: their parts, compared without regard to letter case, as ARM does."""

import re
import uuid

_NAMESPACE = uuid.UUID("5a8f7c1e-0000-4000-8000-00006b657973")
ACCOUNT_TYPE = "Microsoft.CognitiveServices/accounts"
GROUP_PREFIX = "/providers/Microsoft.Management/managementGroups/"
_GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_ACCOUNT = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    re.IGNORECASE,
)
_RESOURCE_GROUP = re.compile(r"(/subscriptions/[^/]+/resourcegroups/[^/]+)", re.IGNORECASE)
_MANAGEMENT_GROUP = re.compile(
    r"/providers/microsoft\.management/managementgroups/([^/]+)", re.IGNORECASE
)


def guid(*parts: object) -> str:
    """Return the same parts give the same guid, in every run."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(str(part) for part in parts)))


def is_guid(text: str) -> bool:
    """Whether the text is written as a guid."""
    return _GUID.fullmatch(text) is not None


def subscription_scope(subscription_id: str) -> str:
    """Return the scope of a subscription."""
    return f"/subscriptions/{subscription_id}"


def group_scope(subscription_id: str, group: str) -> str:
    """Return the scope of a resource group."""
    return f"/subscriptions/{subscription_id}/resourceGroups/{group}"


def management_group_scope(name: str) -> str:
    """Return the scope of a management group."""
    return GROUP_PREFIX + name


def subscription_of(scope: str) -> str | None:
    """Return the subscription id within a scope."""
    found = _SUBSCRIPTION.match(scope)
    return found.group(1).lower() if found else None


def resource_group_of(scope: str) -> str | None:
    """Return the part of a scope that is its resource group's scope."""
    found = _RESOURCE_GROUP.match(scope)
    return found.group(1) if found else None


def management_group_of(scope: str) -> str | None:
    """Return the management group's name, if the scope is one."""
    found = _MANAGEMENT_GROUP.match(scope)
    return found.group(1).lower() if found else None


def account_of(scope: str) -> str | None:
    """Return the part of a scope that is an account's, if it is one or below one."""
    found = _ACCOUNT.match(scope)
    return found.group(0) if found else None
