"""The files of a table: those of its registered partitions, as Hive and Athena see them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pyarrow import fs

from .description import Partition, TableError
from .filesystem import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .description import Table

# One listing takes about 30 ms, most of which is waiting; a table may have thousands of partitions.
_LISTINGS_AT_ONCE: Final = 32
# Found next to the data of such tables, of which a plain reader would also read deleted and replaced rows.
_PLAIN: Final = "/!$&'()*+,-.:;=@_~"
_LAKES: Final = {"_delta_log": "Delta", ".hoodie": "Hudi"}


@dataclass(frozen=True)
class File:
    """One file of a partition, by the URI that Arrow opens. It has at least one byte."""

    uri: str
    size: int
    partition: Partition


def list_files(table: Table) -> list[File]:
    """Returns the files of the registered partitions, sorted by partition and path, those in subdirectories too.

    Names that begin with `_` or `.` are hidden, and empty files have no rows. Raises `TableError` for a table that
    cannot be read as plain files.
    """
    partitions = table.partitions if table.partition_keys else (Partition((), table.location),)
    with ThreadPoolExecutor(_LISTINGS_AT_ONCE) as threads:
        listings = threads.map(lambda partition: _list(table, partition), partitions)
        return [file for listing in listings for file in listing]


def split(files: Sequence[File], count: int) -> list[list[File]]:
    """Returns the files in their order, in at most `count` groups of about the same size."""
    total = sum(file.size for file in files)
    groups: list[list[File]] = [[]]
    done = 0
    for file in files:
        if groups[-1] and len(groups) < count and done >= total * len(groups) / count:
            groups.append([])
        groups[-1].append(file)
        done += file.size
    return groups


def _list(table: Table, partition: Partition) -> list[File]:
    files, root = find(partition.location)
    scheme = partition.location.partition("//")[0]
    root = root.rstrip("/")
    found = []
    infos = files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    for info in sorted(infos, key=lambda info: info.path):
        below = info.path[len(root) :].strip("/").split("/")
        if lake := next((_LAKES[name] for name in below if name in _LAKES), None):
            problem = f"table {table.name} is a {lake} table, which cannot be read as plain files"
            raise TableError(f"{problem}: {partition.location}")
        if info.type is fs.FileType.File and info.size and not any(name.startswith(("_", ".")) for name in below):
            found.append(File(_uri(scheme, info.path), info.size, partition))
    return found


def _uri(scheme: str, path: str) -> str:
    return f"{scheme}//{quote(path, safe=_PLAIN)}"
