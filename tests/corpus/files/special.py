"""Files that each have one difficulty, most of them as real people uploaded them."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from raylane_common.wire.names import ColumnType
from raylane_common.wire.reading import ReadingOptions
from tests.corpus.files.model import Case, Refused, Typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Cell = None | bool | int | float | str | date | datetime | time
INTEGER, NUMBER, STRING = ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.STRING
BOOLEAN, DATE, TIME, TIMESTAMP = ColumnType.BOOLEAN, ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP


def text(*rows: str) -> bytes:
    """Returns the rows as lines of UTF-8."""
    return "".join(f"{row}\n" for row in rows).encode()


def _case(
    name: str,
    data: bytes | str,
    columns: str,
    kinds: Sequence[ColumnType],
    *rows: Sequence[Cell],
    warned: str = "",
    **said: Any,
) -> Case:
    """Returns a case; `columns` are names with spaces between them."""
    raw = data.encode() if isinstance(data, str) else data
    named = zip(columns.split(" "), kinds, strict=True)
    table = {column: Typed(kind, [row[place] for row in rows]) for place, (column, kind) in enumerate(named)}
    return Case(
        name,
        raw,
        table,
        options=ReadingOptions.model_validate(said),
        warns=re.escape(warned),
        quick=len(raw) < 100_000,
    )


def _one(name: str, kind: ColumnType, cells: Sequence[str], values: Sequence[Cell], **more: Any) -> Case:
    """Returns a case with a column `x` of these cells, and a column `n` that counts them."""
    lines = [f'"{cell}",{number}' if "," in cell else f"{cell},{number}" for number, cell in enumerate(cells)]
    rows = [(value, number) for number, value in enumerate(values)]
    return _case(name, text("x,n", *lines), "x n", (kind, INTEGER), *rows, **more)


def cases() -> Iterator[Case]:
    """Yields all of them."""
    yield from _numbers()
    yield from _codes()
    yield from _dates()
    yield from _missing()
    yield from _shapes()
    yield from _late()
    yield from _refused()


def _numbers() -> Iterator[Case]:
    yield _one("negative numbers", INTEGER, ["-1", "0", "12"], [-1, 0, 12])
    yield _one("fractions", NUMBER, ["1.5", ".5", "-2", "3."], [1.5, 0.5, -2.0, 3.0])
    yield _one("scientific fractions", NUMBER, ["1.5e-3", "2.0E5", "1e-05"], [0.0015, 200000.0, 1e-05])
    yield _one("integers then a fraction", NUMBER, ["1", "2", "2.5"], [1.0, 2.0, 2.5])
    yield _one("spaces around numbers", INTEGER, [" 1", "2 ", " 3 "], [1, 2, 3])
    yield _one("thousands", INTEGER, ["1,234", "12,345,678", "5"], [1234, 12345678, 5])
    yield _one("thousands and fractions", NUMBER, ["1,234.50", "12.25", "1,000,000.75"], [1234.5, 12.25, 1000000.75])
    yield _one("dollars", NUMBER, ["$1,234.50", "$12.25", "$0.75"], [1234.5, 12.25, 0.75])
    yield _one("euros behind", NUMBER, ["12.50 €", "3.25 €", "1.00 €"], [12.5, 3.25, 1.0])
    yield _one("pounds", INTEGER, ["£5", "£12", "£7"], [5, 12, 7])
    yield _one("currency codes", NUMBER, ["USD 5.50", "USD 12.25", "USD 7.75"], [5.5, 12.25, 7.75])
    yield _one("percent", NUMBER, ["12.5%", "3.25%", "0.5%"], [12.5, 3.25, 0.5])
    yield _one("percent, whole", INTEGER, ["12%", "3%", "100%"], [12, 3, 100])
    yield _one("parentheses for negative", NUMBER, ["(1.50)", "2.25", "(3.75)"], [-1.5, 2.25, -3.75])
    yield _one("two currencies", STRING, ["$5", "€6", "$7"], ["$5", "€6", "$7"])
    yield _one("numbers and a word", STRING, ["1", "2", "many"], ["1", "2", "many"])
    yield _one("nothing but zeros and ones", INTEGER, ["0", "1", "1"], [0, 1, 1])
    yield _one("largest of 64 bits", INTEGER, ["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)])
    rows = "x;n\n1,5;0\n2,75;1\n-0,25;2\n"
    yield _case("decimal comma", rows, "x n", (NUMBER, INTEGER), (1.5, 0), (2.75, 1), (-0.25, 2))
    rows = "x;n\n1.234,5;0\n12.345.678,75;1\n5,25;2\n"
    expected = ((1234.5, 0), (12345678.75, 1), (5.25, 2))
    yield _case("decimal comma and thousands", rows, "x n", (NUMBER, INTEGER), *expected)
    rows = "x;y\n1.234;1,5\n2.345;2,5\n"
    yield _case("thousands beside a decimal comma", rows, "x y", (INTEGER, NUMBER), (1234, 1.5), (2345, 2.5))
    rows = "x;n\n1 234,5;0\n12 345,25;1\n"
    yield _case("thin thousands", rows, "x n", (NUMBER, INTEGER), (1234.5, 0), (12345.25, 1))
    rows = "x;n\n1,234;0\n2,345;1\n"
    expected_text = (("1,234", 0), ("2,345", 1))
    yield _case("a comma that may be either", rows, "x n", (STRING, INTEGER), *expected_text, warned="--decimal")
    yield _case("a comma that the user explains", rows, "x n", (NUMBER, INTEGER), (1.234, 0), (2.345, 1), decimal=",")
    yield _case("a point that the user explains", rows, "x n", (INTEGER, INTEGER), (1234, 0), (2345, 1), decimal=".")
    big = 9_000_000_000_000_000_000
    yield _case("a sum beyond 64 bits", f"x\n{big}\n{big}\n", "x", (INTEGER,), (big,), (big,))
    yield _case(
        "nanoseconds",
        "x\n1704067200000000000\n1704067200000000001\n" * 1,
        "x",
        (INTEGER,),
        (1704067200000000000,),
        (1704067200000000001,),
    )


def _codes() -> Iterator[Case]:
    yield _one("postal codes", STRING, ["00501", "02134", "10115"], ["00501", "02134", "10115"])
    yield _one("hexadecimal", STRING, ["0xFF", "0x10", "255"], ["0xFF", "0x10", "255"])
    yield _one("codes like 1E5", STRING, ["1E5", "2E3", "7D2"], ["1E5", "2E3", "7D2"])
    yield _one("only codes like 1E5", STRING, ["1E5", "2E3", "9E9"], ["1E5", "2E3", "9E9"])
    yield _one("telephone numbers", STRING, ["+4930123", "+4989456"], ["+4930123", "+4989456"])
    yield _one(
        "ids beyond 64 bits",
        STRING,
        ["12345678901234567890", "12345678901234567891"],
        ["12345678901234567890", "12345678901234567891"],
    )
    yield _one("versions", STRING, ["1.2.3", "1.10.0"], ["1.2.3", "1.10.0"])
    yield _one("addresses", STRING, ["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"])
    yield _one("words of programs", STRING, ["inf", "north"], ["inf", "north"])
    yield _one("one leading zero", STRING, ["0123", "456"], ["0123", "456"])
    yield _one("a zero alone", INTEGER, ["0", "10"], [0, 10])
    yield _one("dates in one number", INTEGER, ["20240131", "20240201"], [20240131, 20240201])
    yield _one("years", INTEGER, ["2023", "2024"], [2023, 2024])
    yield _one("booleans", BOOLEAN, ["true", "False", "TRUE"], [True, False, True])
    yield _one("yes and no", STRING, ["yes", "no"], ["yes", "no"])
    yield _one("a type that the user says", STRING, ["1", "2"], ["1", "2"], types={"x": "string"})


def _dates() -> Iterator[Case]:
    first, last = date(2024, 1, 31), date(2024, 2, 5)
    for style in (
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d.%m.%Y",
        "%d-%m-%Y",
        "%b %d, %Y",
        "%d %B %Y",
        "%d-%b-%Y",
    ):
        yield _one(f"dates as {style}", DATE, [first.strftime(style), last.strftime(style)], [first, last])
    yield _one("dates as d/m/yy", DATE, ["31/1/24", "5/2/24"], [first, last])
    yield _one("short dates", DATE, ["31.1.2024", "5.2.2024"], [first, last])
    doubtful = ["01/02/2024", "03/04/2024"]
    yield _one("day or month", STRING, doubtful, doubtful, warned="01/02/2024")
    yield _one("a day that does not exist", STRING, ["2024-02-30", "2024-02-28"], ["2024-02-30", "2024-02-28"])
    yield _one("long ago", DATE, ["1066-10-14", "2300-01-01"], [date(1066, 10, 14), date(2300, 1, 1)])
    moments = [datetime(2024, 1, 31, 10, 30), datetime(2024, 2, 5, 23, 5)]
    for style in (
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%d/%m/%Y %H:%M",
        "%m/%d/%Y %I:%M %p",
        "%d.%m.%Y %H:%M:%S",
    ):
        yield _one(f"moments as {style}", TIMESTAMP, [each.strftime(style) for each in moments], moments)
    yield _one(
        "a date, then a moment", TIMESTAMP, ["2024-01-31", "2024-02-05 23:05:00"], [datetime(2024, 1, 31), moments[1]]
    )
    fractions = ["2024-01-31 10:30:00.123456", "2024-02-05 23:05:00.5"]
    values = [moments[0].replace(microsecond=123456), moments[1].replace(microsecond=500000)]
    yield _one("fractions of seconds", TIMESTAMP, fractions, values)
    yield _one("times", TIME, ["10:30:00", "11:45:00", "10:30:00"], [time(10, 30), time(11, 45), time(10, 30)])
    yield _one("times without seconds", TIME, ["10:30", "9:05"], [time(10, 30), time(9, 5)])
    yield _one("durations", STRING, ["10:30", "25:30"], ["10:30", "25:30"])
    yield _one("half dates", STRING, ["2024-01", "2024-02"], ["2024-01", "2024-02"])


def _missing() -> Iterator[Case]:
    data = text("id,name", "1,Bob", "2,N/A", "3,", "4,NULL", "5,NA")
    rows = ((1, "Bob"), (2, None), (3, None), (4, None), (5, None))
    yield _case("markers in text", data, "id name", (INTEGER, STRING), *rows)
    yield _one("markers in numbers", INTEGER, ["1", "NA", "-", "3"], [1, None, None, 3])
    yield _one("markers in dates", DATE, ["2024-01-31", "?", "NULL"], [date(2024, 1, 31), None, None])
    yield _one("no markers", STRING, ["NA", "DE", "US"], ["NA", "DE", "US"], null_markers=("-",))
    yield _one("a marker of one's own", INTEGER, ["1", "-999", "3"], [1, None, 3], null_markers=("-999",))
    yield _case("an empty column", "a,b\n1,\n2,\n", "a b", (INTEGER, STRING), (1, None), (2, None))
    yield _case("quoted and empty", 'a,b\n1,""\n2,x\n', "a b", (INTEGER, STRING), (1, None), (2, "x"))


def _shapes() -> Iterator[Case]:
    pair = (INTEGER, INTEGER)
    yield _case("header only", "a,b\n", "a b", (STRING, STRING))
    yield _case("one row", "a,b\n1,2\n", "a b", pair, (1, 2))
    yield _case("one column", "a\n1\n2\n", "a", (INTEGER,), (1,), (2,))
    yield _case("no line end", "a,b\n1,2", "a b", pair, (1, 2))
    yield _case("trailing delimiters", "a,b\n1,2,\n3,4,\n", "a b", pair, (1, 2), (3, 4))
    yield _case("empty names at the end", "id,n,,\n1,2,,\n3,4,,\n", "id n", pair, (1, 2), (3, 4))
    yield _case("an empty name", ",a\n1,2\n3,4\n", "column_1 a", pair, (1, 2), (3, 4), warned="column_1")
    yield _case("the same name twice", "a,a\n1,2\n", "a a_2", pair, (1, 2), warned="a_2")
    yield _case("a name that is taken", "a,a,a_2\n1,2,3\n", "a a_3 a_2", (INTEGER,) * 3, (1, 2, 3), warned="a_3")
    rows = ((1, "alice", 5), (2, "bob", 6), (3, "carol", 7))
    data = "1,alice,5\n2,bob,6\n3,carol,7\n"
    names = "column_1 column_2 column_3"
    yield _case("no header", data, names, (INTEGER, STRING, INTEGER), *rows, warned="--header-line 1")
    yield _case("short rows", "a,b,c\n1,2,3\n4,5\n", "a b c", (INTEGER,) * 3, (1, 2, 3), (4, 5, None), warned="line 3")
    yield _case("comments", "# x\na,b\n1,2\n# y\n3,4\n# z\n", "a b", pair, (1, 2), (3, 4))
    yield _case("a separator line", "sep=,\nid,n\n1,10\n2,20\n", "id n", pair, (1, 10), (2, 20))
    yield _case(
        "years as names", "x,2019,2020\na,1,2\nb,3,4\n", "x 2019 2020", (STRING, *pair), ("a", 1, 2), ("b", 3, 4)
    )
    yield _case("spaces after commas", 'a, b\n1, "x, y"\n', "a b", (INTEGER, STRING), (1, "x, y"))
    yield _case("quotes by backslash", 'a,b\n1,"x \\"y\\""\n2,"z"\n', "a b", (INTEGER, STRING), (1, 'x "y"'), (2, "z"))
    yield _case("an inch", 'a,b\n1,5" pipe\n2,x\n', "a b", (INTEGER, STRING), (1, '5" pipe'), (2, "x"))
    yield _case("emoji", "😀,b\n1,😀 ok\n", "😀 b", (INTEGER, STRING), (1, "😀 ok"))
    wide = [f"c{number}" for number in range(3000)]
    yield _case(
        "3,000 columns", text(",".join(wide), ",".join("1" * 3000)), " ".join(wide), (INTEGER,) * 3000, (1,) * 3000
    )
    long = "x" * 900_000
    yield _case("a cell of 900 kB", f"a,b\n1,{long}\n2,y\n", "a b", (INTEGER, STRING), (1, long), (2, "y"))
    longer = "x" * 3_000_000
    yield _case("a record of 3 MB", f"a,b\n1,{longer}\n2,y\n", "a b", (INTEGER, STRING), (1, longer), (2, "y"))


def _late() -> Iterator[Case]:
    """What changes behind the first MiB."""
    rows: list[Sequence[Cell]] = [*((float(n), n % 7) for n in range(150_000)), (1.5, 0)]
    data = text("v,k", *[f"{n},{n % 7}" for n in range(150_000)], "1.5,0")
    yield _case("a fraction at the end", data, "v k", (NUMBER, INTEGER), *rows)
    rows = [*((n, None) for n in range(200_000)), (200_000, "late")]
    data = text("id,v", *[f"{n}," for n in range(200_000)], "200000,late")
    yield _case("empty until the end", data, "id v", (INTEGER, STRING), *rows)
    rows = [*((str(n), 1) for n in range(200_000)), ("x", 1)]
    data = text("v,k", *[f"{n},1" for n in range(200_000)], "x,1")
    yield _case("a word at the end", data, "v k", (STRING, INTEGER), *rows)
    start = datetime(2024, 1, 1)
    rows = [*[(start, 1)] * 100_000, (datetime(2024, 1, 2, 3, 4), 1)]
    data = text("d,k", *["2024-01-01,1"] * 100_000, "2024-01-02 03:04:00,1")
    yield _case("a moment at the end", data, "d k", (TIMESTAMP, INTEGER), *rows)
    note = "word " * 20 + "\n" + "more " * 20
    data = text("id,note", *[f'{n},"{note}"' for n in range(8000)])
    yield _case(
        "line ends at the border of blocks", data, "id note", (INTEGER, STRING), *[(n, note) for n in range(8000)]
    )
    data = text("a,b", *["1,x"] * 400_000) + "2,café\n".encode("latin-1")
    yield _case(
        "a letter at the end", data, "a b", (INTEGER, STRING), *[(1, "x")] * 400_000, (2, "café"), warned="cp1252"
    )


def _refused() -> Iterator[Case]:
    for name, data, problem in (
        ("HTML", b"<!DOCTYPE html>\n<html>\n<body>Access denied</body>\n</html>\n", "HTML"),
        ("XML", b"<?xml version='1.0'?>\n<rows><row/></rows>\n", "XML"),
        ("PDF", b"%PDF-1.7\n", "PDF"),
        ("nothing", b"", "empty"),
        ("blank lines", b"\n\n", "empty"),
        ("a long row", text("a,b", "1,2", "3,4,5", "6,7"), "line 3"),
        ("two tables", text("a,b", "1,2", "", "x,y,z", "1,2,3"), "line 4"),
        ("an open quote", text("a,b", '1,"x', "2,y"), "never closed"),
        ("a NUL", b"a,b\n1,\x002\n", "line 2"),
        ("cut JSON", b'[{"a": 1}, {"a"', "record 2"),
        ("JSON numbers", b"[1, 2, 3]", "record 1"),
        ("a picture", b"\x89PNG\r\n\x1a\n", "picture"),
    ):
        yield Case(f"refused: {name}", data, Refused(re.escape(problem), "it is no table"))
    data = text("a,b", "1,2")
    for name, content, problem, said in (
        ("a column that is not there", data, "types", {"types": {"c": "string"}}),
        ("a type that does not fit", text("a", "1", "x"), "row 2", {"types": {"a": "integer"}}),
        ("another delimiter", data, "delimiter", {"delimiter": "|"}),
        ("another encoding", b"a\ncaf\xe9\n", "encoding", {"encoding": "utf-8"}),
    ):
        options = ReadingOptions.model_validate(said)
        yield Case(f"refused: {name}", content, Refused(problem, "the option does not fit"), options=options)
