"""The engine: tables of rows, and answers to queries over them."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local_azure.graph.facets import facet
from local_azure.graph.refusals import NotModelled, Refused, bad_request
from local_azure.graph.request import QueryRequest, read_request, write_token
from local_azure.graph.store import DuckDBError, Store
from local_azure.graph.translation import Translation, parameters, translate
from local_azure.graph.values import column_type, to_json

MOST_BYTES = 16 * 1024 * 1024
# What a query means doesn't depend on the rows, and working it out takes a tenth of a second: all
# engines of a process share it.
_REMEMBERED = 256
_translations: dict[str, Translation] = {}
_translating = threading.Lock()


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """A status and a body."""

    status: int
    body: dict[str, Any]


class GraphTables:
    """Resource Graph's `resources`, `resourcecontainers`, `resourcechanges` and who has what role.

    Queries are executed as KQL. With `shuffle` (the default), rows that a query doesn't put in
    order change places between its pages, as Microsoft's documentation warns; the order is drawn
    from `seed`, so a failure can be had again. A first page is in the order of writing.
    """

    def __init__(self, *, shuffle: bool = True, seed: int = 0) -> None:
        self._store = Store()
        self._lock = threading.RLock()
        self._shuffle = shuffle
        self._seed = seed

    def load(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add many rows whose ids are new; type, location and resourceGroup become lower case."""
        with self._lock:
            self._store.load(table, rows)

    def upsert(self, table: str, row: Mapping[str, Any]) -> None:
        """Write one row, over the one with the same id (in any letter case)."""
        with self._lock:
            self._store.upsert(table, row)

    def remove(self, table: str, row_id: str) -> None:
        """Forget a row; one that isn't there is no error."""
        with self._lock:
            self._store.remove(table, row_id)

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._store.close()

    def answer(
        self,
        body: object,
        *,
        subscriptions: Sequence[str],
        management_groups: Sequence[str],
        roles_at: Sequence[str] = (),
        api_version: str,
        now: datetime,
        correlation_id: str,
    ) -> GraphAnswer:
        """Answer a query over the rows of these subscriptions and management groups.

        Of roles and their assignments those count that are made at the scopes `roles_at`.

        Raises NotModelled for what Azure may answer and this engine can't.
        """
        try:
            request = read_request(body, api_version)
            with self._lock:
                self._store.show(subscriptions, management_groups, roles_at)
                return GraphAnswer(200, self._answer(request, now))
        except Refused as refused:
            return GraphAnswer(400, bad_request(refused.details, now, correlation_id))

    def _answer(self, request: QueryRequest, now: datetime) -> dict[str, Any]:
        translation = self._translation(request.query)
        skip = 0 if translation.limited else request.skip
        total, rows = self._page(translation, request.top, skip, now)
        left = total - skip - len(rows)
        pages = not translation.limited and not translation.first_page_only
        names = [name for name, _ in translation.columns]
        token = pages and left > 0 and "id" in names
        answer: dict[str, Any] = {
            "totalRecords": total,
            "count": len(rows),
            "data": _data(translation, rows, request.format),
            "facets": [
                facet(request, asked, translation, self._store, now) for asked in request.facets
            ],
            "resultTruncated": "true" if left > 0 and not token else "false",
        }
        if token:
            answer["$skipToken"] = write_token(request.top, skip + len(rows))
        return answer

    def _translation(self, query: str) -> Translation:
        with _translating:
            if query not in _translations:
                while len(_translations) >= _REMEMBERED:
                    del _translations[next(iter(_translations))]
                _translations[query] = translate(query, self._store)
            return _translations[query]

    def _page(
        self, translation: Translation, top: int, skip: int, now: datetime
    ) -> tuple[int, list[tuple[Any, ...]]]:
        """How many rows there are in all, and those of one page."""
        shuffled = self._shuffle and skip > 0
        paging = translation.shuffled_sql if shuffled else translation.sql
        paging = f"SELECT * FROM ({paging}) LIMIT {top} OFFSET {skip}"  # noqa: S608 - our own SQL
        seed = hash((self._seed, skip))
        try:
            _, rows = self._store.rows(paging, parameters(paging, now, seed))
            total = skip + len(rows)
            # A page that is neither full nor past the end is the last one.
            if len(rows) == top or (skip and not rows):
                counting = f"SELECT count(*) FROM ({translation.sql})"  # noqa: S608 - our own SQL
                _, counted = self._store.rows(counting, parameters(counting, now, seed))
                total = int(counted[0][0])
        except DuckDBError as error:
            raise NotModelled(f"this engine can't run it: {str(error)[:300]}") from error
        size = sum(len(cell) for row in rows for cell in row if isinstance(cell, str))
        if size > MOST_BYTES:
            raise Refused(
                {
                    "code": "ResponsePayloadTooLarge",
                    "message": (
                        f"Response payload size is {size}, and has exceeded the limit of "
                        f"{MOST_BYTES}. Please consider querying less data at a time and make "
                        "paginated call if needed."
                    ),
                }
            )
        first_page = skip == 0 or not translation.first_page_only
        return total, rows if first_page else []


def _data(
    translation: Translation, rows: Sequence[tuple[Any, ...]], result_format: str
) -> list[dict[str, Any]] | dict[str, Any]:
    types = [kind for _, kind in translation.columns]
    values = [[to_json(c, kind) for c, kind in zip(row, types, strict=True)] for row in rows]
    names = [name for name, _ in translation.columns]
    if result_format == "table":
        columns = [{"name": n, "type": column_type(kind)} for n, kind in translation.columns]
        return {"columns": columns, "rows": values}
    return [dict(zip(names, row, strict=True)) for row in values]
