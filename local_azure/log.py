"""What the local Azure saw: every request, and every write that it accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from local_azure.state.account import Account, Flag

type Host = Literal["arm", "identity", "ingestion", "openai", "logs", "metrics"]


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it came in, before anything was done about it."""

    ordinal: int
    at: datetime
    host: Host
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    # What the route says it is, once known: "Microsoft.CognitiveServices/accounts/read".
    action: str | None
    principal: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """A request and how it was answered. No status: the connection was cut."""

    ordinal: int
    at: datetime
    principal: str | None
    host: Host
    method: str
    path: str
    query: Mapping[str, str]
    action: str | None
    status: int | None
    body: Any = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An account and what it stands in, at the instant of a write."""

    tags: Mapping[str, str]
    group_tags: Mapping[str, str]
    subscription_tags: Mapping[str, str]
    disable_local_auth: Flag
    provisioning_state: str
    etag: str

    @classmethod
    def of(
        cls,
        account: Account,
        group_tags: Mapping[str, str] | None,
        subscription_tags: Mapping[str, str] | None,
    ) -> "Standing":
        """Return copied, so that later changes don't show."""
        return cls(
            tags=dict(account.tags or {}),
            group_tags=dict(group_tags or {}),
            subscription_tags=dict(subscription_tags or {}),
            disable_local_auth=account.flag,
            provisioning_state=account.provisioning_state,
            etag=account.etag,
        )


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the server accepted, with its state just before and just after."""

    ordinal: int
    at: datetime
    principal: str
    account_id: str
    body: dict[str, Any]
    operation: str | None
    before: Standing
    after: Standing
