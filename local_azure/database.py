"""Databases in memory, in which the local Azure runs the queries that it is asked."""

import itertools
from functools import cache

import duckdb

_numbers = itertools.count(1)


class Database:
    """A database of its own: nobody else sees what it holds, and that goes with `close`.

    Not safe for threads: its owner holds a lock.
    """

    def __init__(self) -> None:
        self._name = f"azure_{next(_numbers)}"
        self._is_open = True
        self.connection = _duckdb().cursor()
        self.connection.execute(f"ATTACH ':memory:' AS {self._name}")
        self.connection.execute(f"USE {self._name}")
        # A cursor has the machine's own, whatever its connection has.
        self.connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Let go of all it holds; once more is nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self.connection.execute("USE memory")
        self.connection.execute(f"DETACH {self._name}")
        self.connection.close()


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    """Start DuckDB, once in a process: that takes longer than all queries of a small sweep."""
    shared = duckdb.connect()
    # One thread: rows come in the order of writing, and memory stays small.
    shared.execute("SET threads = 1")
    # The rows stay the side that is walked when they are compared with what is visible.
    shared.execute("SET disabled_optimizers = 'build_side_probe_side,join_order'")
    return shared
