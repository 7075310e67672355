"""Headers: their absence, titles and comments above them, their names, and what is below the rows."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING

from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import ColumnType
from tests.corpus.files.dialect import Dialect, Quoting
from tests.corpus.files.model import Answers, Case, Refused, ints, nums, of, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

TWO = {"a": ints(1, 3), "b": ints(2, 4)}
_NAMES = [
    "plain", "two words", "Umlaut ä", "日本", "😀", 'with "quotes"', "it's", "a,b", "a;b", "dot.ted", "dash-ed",
    "order by", "class", "lambda", "$price", "50%", "#", "a/b", "a\\b", "(paren)", "[bracket]", "{brace}",
    "tab\tbed", "select", "123abc", "new\nline", "UPPER", "x" * 5000, "null-ish", "__dunder__", "id", "index",
    "rows", "decimal", "delimiter", "--encoding", "types", "e\u0301", "*", "?x", "a=b", "true-ish", "0x", "None here",
    "column_1x",
]  # fmt: skip


def cases() -> Iterator[Case]:
    """Yields the cases."""
    yield from _without_header()
    yield from _above()
    yield from _below()
    yield from _names()
    yield from _of_r()
    yield from _small()


def _without_header() -> Iterator[Case]:
    table = {"column_1": ints(1, 2, 3), "column_2": texts("alice", "bob", "carol"), "column_3": ints(5, 6, 7)}
    yield Case(
        "no header",
        b"1,alice,5\n2,bob,6\n3,carol,7\n",
        table,
        answers=Answers(3, 18, {"alice": (1, 5), "bob": (1, 6), "carol": (1, 7)}),
        warns="header",
    )
    for delimiter in ";\t|":
        data = Dialect(delimiter).write([["1", "alice", "5"], ["2", "bob", "6"], ["3", "carol", "7"]])
        yield Case(f"no header, delimiter {delimiter!r}", data, table, warns="header")
    said = ReadingOptions(header_line=0)
    words = {"column_1": texts("a", "c", "e"), "column_2": texts("b", "d", "f")}
    yield Case("no header is stated for words", b"a,b\nc,d\ne,f\n", words, options=said)
    yield Case(
        "a header is stated for numbers",
        b"1,2\n3,4\n",
        {"1": ints(3), "2": ints(4)},
        options=ReadingOptions(header_line=1),
    )
    yield Case(
        "no header, dates",
        b"2024-01-05,1.5\n2024-01-06,2.5\n2024-01-07,3.5\n",
        {"column_1": of(ColumnType.DATE, _days(3)), "column_2": nums(1.5, 2.5, 3.5)},
        warns="header",
    )
    yield Case(
        "no header, an empty cell in the first row",
        b"1,,5\n2,bob,6\n3,carol,7\n",
        table | {"column_2": texts(None, "bob", "carol")},
        warns="header",
    )
    yield Case(
        "a header of years",
        b"name,2019,2020\na,1,2\nb,3,4\n",
        {"name": texts("a", "b"), "2019": ints(1, 3), "2020": ints(2, 4)},
    )
    yield Case(
        "a header over texts only",
        b"first,last\nAda,Lovelace\nGrace,Hopper\n",
        {"first": texts("Ada", "Grace"), "last": texts("Lovelace", "Hopper")},
    )
    yield Case("the second line is stated", b"x,y\na,b\n1,2\n3,4\n", TWO, options=ReadingOptions(header_line=2))
    yield Case(
        "a line that does not exist is stated",
        b"a,b\n1,2\n",
        Refused("line", "the file has two lines"),
        options=ReadingOptions(header_line=10),
    )


def _days(count: int) -> list[object]:
    from datetime import date

    return [date(2024, 1, 5 + i) for i in range(count)]


def _above() -> Iterator[Case]:
    for name, top in {
        "a comment": "# exported 2024-01-05\n",
        "three comments": "# one\n# two\n# three\n",
        "a comment with commas": "# one, two, three\n",
        "a title": "Sales report\n",
        "a title and a blank line": "Sales report\n\n",
        "a title with delimiters": "Sales report,\n",
        "two title lines": "Sales report\nJanuary 2024\n",
        "a title in quotes": '"Sales, in EUR"\n\n',
        "blank lines": "\n\n",
        "blank rows": ",\n,\n",
        "a line of key and value": "Exported:,2024-01-05\n\n",
        "percent signs": "% made by hand\n",
        "slashes": "// made by hand\n",
    }.items():
        yield Case(
            f"{name} above the header",
            f"{top}a,b\n1,2\n3,4\n".encode(),
            TWO,
            answers=Answers(2, 6, {1: (1, 2), 3: (1, 4)}),
        )
        if "delimiters" not in name and "key" not in name and "rows" not in name:
            data = f"{top}a;b\n1;2\n3;4\n".replace("\n", "\r\n").encode("utf-8-sig")
            yield Case(f"{name} above semicolons, crlf, mark", data, TWO, quick=False)
    yield Case("comments between rows", b"a,b\n1,2\n# note, this\n3,4\n", TWO)
    yield Case("a header in a comment", b"#a,b\n1,2\n3,4\n", {"#a": ints(1, 3), "b": ints(2, 4)})
    yield Case("a hash in cells", b"tag,n\n#one,1\n#two,2\n", {"tag": texts("#one", "#two"), "n": ints(1, 2)})
    yield Case(
        "a hash in the first cell of one row",
        b"tag,n\none,1\n#two,2\nthree,3\n",
        {"tag": texts("one", "#two", "three"), "n": ints(1, 2, 3)},
        because="a line that looks like a row is a row",
    )


def _below() -> Iterator[Case]:
    text_total = {"name": texts("a", "b", "Total"), "x": texts(None, None, None), "n": ints(1, 2, 3)}
    yield Case(
        "a row of totals",
        b"name,x,n\na,,1\nb,,2\nTotal,,3\n",
        text_total,
        because="a total is a row like others",
    )
    yield Case(
        "a footer of one cell",
        b"a,b\n1,2\n3,4\nSource: the office\n",
        {"a": texts("1", "3", "Source: the office"), "b": ints(2, 4, None)},
        warns="line 4",
        because="a short row is filled, and told",
    )
    yield Case(
        "a short row",
        b"a,b,c\n1,2,3\n4,5\n6,7,8\n",
        {"a": ints(1, 4, 6), "b": ints(2, 5, 7), "c": ints(3, None, 8)},
        warns="line 3",
    )
    yield Case("a long row", b"a,b\n1,2\n3,4,5\n6,7\n", Refused("line 3", "a cell has no column"))
    yield Case(
        "a long row late",
        b"a,b\n" + b"1,2\n" * 200_000 + b"3,4,5\n",
        Refused("line 200002", "a cell has no column"),
        quick=False,
    )
    yield Case(
        "two files one below the other",
        b"a,b\n1,2\na,b\n3,4\n",
        {"a": ints(1, 3), "b": ints(2, 4)},
        warns="line 3",
        because="the row that repeats the names is left out",
    )
    yield Case(
        "two tables one below the other",
        b"a,b\n1,2\n\nx,y,z\n3,4,5\n",
        Refused("line 4", "the second table has more columns"),
    )
    yield Case("a quote that never closes", b'a,b\n1,"x\n2,y\n3,z\n', Refused("quote|line", "the last cell has no end"))


def _names() -> Iterator[Case]:
    header = list(_NAMES)
    yield Case(
        "unusual names",
        Dialect().write([header, ["1"] * len(header), ["2"] * len(header)]),
        {_clean(name): ints(1, 2) for name in header},
    )
    for name in _NAMES:
        data = Dialect(quoting=Quoting.ALL).write([["key", name], ["a", "1"], ["b", "2"]])
        yield Case(
            f"a column named {name[:20]!r}", data, {"key": texts("a", "b"), _clean(name): ints(1, 2)}, quick=False
        )
    yield Case(
        "two columns of one name",
        b"amount,amount\n1,2\n3,4\n",
        {"amount": ints(1, 3), "amount_2": ints(2, 4)},
        warns="amount_2",
    )
    yield Case(
        "a new name that is taken",
        b"amount,amount_2,amount\n1,2,3\n",
        {"amount": ints(1), "amount_2": ints(2), "amount_3": ints(3)},
        warns="amount_3",
    )
    yield Case(
        "three columns of one name", b"a,a,a\n1,2,3\n", {"a": ints(1), "a_2": ints(2), "a_3": ints(3)}, warns="a_3"
    )
    yield Case("an empty name", b"a,,c\n1,2,3\n", {"a": ints(1), "column_2": ints(2), "c": ints(3)}, warns="column_2")
    yield Case(
        "an empty first name", b",b\n0,x\n1,y\n", {"column_1": ints(0, 1), "b": texts("x", "y")}, warns="column_1"
    )
    yield Case("names in two cases", b"Id,id\n1,2\n", {"Id": ints(1), "id": ints(2)})
    yield Case(
        "10,000 columns",
        Dialect().write([[f"c{i}" for i in range(10_000)], ["1"] * 10_000]),
        {f"c{i}": ints(1) for i in range(10_000)},
        quick=False,
    )
    yield Case(
        "a name in several lines",
        b'"first\nname",n\nAda,1\n',
        {"first name": texts("Ada"), "n": ints(1)},
    )


def _of_r() -> Iterator[Case]:
    """What R, pandas and statistical offices write."""
    index = {"column_1": ints(1, 2), "type": texts("A", "B"), "n": ints(127, 63)}
    yield Case("the index of R", b'"","type","n"\n"1","A",127\n"2","B",63\n', index, warns="column_1")
    yield Case(
        "the index of R, years as names",
        b'"","2019","2020"\n"a",50,19\n"b",16,40\n',
        {"column_1": texts("a", "b"), "2019": ints(50, 16), "2020": ints(19, 40)},
    )
    yield Case(
        "the index of pandas, texts only",
        b",first,last\na,Ada,Lovelace\nb,Grace,Hopper\n",
        {"column_1": texts("a", "b"), "first": texts("Ada", "Grace"), "last": texts("Lovelace", "Hopper")},
    )
    yield Case(
        "one name fewer than cells",
        b"Weight,Feed\na,26.5,NA\nb,27.5,5.2\nc,36.5,17.6\n",
        Refused("line", "which column has no name?"),
    )
    yield Case(
        "the names of rows of R, without a name for them",
        b'"Weight","Feed"\n"1",26.5,NA\n"2",27.5,5.2\n"3",36.5,17.6\n',
        {"column_1": ints(1, 2, 3), "Weight": nums(26.5, 27.5, 36.5), "Feed": nums(None, 5.2, 17.6)},
        warns="leaves out the first column",
    )
    yield Case(
        "a line of counts above rows without a header",
        b"569,30,malignant,benign\n17.99,10.38,122.8,1001,0\n20.57,17.77,132.9,1326,0\n19.69,21.25,130,1203,0\n",
        Refused("line", "the first record is no header"),
    )
    table = {"a": ints(1, 2, 3), "b": of(ColumnType.DATE, [date(2024, 1, 31), None, None])}
    yield Case(
        "a title above quoted rows of two cells",
        b'Sales\n"a","b"\n"1","2024-01-31"\n"2",""\n"3",""\n',
        table,
        warns="left out",
    )
    yield Case(
        "a title of two words above cells with one space",
        b"Sales report\nthe city,n\nNew York,8\nLos Angeles,4\nSan Diego,1\n",
        {"the city": texts("New York", "Los Angeles", "San Diego"), "n": ints(8, 4, 1)},
        warns="left out",
    )
    yield Case(
        "spaces between numbers with decimal commas",
        b"x y\n1,5 2,25\n3,5 4,75\n",
        {"x": nums(1.5, 3.5), "y": nums(2.25, 4.75)},
    )
    yield Case("a title above nearly empty columns", b"Sales\n\na,b\n1,2024-01-31\n2,\n3,\n", table, warns="left out")
    yield Case(
        "no header, and times that are often missing",
        b"11;23:19\n12;04:14\n13;\n14;\n15;\n16;\n",
        {
            "column_1": ints(11, 12, 13, 14, 15, 16),
            "column_2": of(ColumnType.TIME, [time(23, 19), time(4, 14), None, None, None, None]),
        },
        warns="--header-line 1",
    )
    titles = b"Series Id:  X1\n\nSeasonally Adjusted\nSeries title:  Rate\nType of data:  Percent\n\n\n"
    yield Case(
        "many titles of an office",
        titles + b"Series id,Year,Value,\nX1,1959,5.8\nX1,1960,5.1\nX1,1961,6.1\n",
        {"Series id": texts("X1", "X1", "X1"), "Year": ints(1959, 1960, 1961), "Value": nums(5.8, 5.1, 6.1)},
    )


def _clean(name: str) -> str:
    """The name on one line, as Raylane spells it."""
    return " ".join(name.split())


def _small() -> Iterator[Case]:
    yield Case("one row", b"a,b\n1,x\n", {"a": ints(1), "b": texts("x")})
    yield Case("one row without its end", b"a,b\n1,x", {"a": ints(1), "b": texts("x")})
    yield Case("only a header", b"a,b,c\n", {"a": texts(), "b": texts(), "c": texts()})
    yield Case("only a header without its end", b"a,b,c", {"a": texts(), "b": texts(), "c": texts()})
    yield Case("an empty column", b"a,b\n1,\n2,\n", {"a": ints(1, 2), "b": texts(None, None)})
    yield Case("empty columns everywhere", b"a,b\n,\n,\n", {"a": texts(None, None), "b": texts(None, None)})
    yield Case("one column and one row", b"a\n1\n", {"a": ints(1)})
    yield Case("a huge cell", b"a,b\n1," + b"x" * 900_000 + b"\n", {"a": ints(1), "b": texts("x" * 900_000)})
    yield Case(
        "a cell of 3 MiB",
        b"a,b\n1," + b"x" * 3_000_000 + b"\n2,y\n",
        {"a": ints(1, 2), "b": texts("x" * 3_000_000, "y")},
        quick=False,
    )
