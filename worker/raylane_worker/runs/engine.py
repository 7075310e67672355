"""Chooses how a job's code computes, and what Ray reserves for it. See docs/decisions/0036."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import Engine
from raylane_common.wire.sources import FileSource, TableSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.ray.settings import RaySettings
    from raylane_common.wire.sources import Source

TableBytes = Mapping[str, int | None]
"""About how many bytes a run reads of tables, by their names; None: too many, or unknown."""

# What Python, pandas and Arrow take before they read anything, and how much larger a frame is than its source.
_BASE_BYTES: Final = 256 * 1024 * 1024
_GROWTH: Final = 6


@dataclass(frozen=True)
class Reserved:
    """What Ray reserves for a script: CPUs, and bytes of memory; None: nothing."""

    num_cpus: float | None
    memory_bytes: int | None


def choose_engine(
    sources: Sequence[Source], table_bytes: TableBytes, requested: Engine | None, settings: RaySettings
) -> Engine:
    """Returns the requested engine, or `local` if the sources are known to be small enough for one process."""
    if requested is not None:
        return requested
    rows = sum(source.rows for source in sources if isinstance(source, FileSource))
    is_local = _is_within(sources, table_bytes, settings.local_source_bytes) and rows <= settings.local_source_rows
    return Engine.LOCAL if is_local else Engine.DISTRIBUTED


def is_small(sources: Sequence[Source], table_bytes: TableBytes, settings: RaySettings) -> bool:
    """Returns whether a distributed run gets Ray's settings for small data."""
    return _is_within(sources, table_bytes, settings.small_source_bytes)


def reserved(engine: Engine, sources: Sequence[Source], table_bytes: TableBytes, settings: RaySettings) -> Reserved:
    """Returns what Ray reserves: by default nothing for a distributed script, whose tasks have their own reservations.

    A local script gets one CPU, and memory for its sources; for one whose size is not known, as much as
    `local_source_bytes` allows.
    """
    if engine is Engine.DISTRIBUTED:
        return Reserved(settings.entrypoint_num_cpus, settings.entrypoint_memory_bytes)
    known = [_size(source, table_bytes) for source in sources]
    return reserved_for(sum(settings.local_source_bytes if size is None else size for size in known), settings)


def reserved_for(size_bytes: int, settings: RaySettings) -> Reserved:
    """Returns what Ray reserves for a local script whose sources have this size."""
    cpus, memory = settings.entrypoint_num_cpus, settings.entrypoint_memory_bytes
    return Reserved(1 if cpus is None else cpus, _BASE_BYTES + _GROWTH * size_bytes if memory is None else memory)


def _is_within(sources: Sequence[Source], table_bytes: TableBytes, limit_bytes: int) -> bool:
    """Returns whether there are sources, all their sizes are known, and the sum is at most `limit_bytes`."""
    sizes = [_size(source, table_bytes) for source in sources]
    known = [size for size in sizes if size is not None]
    return bool(sizes) and len(known) == len(sizes) and sum(known) <= limit_bytes


def _size(source: Source, table_bytes: TableBytes) -> int | None:
    """Returns about how many bytes a run reads. What the catalog says of a table counts only if nobody looked."""
    if isinstance(source, TableSource) and source.name in table_bytes:
        return table_bytes[source.name]
    return source.data_bytes
