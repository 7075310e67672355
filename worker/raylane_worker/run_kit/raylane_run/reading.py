"""`read`: the rows of a source, as a pandas frame or as a dataset of Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .sources import LOCAL, FileSource, load_sources

if TYPE_CHECKING:
    import pyarrow as pa

    from .description import Table


def read(uri: str, /) -> Any:
    """Returns the rows of the source with this URI, which is always that of the original file, or a table's location.

    In the local engine it is a `pandas.DataFrame`, in the distributed one a `ray.data.Dataset`. Columns, types, missing
    values and the order of the rows are those of the source. Raises `SourceError` if the job has no such source, and
    `TableError` or Arrow's errors if it cannot be read.
    """
    sources = load_sources()
    source = sources.find(uri)
    if sources.engine == LOCAL:
        from .frames import to_frame

        return to_frame(_rows(source))
    from .datasets import read_dataset

    return read_dataset(source, small=sources.small)


def _rows(source: FileSource | Table) -> pa.Table:
    if isinstance(source, FileSource):
        from .file_rows import read_file

        return read_file(source)
    from .table_rows import read_table

    return read_table(source)
