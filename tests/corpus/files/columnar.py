"""Parquet and Arrow files."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from raylane_common.wire.sources import ColumnType
from tests.corpus.files.model import Case, Table, bools, ints, nums, of, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KINDS = ColumnType
_POINT: Final = datetime(2024, 1, 5, 10, 30)
# An Arrow type, the cells, and what they must be.
_COLUMNS: Final[dict[str, tuple[Any, list[Any], Any]]] = {
    "int64": (pa.int64(), [1, None, -3], ints(1, None, -3)),
    "int8": (pa.int8(), [1, None, -3], ints(1, None, -3)),
    "uint32": (pa.uint32(), [1, None, 4_000_000_000], ints(1, None, 4_000_000_000)),
    "double": (pa.float64(), [1.5, None, float("nan")], nums(1.5, None, None)),
    "float": (pa.float32(), [1.5, None, -2.25], nums(1.5, None, -2.25)),
    "half": (pa.float16(), [1.5, None, -2.25], nums(1.5, None, -2.25)),
    "string": (pa.string(), ["NA", None, ""], texts("NA", None, "")),
    "large string": (pa.large_string(), ["a", None, "c"], texts("a", None, "c")),
    "string view": (pa.string_view(), ["a", None, "c"], texts("a", None, "c")),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["a", None, "a"], texts("a", None, "a")),
    "bool": (pa.bool_(), [True, None, False], bools(True, None, False)),
    "date32": (
        pa.date32(),
        [date(2024, 1, 5), None, date(1066, 1, 1)],
        of(_KINDS.DATE, [date(2024, 1, 5), None, date(1066, 1, 1)]),
    ),
    "date64": (pa.date64(), [date(2024, 1, 5), None, None], of(_KINDS.DATE, [date(2024, 1, 5), None, None])),
    "time": (pa.time64("us"), [time(10, 30), None, None], of(_KINDS.TIME, [time(10, 30), None, None])),
    "time32": (pa.time32("s"), [time(10, 30), None, None], of(_KINDS.TIME, [time(10, 30), None, None])),
    "timestamp us": (pa.timestamp("us"), [_POINT, None, None], of(_KINDS.TIMESTAMP, [_POINT, None, None])),
    "timestamp s": (pa.timestamp("s"), [_POINT, None, None], of(_KINDS.TIMESTAMP, [_POINT, None, None])),
    "timestamp utc": (
        pa.timestamp("us", "UTC"),
        [_POINT.replace(tzinfo=UTC), None, None],
        of(_KINDS.TIMESTAMP, [_POINT.replace(tzinfo=UTC), None, None], pa.timestamp("us", "UTC")),
    ),
    "decimal": (
        pa.decimal128(10, 2),
        [Decimal("1.50"), None, Decimal("-2.25")],
        of(_KINDS.NUMBER, [Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(10, 2)),
    ),
    "text of numbers": (pa.string(), ["007", "8", None], texts("007", "8", None)),
}
_WRITERS: Final[dict[str, tuple[str, Callable[[pa.Table, pa.BufferOutputStream], object]]]] = {
    "parquet": ("data.parquet", lambda table, file: pq.write_table(table, file)),
    "parquet gzip": (
        "data.parquet",
        lambda table, file: pq.write_table(table, file, compression="gzip", version="1.0"),
    ),
    "parquet groups": ("data", lambda table, file: pq.write_table(table, file, row_group_size=1, compression="none")),
    "arrow": ("data.arrow", lambda table, file: _ipc(pa.ipc.new_file, table, file)),
    "arrow stream": ("data.arrows", lambda table, file: _ipc(pa.ipc.new_stream, table, file)),
    "feather": ("data.feather", lambda table, file: feather.write_feather(table, file)),
}


def _ipc(opened: Any, table: pa.Table, file: pa.BufferOutputStream) -> None:
    with opened(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def _written(writer: Callable[[pa.Table, pa.BufferOutputStream], object], table: pa.Table) -> bytes:
    file = pa.BufferOutputStream()
    writer(table, file)
    return bytes(file.getvalue())


def cases() -> Iterator[Case]:
    """Yields the cases."""
    keys = pa.array([1, 2, 3])
    for way, (filename, writer) in _WRITERS.items():
        for kind, (arrow, cells, expected) in _COLUMNS.items():
            if "parquet" in way and kind in ("string view", "half"):
                continue  # pyarrow does not write it
            array = pa.array(cells, pa.string()).dictionary_encode() if kind == "dictionary" else pa.array(cells, arrow)
            data = _written(writer, pa.table({"id": keys, "x": array}))
            quick = way in ("parquet", "arrow")
            yield Case(f"{way}: {kind}", data, {"id": ints(1, 2, 3), "x": expected}, filename, quick=quick)
        empty = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})
        yield Case(f"{way}: no rows", _written(writer, empty), {"a": ints(), "b": texts()}, filename)
        named = pa.table({"a,b": [1], "é\n": [2], 'q"': [3]})
        table: Table = {"a,b": ints(1), "é": ints(2), 'q"': ints(3)}
        yield Case(f"{way}: unusual names", _written(writer, named), table, filename)
    twice = pa.table([pa.array([1, 2]), pa.array(["a", "b"])], names=["x", "x"])
    for way in ("parquet", "arrow"):
        filename, writer = _WRITERS[way]
        yield Case(
            f"{way}: one name twice",
            _written(writer, twice),
            {"x": ints(1, 2), "x_2": texts("a", "b")},
            filename,
            warns="x_2",
        )
    filename, writer = _WRITERS["parquet"]
    yield Case("parquet named .csv", _written(writer, pa.table({"a": [1, 2]})), {"a": ints(1, 2)}, "data.csv")
    big = pa.table({"x": pa.array([2**63 + 1, 5], pa.uint64())})
    yield Case(
        "parquet: beyond int64", _written(writer, big), {"x": of(_KINDS.INTEGER, [2**63 + 1, 5], pa.uint64())}, filename
    )
    far = datetime(2999, 1, 1)
    late = pa.table({"x": pa.array([far], pa.timestamp("us"))})
    yield Case(
        "parquet: a point in time after 2262", _written(writer, late), {"x": of(_KINDS.TIMESTAMP, [far])}, filename
    )
