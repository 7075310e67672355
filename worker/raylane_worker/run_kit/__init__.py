"""The files that are shipped with a generated script. They run on the cluster and import nothing of Raylane."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raylane_common.wire.sources import Partition, TableSource

# Starts the `main.py` in the working directory, as `python -m`.
LAUNCHER: Final = "raylane_run"
_TABLES: Final = "tables.json"


def kit_files() -> dict[str, str]:
    """Returns the text of each file of the kit by its path."""
    directory = files(__name__) / LAUNCHER
    found = sorted((path for path in directory.iterdir() if path.name.endswith(".py")), key=lambda path: path.name)
    return {f"{LAUNCHER}/{path.name}": path.read_text("utf-8") for path in found}


def table_files(tables: Sequence[TableSource], partitions: Mapping[str, Sequence[Partition]]) -> dict[str, str]:
    """Returns the file that describes these tables to the kit, by its path; none if there are no tables.

    `partitions` are the registered partitions of each table that has partition keys, by the name of the table.
    """
    described = [
        {
            "name": table.name,
            "location": table.location,
            **table.reading.model_dump(mode="json"),
            "columns": [(column.name, column.native_type) for column in table.columns],
            "partition_keys": [(key.name, key.native_type) for key in table.partition_keys],
            "partitions": [(one.values, one.location, one.width) for one in partitions.get(table.name, ())],
        }
        for table in tables
    ]
    return {_TABLES: json.dumps(described)} if described else {}
