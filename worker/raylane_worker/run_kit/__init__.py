"""The files that are shipped with a script: the kit, which imports nothing of Raylane, and its list of the sources."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import FileSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.names import Engine
    from raylane_common.wire.sources import Partition, Source, TableSource

# Starts the `main.py` in the working directory, as `python -m`.
LAUNCHER: Final = "raylane_run"
WARM_LAUNCHER: Final = "raylane_run.warm"
"""Waits for a script, and starts it."""
WARM_UNUSED: Final = 75
"""Its exit code if no script came."""
_SOURCES: Final = "sources.json"


def kit_files() -> dict[str, str]:
    """Returns the text of each file of the kit by its path."""
    directory = files(__name__) / LAUNCHER
    found = sorted((path for path in directory.iterdir() if path.name.endswith(".py")), key=lambda path: path.name)
    return {f"{LAUNCHER}/{path.name}": path.read_text("utf-8") for path in found}


def source_file(
    sources: Sequence[Source], partitions: Mapping[str, Sequence[Partition]], engine: Engine, *, small: bool
) -> dict[str, str]:
    """Returns the file that describes these sources and the engine to the kit, by its path.

    `partitions` are the registered partitions of each table that has partition keys, by the name of the table. `small`
    says that a distributed script reads each source as one block.
    """
    described = [
        _file(source) if isinstance(source, FileSource) else _table(source, partitions.get(source.name, ()))
        for source in sources
    ]
    return {_SOURCES: json.dumps({"engine": engine, "small": small, "sources": described})}


def _file(source: FileSource) -> dict[str, JsonValue]:
    return {
        "kind": "file",
        "uri": source.location,
        "name": source.name,
        "format": source.format,
        "location": source.readable_location,
        "rows": source.rows,
        "columns": [[column.name, column.native_type] for column in source.columns],
    }


def _table(source: TableSource, partitions: Sequence[Partition]) -> dict[str, JsonValue]:
    return {
        "kind": "table",
        "uri": source.location,
        "name": source.name,
        "location": source.location,
        **source.reading.model_dump(mode="json"),
        "columns": [[column.name, column.native_type] for column in source.columns],
        "partition_keys": [[key.name, key.native_type] for key in source.partition_keys],
        "partitions": [[list(one.values), one.location, one.width] for one in partitions],
    }
