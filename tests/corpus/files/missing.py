"""Missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.wire.reading import NULL_MARKERS, ReadingOptions
from raylane_common.wire.sources import ColumnType
from tests.corpus.files.columns import column
from tests.corpus.files.model import Answers, Case, bools, ints, nums, of, texts

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Yields the cases."""
    from datetime import date

    day = date(2024, 1, 5)
    for marker in NULL_MARKERS:
        name = marker or "an empty cell"
        yield column(f"{name} among numbers", ["1", marker, "3"], ints(1, None, 3))
        yield column(f"{name} among fractions", ["1.5", marker, "3.5"], nums(1.5, None, 3.5), quick=False)
        yield column(f"{name} among texts", ["one", marker, "three"], texts("one", None, "three"))
        yield column(f"{name} among dates", ["2024-01-05", marker], of(ColumnType.DATE, [day, None]), quick=False)
        yield column(f"{name} among truth values", ["true", marker, "false"], bools(True, None, False), quick=False)
        yield column(f"only {name}", [marker, marker], texts(None, None), quick=False)
    yield Case(
        "five ways to say missing",
        b"id,name\n1,Bob\n2,N/A\n3,\n4,NULL\n5,NA\n",
        {"id": ints(1, 2, 3, 4, 5), "name": texts("Bob", None, None, None, None)},
        answers=Answers(5, 15, {"Bob": (1, 1), None: (4, 14)}),
    )
    yield Case("an empty cell in quotes", b'a,b\n1,""\n2,"x"\n', {"a": ints(1, 2), "b": texts(None, "x")})
    yield Case("a marker in quotes", b'a,b\n"NA","x"\n"2","NA"\n', {"a": ints(None, 2), "b": texts("x", None)})
    yield Case(
        "stated markers",
        b"a,b\n-999,x\n2,NA\n",
        {"a": ints(None, 2), "b": texts("x", "NA")},
        options=ReadingOptions(null_markers=("-999",)),
    )
    yield Case(
        "no markers but the empty cell",
        b"a,b\nNA,x\n2,\n",
        {"a": texts("NA", "2"), "b": texts("x", None)},
        options=ReadingOptions(null_markers=()),
    )
    yield Case(
        "markers of a questionnaire",
        b"a,b\nmissing,x\n2,unknown\n",
        {"a": ints(None, 2), "b": texts("x", None)},
        options=ReadingOptions(null_markers=("missing", "unknown")),
    )
    yield Case(
        "the country Namibia is stated",
        b"c,n\nNA,1\nDE,2\n",
        {"c": texts("NA", "DE"), "n": ints(1, 2)},
        options=ReadingOptions(null_markers=("",)),
    )
    yield column(
        "words that begin like markers",
        ["nano", "N/A-1", "nullable", "Nano"],
        texts("nano", "N/A-1", "nullable", "Nano"),
    )
    yield column("a dash that is a sign", ["-", "-5", "5"], ints(None, -5, 5))
    yield column("spaces alone among numbers", ["1", "  ", "3"], ints(1, None, 3))
    yield column("many missing before the first value", [""] * 3000 + ["7"], ints(*[None] * 3000, 7))
