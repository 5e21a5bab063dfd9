"""Resource Graph's engine: KQL, really executed, over rows that the local Azure keeps.

    tables = GraphTables()
    tables.load("resources", rows)
    answer = tables.answer(body, subscriptions=[...], management_groups=[], ...)

`syntax` judges and edits the text, `translation` makes SQL of it (with `functions`), `store` keeps
the rows in DuckDB, `request` and `values` are the shapes in and out, `tables` puts it together.
Microsoft's documentation and recorded answers decide; `BEHAVIOURS` says which is which.
"""

from local_azure.graph.behaviours import BEHAVIOURS
from local_azure.graph.refusals import NotModelled
from local_azure.graph.tables import GraphAnswer, GraphTables

__all__ = ["BEHAVIOURS", "GraphAnswer", "GraphTables", "NotModelled"]
