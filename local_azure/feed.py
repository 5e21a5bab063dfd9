"""How Resource Graph learns of changes: later than ARM."""

import heapq
import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local_azure.clock import Clock
from local_azure.sources import NotModelledError, behaviour
from local_azure.state.tenant import GraphChange, Tenant

if TYPE_CHECKING:
    from local_azure.graph import GraphAnswer, GraphTables


class GraphFeed:
    """Resource Graph's tables, behind ARM by `lag` seconds of the clock, the change log by more.

    What was there when it was made is known at once.
    """

    def __init__(self, tenant: Tenant, clock: Clock, *, lag: float, changes_lag: float) -> None:
        self.lag = lag
        self.changes_lag = changes_lag
        self._tenant = tenant
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: list[tuple[datetime, int, GraphChange]] = []
        self._last_due: dict[str, datetime] = {}
        self._numbers = itertools.count()
        self._first = tenant.graph_rows()
        self._tables: GraphTables | None = None
        tenant.listeners.append(self._note)

    def close(self) -> None:
        """Stop listening, and let go of the rows."""
        self._tenant.listeners.remove(self._note)
        with self._lock:
            if self._tables is not None:
                self._tables.close()
                self._tables = None

    @behaviour(
        "Resource Graph shows a change of a resource 60 s later, and its change record 90 s later",
        "azure-docs: eventual consistency, change records in less than five minutes; the numbers "
        "are ours",
        "inferred",
    )
    def _note(self, change: GraphChange) -> None:
        lag = self.changes_lag if change.table == "resourcechanges" else self.lag
        with self._lock:
            due = change.at + timedelta(seconds=lag)
            # One resource's changes arrive in their order, whatever becomes of the lag.
            due = max(due, self._last_due.get(change.id, due))
            self._last_due[change.id] = due
            heapq.heappush(self._pending, (due, next(self._numbers), change))

    def answer(
        self,
        body: dict[str, Any],
        *,
        subscriptions: list[str],
        management_groups: list[str],
        roles_at: list[str],
        api_version: str,
        correlation_id: str,
    ) -> "GraphAnswer":
        """Bring the tables up to date (minus the lag) and run the query."""
        # Never the other way round: whoever changes the tenant holds its lock and takes ours.
        self._tenant.settle()
        now = self._clock.now()
        with self._lock:
            tables = self._loaded()
            while self._pending and self._pending[0][0] <= now:
                change = heapq.heappop(self._pending)[2]
                if change.row is None:
                    tables.remove(change.table, change.id)
                else:
                    tables.upsert(change.table, change.row)
        from local_azure.graph import NotModelled  # noqa: PLC0415 - duckdb is heavy

        try:
            return tables.answer(
                body,
                subscriptions=subscriptions,
                management_groups=management_groups,
                roles_at=roles_at,
                api_version=api_version,
                now=now.astimezone(UTC),
                correlation_id=correlation_id,
            )
        except NotModelled as error:
            raise NotModelledError(str(error)) from error

    def _loaded(self) -> "GraphTables":
        """Return the engine. It is loaded at the first query: many tests never ask one."""
        if self._tables is None:
            from local_azure.graph import GraphTables  # noqa: PLC0415 - duckdb is heavy

            self._tables = GraphTables()
            for table, rows in self._first.items():
                self._tables.load(table, rows)
            self._first = {}
        return self._tables
