"""Questions to the local Azure's Resource Graph engine, without a server around it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from local_azure.graph import GraphAnswer, GraphTables

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def ask_engine(
    tables: GraphTables,
    body: object,
    *,
    subscriptions: Sequence[str] = ("s",),
    groups: Sequence[str] = (),
    version: str = "2021-03-01",
    now: datetime = NOW,
    correlation_id: str = "c",
) -> GraphAnswer:
    """Ask as somebody who may read these subscriptions and management groups."""
    return tables.answer(
        body,
        subscriptions=subscriptions,
        management_groups=groups,
        api_version=version,
        now=now,
        correlation_id=correlation_id,
    )


def answered(tables: GraphTables, query: str, more: dict[str, Any], **caller: Any) -> Any:
    """Return the body of an answer that has to be 200; `more` is in the request's body too."""
    answer = ask_engine(tables, {"query": query, **more}, **caller)
    assert answer.status == 200, answer.body
    return answer.body
