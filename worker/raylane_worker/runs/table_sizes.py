"""Finds out how large a job's tables are, by listing their objects. See docs/decisions/0056."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from raylane_common.errors import StorageError
from raylane_common.logs import get_logger
from raylane_common.wire.sources import TableFormat
from raylane_worker.runs.tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from raylane_common.wire.sources import Partition, Source, TableSource
    from raylane_worker.context import JobContext

logger = get_logger("raylane.worker")

# Listings share the time. A page of 1,000 objects takes S3 about 0.2 s.
_LISTING_S: Final = 5.0
_LISTINGS_AT_ONCE: Final = 16
# One process reads at most some hundred files per second, so a table of more files is not small.
_MAX_OBJECTS: Final = 5000
# A table of more partitions is listed as a whole, with what lies there unregistered.
_MAX_LISTED_PARTITIONS: Final = 64
# About how many times larger the rows are as text. Ray Data, too, takes Parquet to grow five times in memory.
_GROWTH_OF_COLUMNS: Final = 5
_GROWTH_OF_COMPRESSED: Final = 10
_COMPRESSED: Final = (".gz", ".gzip", ".bz2", ".zst", ".zstd")


@dataclass
class _Count:
    """The objects of one table so far. `waiting` listings have not ended, and `is_refused` says that one never will."""

    table: TableSource
    limit_bytes: int
    waiting: int
    objects: int = 0
    size_bytes: int = 0
    is_refused: bool = False

    def add(self, key: str, size_bytes: int) -> None:
        self.objects += 1
        self.size_bytes += size_bytes * _growth(self.table.format, key)

    def is_enough(self) -> bool:
        """Whether further objects would change nothing."""
        return self.is_refused or self.size_bytes > self.limit_bytes or self.objects > _MAX_OBJECTS

    @property
    def found(self) -> int | None:
        if self.is_refused:
            return self.table.data_bytes
        return None if self.waiting or self.is_enough() else self.size_bytes


async def table_bytes(
    sources: Iterable[Source], partitions: Mapping[str, Sequence[Partition]], ctx: JobContext
) -> dict[str, int | None]:
    """Returns about how many bytes a run reads of each table, by its name, as if its files were uncompressed text.

    None means that the table is too large for one process, has many files, or could not be listed within seconds. If S3
    refuses to list it, the size is what the catalog says. `partitions` are the registered ones of each table with keys.
    """
    tables = tables_of(sources)
    if not tables:
        return {}
    limit_bytes = ctx.resources.settings.ray.local_source_bytes
    places = {table.name: _places(table, partitions.get(table.name, ())) for table in tables}
    counts = [_Count(table, limit_bytes, len(places[table.name])) for table in tables]
    slots = asyncio.Semaphore(_LISTINGS_AT_ONCE)
    try:
        async with asyncio.timeout(_LISTING_S):
            await asyncio.gather(
                *(_list(place, count, ctx, slots) for count in counts for place in places[count.table.name])
            )
    except TimeoutError:
        logger.info("listing the tables of job %s takes more than %g s", ctx.job_id, _LISTING_S)
    return {count.table.name: count.found for count in counts}


def _places(table: TableSource, partitions: Sequence[Partition]) -> list[str]:
    """Returns the URIs below which all files of the table lie."""
    if not table.partition_keys:
        return [table.location]
    if len(partitions) <= _MAX_LISTED_PARTITIONS:
        return [one.location if "://" in one.location else table.location + one.location for one in partitions]
    elsewhere = [one.location for one in partitions if "://" in one.location]
    return [table.location, *elsewhere] if len(elsewhere) < len(partitions) else elsewhere


async def _list(place: str, count: _Count, ctx: JobContext, slots: asyncio.Semaphore) -> None:
    bucket, _, prefix = unquote(place.removeprefix("s3://")).partition("/")
    async with slots:
        if count.is_enough():
            return
        try:
            storage = await ctx.storage()
            async with aclosing(storage.at(bucket).pages_below(prefix)) as pages:
                async for page in pages:
                    for one in page:
                        count.add(one["Key"], one["Size"])
                    if count.is_enough():
                        return
        except StorageError as error:
            logger.info("the size of table %s is that of the catalog: %s", count.table.name, error)
            count.is_refused = True
        count.waiting -= 1


def _growth(form: TableFormat, key: str) -> int:
    if form in (TableFormat.PARQUET, TableFormat.ORC):
        return _GROWTH_OF_COLUMNS
    return _GROWTH_OF_COMPRESSED if key.lower().endswith(_COMPRESSED) else 1
