"""Checks that a job's tables are as they were selected, and looks up their registered partitions.

See docs/decisions/0033.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import InvalidRequest
from raylane_common.wire.sources import TableSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.wire.sources import Partition, Source
    from raylane_worker.context import JobContext


def tables_of(sources: Iterable[Source]) -> tuple[TableSource, ...]:
    """Returns those of the sources that are tables."""
    return tuple(source for source in sources if isinstance(source, TableSource))


async def registered_partitions(sources: Iterable[Source], ctx: JobContext) -> dict[str, tuple[Partition, ...]]:
    """Asks the catalog for the partitions of the tables that have partition keys, by the name of the table.

    Raises `InvalidRequest` if two tables have one location, `TableNotFound`, `TableChanged` if a table is not what it
    was when it was selected, `UnsupportedFormat` if a partition cannot be read, and what `ctx.catalog` raises.
    """
    tables = tables_of(sources)
    if not tables:
        return {}
    locations: dict[str, str] = {}
    for table in tables:
        if other := locations.get(table.location):
            problem = f"{other} and {table.name} are both at {table.location}; deselect one of them"
            raise InvalidRequest(problem, details={"field": "sources", "source": table.name})
        locations[table.location] = table.name
    catalog = await ctx.catalog()
    # One after another, because Glue throttles, and a session has few tables.
    found = {table.name: await catalog.partitions(table) for table in tables}
    return {table.name: found[table.name] for table in tables if table.partition_keys}
