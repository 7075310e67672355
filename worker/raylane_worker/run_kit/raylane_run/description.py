"""What the worker says about a table: how its files are written, its columns, and its registered partitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class TableError(ValueError):
    """A table holds something that cannot be read as its catalog entry says."""


@dataclass(frozen=True)
class Partition:
    """One registered partition. `location` is absolute. Its text files have `width` columns; None means all."""

    values: tuple[str, ...]
    location: str
    width: int | None = None


@dataclass(frozen=True)
class Table:
    """One table of the catalog. `columns` and `partition_keys` are pairs of a name and a Hive type.

    `partitions` is empty if there are no partition keys. The other fields are those of `TableReading` in
    `raylane_common.wire.reading`, which documents them.
    """

    name: str
    location: str
    serde: str
    columns: tuple[tuple[str, str], ...]
    partition_keys: tuple[tuple[str, str], ...] = ()
    partitions: tuple[Partition, ...] = ()
    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    null_text: str = "\\N"
    encoding: str = "utf-8"
    skip_lines: int = 0
    keys: Mapping[str, str] = field(default_factory=dict)
    dots_in_keys: bool = False
    ignores_bad_lines: bool = False
    by_position: bool = False

    @property
    def types(self) -> dict[str, str]:
        """The Hive types of all columns, those of partition keys last."""
        return dict(self.columns + self.partition_keys)


def parse_table(described: Mapping[str, Any]) -> Table:  # JSON that `raylane_worker.run_kit` wrote
    """Returns the table that the worker has described."""
    location = described["location"]
    fields = dict(described)
    fields["keys"] = dict(described["keys"])
    for name in ("columns", "partition_keys"):
        fields[name] = tuple((column, hive) for column, hive in described[name])
    fields["partitions"] = tuple(
        Partition(tuple(values), below if "://" in below else location + below, width)
        for values, below, width in described["partitions"]
    )
    return Table(**fields)
