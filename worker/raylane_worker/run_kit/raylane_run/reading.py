"""`read`: the rows of a source, as a pandas frame or as a dataset of Ray."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from .held_types import remember
from .sources import LOCAL, FileSource, load_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    import pyarrow as pa

    from .description import Table


def read(uri: str, /) -> Any:
    """Returns the rows of the source with this URI, which is always that of the original file, or a table's location.

    In the local engine it is a `pandas.DataFrame`, in the distributed one a `ray.data.Dataset`. Columns, types, missing
    values and the order of the rows are those of the source. Raises `SourceError` if the job has no such source, and
    `TableError` or Arrow's errors if it cannot be read.
    """
    source = (sources := load_sources()).find(uri)
    with _without_collections():
        if sources.engine == LOCAL:
            return _frame(source)
        from .datasets import read_dataset

        return read_dataset(source, small=sources.small)


def _frame(source: FileSource | Table) -> pd.DataFrame:
    """Reads the rows while pandas is imported, which takes longer than reading most files."""
    rows_of = _reader(source)
    with ThreadPoolExecutor(1) as thread:
        rows = [thread.submit(rows_of)]
        from .frames import to_frame
    found = rows[0].result()
    remember(found.schema, found.num_rows)
    del found
    return to_frame(rows.pop().result())


# What a script makes between two reads may become garbage.
_freeze_once: Final = cache(gc.freeze)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Imports make no garbage: looking for it among what they make, and once more at exit, would take 80 ms.

    The launcher has stopped it already, because a script may import pandas before it reads.
    """
    gc.disable()
    try:
        yield
    finally:
        _freeze_once()
        gc.enable()


def _reader(source: FileSource | Table) -> Callable[[], pa.Table]:
    if isinstance(source, FileSource):
        from .file_rows import read_file

        return partial(read_file, source)
    from .table_rows import read_table

    return partial(read_table, source)
