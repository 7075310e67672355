"""Random tables of every type that a source can have, as a Parquet file and in DuckDB."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st
from pyarrow import csv, parquet

from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, Source, TableSource
from tests.helpers.files import uploaded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUCKET: Final = "equality"
_LARGE: Final = 9 * 10**18
_NOON: Final = datetime(2024, 1, 31, 12)
# Sums of these floats are exact in any order, so groups that are equal are equal in every engine.
_VALUES: Final[dict[pa.DataType, Sequence[Any]]] = {
    pa.int64(): (0, 1, 2, 2, 3, -4, 100),
    pa.int32(): (0, 7, -7, 2**31 - 1),
    pa.uint64(): (0, 1, 2**63, 2**64 - 1),
    pa.decimal128(38, 0): (Decimal(5), Decimal(10) ** 25, -(Decimal(10) ** 25), Decimal(2**63)),
    pa.float64(): (0.0, -0.0, 0.5, 1.25, -3.75, 2.0, 1000.0, float("nan")),
    pa.float32(): (0.0, 0.5, 1.25, -3.75),
    pa.decimal128(10, 2): (Decimal("1.50"), Decimal("-0.25"), Decimal("10.00"), Decimal("0.00")),
    pa.decimal128(10, 0): (Decimal(0), Decimal(7), Decimal(-7), Decimal(9_999_999_999)),
    pa.decimal128(38, 3): (Decimal("1.500"), Decimal(10) ** 30, Decimal("-0.001")),
    pa.string(): ("a", "b", "B", "größe", "Z", "a,b", "", "it's", "x" * 30, "😀", "NA"),
    pa.bool_(): (True, False),
    pa.date32(): (date(2024, 1, 30), date(2024, 1, 31), date(1969, 12, 31), date(9999, 12, 31)),
    pa.timestamp("s"): (_NOON, datetime(2024, 1, 31), datetime(1969, 12, 31, 23, 59, 59)),
    pa.timestamp("us"): (_NOON, datetime(2024, 1, 31), datetime(2024, 1, 31, 12, 0, 0, 5), datetime(9999, 1, 1)),
    pa.timestamp("ns"): (_NOON, datetime(2024, 1, 31), datetime(1999, 12, 31, 23, 59, 59, 999999)),
    pa.timestamp("us", "UTC"): (_NOON.replace(tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)),
    pa.timestamp("us", "Europe/Berlin"): (
        _NOON.replace(tzinfo=UTC),
        datetime(2024, 7, 31, 22, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
    ),
    pa.time64("us"): (time(10, 30), time(11), time(23, 59, 59, 5), time()),
    pa.time32("s"): (time(10, 30), time(11)),
}
# Of these the sums need more than 64 bits, or a float would lose digits.
_LARGE_VALUES: Final = (_LARGE, _LARGE, _LARGE - 1, -_LARGE, 2**53, 2**53 + 1, 1)
_NAMES: Final = ("a", "b", "total sales", "größe", 'say "hi"', "it's", "count", "column", "a_2", "mean(a)", "rows")
# The types that a table of the catalog can have, as Hive calls them.
_OF_HIVE: Final = {
    pa.int64(): (ColumnType.INTEGER, "bigint"),
    pa.int32(): (ColumnType.INTEGER, "int"),
    pa.float64(): (ColumnType.NUMBER, "double"),
    pa.float32(): (ColumnType.NUMBER, "float"),
    pa.decimal128(10, 2): (ColumnType.NUMBER, "decimal(10,2)"),
    pa.decimal128(10, 0): (ColumnType.NUMBER, "decimal"),
    pa.decimal128(38, 0): (ColumnType.NUMBER, "decimal(38)"),
    pa.decimal128(38, 3): (ColumnType.NUMBER, "decimal(38, 3)"),
    pa.string(): (ColumnType.STRING, "string"),
    pa.bool_(): (ColumnType.BOOLEAN, "boolean"),
    pa.date32(): (ColumnType.DATE, "date"),
    pa.timestamp("us"): (ColumnType.TIMESTAMP, "timestamp"),
}
# The types that a CSV can hold as they are.
_OF_CSV: Final = (pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.date32(), pa.timestamp("us"))


@dataclass(frozen=True)
class Table:
    """A table: its source, the objects of the source by URI, and the same rows in DuckDB as `t`.

    The columns of `t` are `c0`, `c1` and so on, and `r`, the number of the row.
    """

    source: Source = field(repr=False)
    objects: Mapping[str, bytes] = field(repr=False)
    data: pa.Table

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Returns a database with the table."""
        rows = self.data.rename_columns([f"c{index}" for index in range(self.data.num_columns)])
        found = duckdb.connect()
        found.execute("SET TimeZone = 'UTC'")
        found.register("v", rows.append_column("r", pa.array(range(rows.num_rows), pa.int64())))
        found.execute("CREATE TABLE t AS FROM v")
        return found

    def moved(self, number: int) -> Table:
        """Returns the same table as a source of another session."""

        def move(uri: str) -> str:
            return uri.replace("/sessions/s/", f"/sessions/s{number}/")

        source = self.source
        if isinstance(source, TableSource):
            source = source.model_copy(update={"location": move(source.location), "table": f"t{number}"})
        else:
            copy = source.prepared and source.prepared.model_copy(update={"s3_uri": move(source.prepared.s3_uri)})
            source = source.model_copy(update={"s3_uri": move(source.s3_uri), "prepared": copy})
        return Table(source, {move(uri): stored for uri, stored in self.objects.items()}, self.data)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables of up to 12 rows and 5 columns: half of them Parquet files, the others CSVs and tables of the catalog."""
    kind = draw(st.sampled_from(("parquet", "parquet", "csv", "table")))
    rows = draw(st.integers(1 if kind == "csv" else 0, 12))
    # A row of one empty cell is an empty line, which is no row.
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=2, max_size=5, unique=True))
    types = {"csv": _OF_CSV, "table": [*_OF_HIVE], "parquet": [*_VALUES]}[kind]
    kinds = [draw(st.sampled_from(types)) for _ in names]
    columns = {name: pa.array(draw(cells(one, rows)), one) for name, one in zip(names, kinds, strict=True)}
    if kind == "table":
        return make_table_of_catalog(pa.table(columns))
    return make_file(pa.table(columns), kind, keeps_profile=draw(st.integers(0, 3)) > 0)


def cells(kind: pa.DataType, rows: int) -> st.SearchStrategy[list[Any]]:
    """Values of a column, of which some may be missing."""
    values = st.sampled_from(_VALUES[kind])
    if kind == pa.int64():
        values = st.one_of(values, values, st.sampled_from(_LARGE_VALUES))
    if kind == pa.string():
        values = st.sampled_from(("a", "b", "B", "größe")) | values
    missing = st.sampled_from([0, 0, 1, 4])
    cells = missing.flatmap(lambda share: st.one_of(*[values] * max(1, 4 - share), *[st.none()] * share))
    return st.lists(cells, min_size=rows, max_size=rows)


def make_table_of_catalog(data: pa.Table) -> Table:
    """Returns a table of the catalog with these rows, in two files."""
    # Hive has names in lower case only.
    data = data.rename_columns([name.lower() for name in data.column_names])
    location = f"s3://{BUCKET}/sessions/s/t/"
    objects = {}
    for number, part in enumerate((data.slice(0, 5), data.slice(5))):
        written = io.BytesIO()
        parquet.write_table(part, written)
        objects[f"{location}part-{number}.parquet"] = written.getvalue()
    columns = tuple(
        Column(name=held.name, type=_OF_HIVE[held.type][0], native_type=_OF_HIVE[held.type][1]) for held in data.schema
    )
    source = TableSource(
        database="lake",
        table="t",
        location=location,
        reading=TableReading(serde=SerDe.PARQUET),
        columns=columns,
        size_bytes=sum(map(len, objects.values())),
        job_id="j",
    )
    return Table(source, objects, _without_nan(data))


def make_file(data: pa.Table, suffix: str, *, keeps_profile: bool = True) -> Table:
    """Returns the table of a file with these rows. Without profiles, nothing is known of its values."""
    written = io.BytesIO()
    if suffix == "csv":
        csv.write_csv(data, written)
    else:
        parquet.write_table(data, written)
    source, objects = uploaded(f"t.{suffix}", written.getvalue(), bucket=BUCKET, session_id="s")
    if not keeps_profile:
        columns = tuple(column.model_copy(update={"profile": None}) for column in source.columns)
        source = source.model_copy(update={"columns": columns})
    held = data if suffix == "parquet" else _as_read(data, [column.type for column in source.columns])
    return Table(source, {f"s3://{BUCKET}/{key}": stored for key, stored in objects.items()}, _without_nan(held))


def _as_read(data: pa.Table, kinds: Sequence[ColumnType]) -> pa.Table:
    """Returns the rows of a CSV: an empty text and a null marker are missing, and whole numbers are integers."""
    for index, (held, kind) in enumerate(zip(data.schema, kinds, strict=True)):
        if held.type == pa.string():
            texts = data.column(index)
            missing = pc.is_in(texts, value_set=pa.array(["", "NA"]))
            data = data.set_column(index, held.name, pc.if_else(missing, None, texts))
        elif kind is ColumnType.INTEGER and held.type == pa.float64():
            data = data.set_column(index, held.name, _without_nan(data).column(index).cast(pa.int64()))
    return data


def _without_nan(data: pa.Table) -> pa.Table:
    """Returns the rows with null for NaN, and zeros of one sign."""
    for index, held in enumerate(data.schema):
        if pa.types.is_floating(held.type):
            values = pc.add(data.column(index).cast(pa.float64()), 0.0)
            data = data.set_column(index, held.name, pc.if_else(pc.is_nan(values), None, values))
    return data
