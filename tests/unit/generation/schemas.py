"""Sources and prompts for the tests of the template generator and of verification."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, FileSource, Source, TableSource

NATIVE = {
    ColumnType.INTEGER: "int64",
    ColumnType.NUMBER: "double",
    ColumnType.STRING: "string",
    ColumnType.BOOLEAN: "bool",
    ColumnType.DATE: "date32[day]",
    ColumnType.TIME: "time32[s]",
    ColumnType.TIMESTAMP: "timestamp[s]",
    ColumnType.OTHER: "null",
}


def column(name: str, kind: ColumnType, native: str = "") -> Column:
    return Column(name=name, type=kind, native_type=native or NATIVE[kind])


def csv_source(filename: str = "seattle-weather.csv", columns: tuple[Column, ...] = (), **fields: Any) -> FileSource:
    number = ColumnType.NUMBER
    weather = (
        column("date", ColumnType.DATE),
        column("precipitation", number),
        column("temp_max", number),
        column("temp_min", number),
        column("wind", number),
        column("weather", ColumnType.STRING),
    )
    defaults: dict[str, Any] = {
        "s3_uri": f"s3://raylane/sessions/s-1/csv/{filename}",
        "size_bytes": 48_219,
        "rows": 1461,
    }
    return FileSource(filename=filename, columns=columns or weather, job_id="j", **defaults | fields)


def table_source(name: str = "orders", **fields: Any) -> TableSource:
    defaults: dict[str, Any] = {
        "location": f"s3://lake/sales/{name}/",
        "reading": TableReading(serde=SerDe.PARQUET),
        "columns": (column("amount", ColumnType.NUMBER, "double"), column("city", ColumnType.STRING)),
        "partition_keys": (column("year", ColumnType.INTEGER, "int"),),
    }
    return TableSource(database="sales", table=name, job_id="j", **defaults | fields)


WEATHER = csv_source()
ORDERS = table_source()

_NASTY = (
    "",
    " ",
    "a",
    "A",
    "total",
    "count",
    "rows",
    "by",
    "where",
    "temp max",
    "temp_max",
    "temp-max",
    "price ($)",
    "a.b",
    "x|y",
    "it's",
    'say "hi"',
    '"); import os #',
    "'); __import__('os').system('id') #",
    "{x.__class__}",
    "__class__",
    "a\\",
    "a\nb",
    "\u202e",
    "\ud800",
    "😀",
    "日本 語",
    "s3://other/secret.csv",
    "/etc/passwd",
    "../up",
    "your-bucket",
    "runtime_env",
    "AKIAABCDEFGHIJKLMNOP",
    "5",
    "2020-01-01",
    "rows_2",
    "mean(a)",
)
names = st.sampled_from(_NASTY) | st.text(st.characters(exclude_categories=[]), max_size=8)
kinds = st.sampled_from([ColumnType.NUMBER, ColumnType.INTEGER, ColumnType.STRING, *ColumnType])
columns = st.builds(column, names, kinds)


def column_lists(most: int, least: int = 1) -> st.SearchStrategy[tuple[Column, ...]]:
    """Columns with distinct names, sometimes with duplicates."""
    different = st.lists(columns, min_size=least, max_size=most, unique_by=lambda one: one.name)
    return st.one_of(different, different, different, st.lists(columns, min_size=least, max_size=most)).map(tuple)


csv_sources = st.builds(
    csv_source,
    st.sampled_from(["a.csv", "data 1, 100% #2.csv", "weather", "'); x.csv", "ü.csv"]),
    column_lists(6),
    rows=st.sampled_from([0, 1, 100]),
    size_bytes=st.sampled_from([10, 10**9]),
)
table_sources = st.builds(
    table_source,
    st.sampled_from(["orders", "a b", "x"]),
    columns=column_lists(4),
    partition_keys=column_lists(2, least=0),
    reading=st.builds(TableReading, serde=st.sampled_from(SerDe)),
    size_bytes=st.sampled_from([None, 10, 10**9]),
)
sources = csv_sources | table_sources


def quoted(name: str) -> str:
    """The name in quotes, as a prompt writes it; a name with all three kinds of quotes cannot be written."""
    mark = next((mark for mark in "\"'`" if mark not in name), '"')
    return f"{mark}{name}{mark}"


VALUES: dict[ColumnType, list[str]] = {
    ColumnType.INTEGER: ["5", "-7", "99999999999999999999"],
    ColumnType.NUMBER: ["5", "-1.5", "1e-3", "1e999"],
    ColumnType.STRING: ["rain", "''", "'/etc/passwd'", '"\'); x #"', "'s3://other/secret'", "'your-bucket'", "7"],
    ColumnType.BOOLEAN: ["true", "no"],
    ColumnType.DATE: ["2020-01-01", "'2020-12-31'", "2020-13-01"],
    ColumnType.TIMESTAMP: ["2020-01-01", "'2020-01-01 10:00:00'"],
    ColumnType.TIME: ["10:30", "'25:00'"],
    ColumnType.OTHER: ["1"],
}


@st.composite
def prompts(draw: st.DrawFn, source: Source) -> str:
    """Prompts of the grammar about the columns of the source. Most are understood, some have one error."""
    keys = source.partition_keys if isinstance(source, TableSource) else ()
    known = st.sampled_from((*source.columns, *keys))

    def name(*wanted: ColumnType) -> st.SearchStrategy[str]:
        fitting = [one for one in (*source.columns, *keys) if one.type in wanted] or [*source.columns]
        said = st.sampled_from(fitting).map(lambda one: quoted(one.name))
        return st.one_of(*[said] * 8, known.map(lambda one: one.name), names)

    def listed(one: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.lists(one, min_size=1, max_size=2).map(" and ".join)

    @st.composite
    def condition(draw: st.DrawFn) -> str:
        one = draw(known)
        kind = one.type if draw(st.integers(0, 9)) else draw(kinds)
        value = st.sampled_from(VALUES[kind])
        if one.type is ColumnType.OTHER or draw(st.integers(0, 9)) == 0:
            return f"{quoted(one.name)} is missing"
        comparisons = ["= {}", "!= {}", "is {}", "in ({}, {})"]
        comparisons += ["contains {}"] if one.type is ColumnType.STRING else []
        comparisons += ["> {}", "at most {}", "between {} and {}"] if one.type not in _UNORDERED else []
        return f"{quoted(one.name)} {draw(st.sampled_from(comparisons)).format(draw(value), draw(value))}"

    numeric = name(ColumnType.INTEGER, ColumnType.NUMBER)
    any_name = name(*(set(ColumnType) - {ColumnType.OTHER}))
    number = st.sampled_from(["1", "5", "ten", "1000", "5", "3", "20", "1001", "9" * 5000])
    statistics = [
        "sum of",
        "average",
        "median",
        "min",
        "max of",
        "standard deviation of",
        "min and max of",
        "count distinct",
    ]
    aggregate = st.tuples(st.sampled_from(statistics), listed(numeric)).map(" ".join)
    ranked = st.tuples(st.sampled_from([*statistics[:6], "count distinct"]), numeric).map(" ".join) | st.just("count")
    operation = draw(
        st.one_of(
            number.map("first {} rows".format),
            st.sampled_from(["how many rows", "columns", "describe", "missing values", "rows", "all rows"]),
            listed(numeric).map("describe {}".format),
            listed(any_name).map("missing values in {}".format),
            listed(any_name).map("distinct {}".format),
            listed(any_name).map("count rows by {}".format),
            aggregate,
            st.tuples(aggregate, listed(any_name)).map(" by ".join),
            st.tuples(number, numeric).map(lambda parts: "top {} by {}".format(*parts)),
            st.tuples(number, any_name, ranked).map(lambda parts: "bottom {} {} by {}".format(*parts)),
        )
    )
    conditions = draw(st.lists(condition(), max_size=2))
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"{operation}{where}{draw(st.sampled_from(['', '?', f' in {source.name}']))}"


_UNORDERED = (ColumnType.STRING, ColumnType.BOOLEAN)
