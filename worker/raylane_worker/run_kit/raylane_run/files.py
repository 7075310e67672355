"""The files of a table: those of its registered partitions, as Hive and Athena see them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar
from urllib.parse import quote

from pyarrow import fs

from .description import Partition, TableError
from .filesystem import in_its_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .description import Table

# One listing takes about 30 ms, most of which is waiting; a table may have thousands of partitions.
_LISTINGS_AT_ONCE: Final = 32
# Found next to the data of such tables, of which a plain reader would also read deleted and replaced rows.
_PLAIN: Final = "/!$&'()*+,-.:;=@_~"
_LAKES: Final = {"_delta_log": "Delta", ".hoodie": "Hudi"}


class _Part(Protocol):
    @property
    def size(self) -> int: ...


Sized = TypeVar("Sized", bound=_Part)


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


def split(parts: Sequence[Sized], count: int) -> list[list[Sized]]:
    """Returns the parts in their order, in at most `count` groups of about the same size; at least one."""
    total = sum(part.size for part in parts)
    groups: list[list[Sized]] = [[]]
    done = 0
    for part in parts:
        if groups[-1] and len(groups) < count and done >= total * len(groups) / count:
            groups.append([])
        groups[-1].append(part)
        done += part.size
    return groups


def _list(table: Table, partition: Partition) -> list[File]:
    root, infos = in_its_region(partition.location, _infos)
    scheme = partition.location.partition("//")[0]
    found = []
    for info in sorted(infos, key=lambda info: info.path):
        below = info.path[len(root) :].strip("/").split("/")
        if lake := next((_LAKES[name] for name in below if name in _LAKES), None):
            problem = f"table {table.name} is a {lake} table, which cannot be read as plain files"
            raise TableError(f"{problem}: {partition.location}")
        if info.type is fs.FileType.File and info.size and not any(name.startswith(("_", ".")) for name in below):
            found.append(File(_uri(scheme, info.path), info.size, partition))
    return found


def _infos(files: fs.FileSystem, path: str) -> tuple[str, list[fs.FileInfo]]:
    root = path.rstrip("/")
    return root, files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))


def _uri(scheme: str, path: str) -> str:
    return f"{scheme}//{quote(path, safe=_PLAIN)}"
