"""Delimiters, line ends and quotes, combined."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from raylane_common.wire.reading import ReadingOptions
from tests.corpus.files.dialect import Dialect, Quoting
from tests.corpus.files.model import Answers, Case, ints, nums, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
ENDS: Final = {"\n": "lf", "\r\n": "crlf", "\r": "cr"}

PEOPLE: Final = {
    "id": ints(1, 2, 3, 4),
    "name": texts("Ada", "Grace", "Edsger", "Barbara"),
    "city": texts("London", "New York", None, "Los Angeles"),
    "score": nums(1.5, 2.25, 10, -0.5),
}
PEOPLE_ANSWERS: Final = Answers(
    4, 13.25, {"Ada": (1, 1.5), "Grace": (1, 2.25), "Edsger": (1, 10.0), "Barbara": (1, -0.5)}
)
PEOPLE_ROWS: Final = [
    ["id", "name", "city", "score"],
    ["1", "Ada", "London", "1.5"],
    ["2", "Grace", "New York", "2.25"],
    ["3", "Edsger", "", "10"],
    ["4", "Barbara", "Los Angeles", "-0.5"],
]
_NASTY: Final = [
    "plain",
    'says "yes"',
    "one, two",
    "a; b",
    "tab\there",
    "pipe | here",
    "two\nlines",
    "it's",
    " spaces ",
    '"',
]
NASTY: Final = {"id": ints(*range(len(_NASTY))), "note": texts(*_NASTY), "n": ints(*range(10, 10 + len(_NASTY)))}
NASTY_ROWS: Final = [["id", "note", "n"], *([str(i), note, str(i + 10)] for i, note in enumerate(_NASTY))]


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for delimiter, end, quoting in product(NAMES, ENDS, Quoting):
        dialect = Dialect(delimiter, quoting=quoting, line_end=end)
        name = f"{NAMES[delimiter]} {ENDS[end]} quotes {quoting}"
        yield Case(f"people {name}", dialect.write(PEOPLE_ROWS), PEOPLE, answers=PEOPLE_ANSWERS, quick=end != "\r\n")
        if quoting is not Quoting.NONE:
            yield Case(f"hard cells {name}", dialect.write(NASTY_ROWS), NASTY, quick=end == "\n")
    for delimiter in NAMES:
        open_end = Dialect(delimiter, last_line_ends=False)
        yield Case(f"no end of the last line, {NAMES[delimiter]}", open_end.write(PEOPLE_ROWS), PEOPLE)
        apostrophes = Dialect(delimiter, quote="'", quoting=Quoting.ALL)
        yield Case(f"single quotes, {NAMES[delimiter]}", apostrophes.write(PEOPLE_ROWS), PEOPLE)
        backslashes = Dialect(delimiter, escape="\\", quoting=Quoting.ALL)
        yield Case(f"quotes after a backslash, {NAMES[delimiter]}", backslashes.write(NASTY_ROWS), NASTY)
        said = ReadingOptions(delimiter=delimiter)
        yield Case(
            f"delimiter {NAMES[delimiter]} is stated", Dialect(delimiter).write(PEOPLE_ROWS), PEOPLE, options=said
        )
    for delimiter, name in (("^", "caret"), ("~", "tilde"), (":", "colon"), ("\x01", "control A"), ("\x1f", "unit")):
        said = ReadingOptions(delimiter=delimiter)
        yield Case(f"delimiter {name} is stated", Dialect(delimiter).write(PEOPLE_ROWS), PEOPLE, options=said)
    yield from _by_hand()


def _by_hand() -> Iterator[Case]:
    two = {"a": ints(1, 3), "b": ints(2, 4)}
    yield Case(
        "semicolons",
        b"id;name;n\n1;a;10\n2;b;20\n",
        {"id": ints(1, 2), "name": texts("a", "b"), "n": ints(10, 20)},
        answers=Answers(2, 30, {"a": (1, 10), "b": (1, 20)}),
    )
    yield Case("tsv by its name", b"a\tb\n1\t2\n3\t4\n", two, "data.tsv")
    yield Case("commas in a file named .tsv", b"a,b\n1,2\n3,4\n", two, "data.tsv")
    yield Case("text in a file named .txt", b"a,b\n1,2\n3,4\n", two, "data.txt")
    yield Case("a file without extension", b"a,b\n1,2\n3,4\n", two, "data")
    yield Case("csv in a file named .xlsx", b"a,b\n1,2\n3,4\n", two, "data.xlsx")
    yield Case("csv in a file named .json", b"a,b\n1,2\n3,4\n", two, "data.json")
    yield Case("csv in a file named .parquet", b"a,b\n1,2\n3,4\n", two, "data.parquet")
    yield Case("csv in a file named .gz", b"a,b\n1,2\n3,4\n", two, "data.csv.gz")
    yield Case(
        "trailing delimiter in each row", b"a,b\n1,2,\n3,4,\n", two, answers=Answers(2, 6, {1: (1, 2), 3: (1, 4)})
    )
    yield Case("trailing delimiter, semicolons", b"a;b\n1;2;\n3;4;\n", two)
    yield Case("trailing delimiter, crlf", b"a,b\r\n1,2,\r\n3,4,\r\n", two)
    yield Case(
        "trailing delimiter in the header too",
        b"a,b,\n1,2,\n3,4,\n",
        two,
        because="a column without a name and without a value is no column",
    )
    yield Case(
        "empty names at the end",
        b"id,n,,\n1,10,,\n2,20,,\n",
        {"id": ints(1, 2), "n": ints(10, 20)},
        because="a column without a name and without a value is no column",
    )
    yield Case("separator line", b"sep=,\nid,n\n1,10\n2,20\n", {"id": ints(1, 2), "n": ints(10, 20)})
    yield Case("separator line, semicolon", b"sep=;\r\nid;n\r\n1;10\r\n2;20\r\n", {"id": ints(1, 2), "n": ints(10, 20)})
    yield Case("separator line after a mark", "\ufeffsep=;\nid;n\n1;10\n".encode(), {"id": ints(1), "n": ints(10)})
    yield Case("separator line, tab", b"sep=\t\nid\tn\n1\t10\n", {"id": ints(1), "n": ints(10)})
    yield Case("separator line in quotes", b'"sep=,"\nid,n\n1,10\n2,20\n', {"id": ints(1, 2), "n": ints(10, 20)})
    yield Case(
        "semicolons with decimal commas",
        b"name;betrag\nA;1,5\nB;2,75\nC;-3,25\n",
        {"name": texts("A", "B", "C"), "betrag": nums(1.5, 2.75, -3.25)},
        answers=Answers(3, 1.0, {"A": (1, 1.5), "B": (1, 2.75), "C": (1, -3.25)}),
    )
    yield Case(
        "commas inside semicolons",
        b"name;note\nA;one, two, three\nB;four, five\nC;six\n",
        {"name": texts("A", "B", "C"), "note": texts("one, two, three", "four, five", "six")},
    )
    yield Case(
        "semicolons inside commas",
        b"name,note\nA,x; y; z\nB,x; y\nC,z\n",
        {"name": texts("A", "B", "C"), "note": texts("x; y; z", "x; y", "z")},
    )
    yield Case(
        "one column of texts with commas in quotes",
        b'note\n"a, b"\n"c, d, e"\n',
        {"note": texts("a, b", "c, d, e")},
    )
    yield Case("one column of numbers", b"n\n1\n2\n3\n", {"n": ints(1, 2, 3)})
    yield Case("one column of words", b"word\nalpha\nbeta\n", {"word": texts("alpha", "beta")})
    yield Case(
        "spaces after commas",
        b"a, b, c\n1, 2, x\n3, 4, y\n",
        two | {"c": texts("x", "y")},
    )
    yield Case(
        "quotes after spaces",
        b'a, "b", "c"\n1, "2", "x, y"\n3, "4", "z"\n',
        two | {"c": texts("x, y", "z")},
    )
    yield Case(
        "columns of fixed width",
        b"name   n\nAda   10\nGrace 20\n",
        {"name": texts("Ada", "Grace"), "n": ints(10, 20)},
        warns="--delimiter",
    )
    yield Case(
        "an inch sign inside a cell",
        b'size,n\n5" pipe,1\n3" pipe,2\n',
        {"size": texts('5" pipe', '3" pipe'), "n": ints(1, 2)},
    )
    yield Case(
        "an inch sign at the end of a cell", b'size,n\n5",1\n3",2\n', {"size": texts('5"', '3"'), "n": ints(1, 2)}
    )
    yield Case(
        "apostrophes at the start of words",
        b"who,n\n'tis,1\nO'Brien,2\n'twas,3\n",
        {"who": texts("'tis", "O'Brien", "'twas"), "n": ints(1, 2, 3)},
    )
    yield Case(
        "backslashes are letters",
        b'path,n\n"C:\\temp\\",1\n"D:\\new",2\n',
        {"path": texts("C:\\temp\\", "D:\\new"), "n": ints(1, 2)},
    )
    yield Case(
        "an escaped quote in one late row",
        b"a,b\n" + b'"x",1\n' * 500 + b'"say \\"hi\\", ok",2\n',
        {"a": texts(*["x"] * 500, 'say "hi", ok'), "b": ints(*[1] * 500, 2)},
    )
    yield Case("blank lines between rows", b"a,b\n\n1,2\n\n\n3,4\n\n", two)
    yield Case("blank lines at the end", b"a,b\n1,2\n3,4\n\n\n\n", two)
    yield Case("lines of spaces at the end", b"a,b\n1,2\n3,4\n  \n", two)
    yield Case("a mark of the end of a DOS file", b"a,b\r\n1,2\r\n3,4\r\n\x1a", two)
    yield Case("mixed line ends", b"a,b\r\n1,2\n3,4\r\n", two)
    yield Case("three kinds of line ends", b"a,b\r\n1,2\r3,4\n", two)
