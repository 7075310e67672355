"""Columns whose type shows late, records at the borders of blocks, and sums beyond 64 bits."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from raylane_common.wire.sources import ColumnType
from tests.corpus.files.model import Answers, Case, Typed, ints, nums, of, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

# More rows than a block of 1 MiB holds.
ROWS: Final = 150_000


def cases() -> Iterator[Case]:
    """Yields the cases."""
    kinds = ColumnType
    whole = [str(i % 7) for i in range(ROWS)]
    numbers = [i % 7 for i in range(ROWS)]
    day = date(2024, 1, 5)
    yield _late("an integer, then a fraction", whole, "1.5", nums(*numbers, 1.5), total=449995.5)
    yield _late("empty, then a word", [""] * ROWS, "late", texts(*[None] * ROWS, "late"))
    yield _late("empty, then a number", [""] * ROWS, "7", ints(*[None] * ROWS, 7))
    yield _late("integers, then a word", whole, "x7", texts(*whole, "x7"))
    yield _late("integers, then leading zeros", whole, "007", texts(*whole, "007"))
    yield _late("integers, then 20 digits", whole, "1" * 20, texts(*whole, "1" * 20))
    yield _late("integers, then a marker", whole, "-", ints(*numbers, None))
    yield _late("integers, then thousands", whole, '"1,234"', ints(*numbers, 1234))
    yield _late("integers, then a code like 1E5", whole, "1E5", texts(*whole, "1E5"))
    yield _late(
        "fractions, then a code like 1E5",
        [f"{one}.5" for one in numbers],
        "1E5",
        nums(*[one + 0.5 for one in numbers], 1e5),
    )
    yield _late(
        "dates, then a point in time",
        ["2024-01-05"] * ROWS,
        "2024-01-05 10:30:00",
        of(kinds.TIMESTAMP, [datetime(2024, 1, 5)] * ROWS + [datetime(2024, 1, 5, 10, 30)]),
    )
    yield _late("dates, then a word", ["2024-01-05"] * ROWS, "soon", texts(*["2024-01-05"] * ROWS, "soon"))
    yield _late(
        "ambiguous days, then a certain one",
        ["01/02/2024"] * ROWS,
        "31/02/2024",
        texts(*["01/02/2024"] * ROWS, "31/02/2024"),
    )
    yield _late(
        "ambiguous days, then day 31",
        ["01/02/2024"] * ROWS,
        "31/01/2024",
        of(kinds.DATE, [date(2024, 2, 1)] * ROWS + [date(2024, 1, 31)]),
    )
    yield _late("truth values, then a word", ["true"] * ROWS, "maybe", texts(*["true"] * ROWS, "maybe"))
    yield _late("dates, then nothing", ["2024-01-05"] * ROWS, "", of(kinds.DATE, [day] * ROWS + [None]))
    yield _late("words, then a number", ["a"] * ROWS, "5", texts(*["a"] * ROWS, "5"))
    yield from _borders()
    yield from _sums()


def _late(name: str, cells: list[str], last: str, expected: Typed, *, total: float | None = None) -> Case:
    lines = ["id,v", *[f"{i},{cell}" for i, cell in enumerate([*cells, last])]]
    table = {"id": ints(*range(ROWS + 1)), "v": expected}
    if total is not None:
        assert sum(cell for cell in expected.cells if cell is not None) == total
    return Case(
        f"late: {name}", "\n".join([*lines, ""]).encode(), table, quick="fraction" in name and total is not None
    )


def _borders() -> Iterator[Case]:
    note = "word " * 20 + "\n" + "more " * 20
    lines = "".join(f'{i},"{note}"\n' for i in range(8000))
    yield Case(
        "quoted newlines at borders of blocks",
        f"id,note\n{lines}".encode(),
        {"id": ints(*range(8000)), "note": texts(*[note] * 8000)},
        quick=False,
    )
    for shift in range(6):
        cells = [("x" * (i % 97)) + '\n"' + "y" * (i % 53) for i in range(14_000)]
        written = "".join(f'{i},"{cell.replace(chr(34), chr(34) * 2)}"\r\n' for i, cell in enumerate(cells))
        head = "id,note" + "z" * shift + "\r\n"
        yield Case(
            f"quotes and newlines, moved by {shift}",
            (head + written).encode(),
            {"id": ints(*range(14_000)), f"note{'z' * shift}": texts(*cells)},
            quick=False,
        )
    wide = "é" * 600_000
    yield Case(
        "a record over 1 MiB",
        f"id,note\n1,{wide}\n2,x\n".encode(),
        {"id": ints(1, 2), "note": texts(wide, "x")},
        quick=False,
    )
    long = "v" * 2_500_000
    yield Case(
        "a quoted record of 2.5 MiB with newlines",
        f'id,note\n1,"{long}\n{long}"\n2,x\n'.encode(),
        {"id": ints(1, 2), "note": texts(f"{long}\n{long}", "x")},
        quick=False,
    )
    yield Case(
        "2 MiB of one line end each", ("a\n" + "7\n" * 1_000_000).encode(), {"a": ints(*[7] * 1_000_000)}, quick=False
    )


def _sums() -> Iterator[Case]:
    big = 9_000_000_000_000_000_000
    yield Case(
        "a sum beyond 64 bits",
        b"x\n9000000000000000000\n9000000000000000000\n",
        {"x": beyond(big, big)},
        answers=Answers(2, 2 * big, {big: (2, 2 * big)}),
    )
    wei = [1_500_000_000_000_000_000 + i for i in range(12)]
    yield Case("a sum of wei", b"wei\n" + b"".join(b"%d\n" % one for one in wei), {"wei": beyond(*wei)})
    nanoseconds = [1_700_000_000_000_000_000 + i for i in range(40)]
    yield Case(
        "a sum of nanoseconds",
        b"t,n\n" + b"".join(b"%d,1\n" % one for one in nanoseconds),
        {"t": beyond(*nanoseconds), "n": ints(*[1] * 40)},
    )
    yield Case(
        "a negative sum beyond 64 bits",
        b"k,x\na,-9000000000000000000\na,-9000000000000000000\n",
        {"k": texts("a", "a"), "x": beyond(-big, -big)},
    )


def beyond(*cells: int) -> Typed:
    """Whole numbers whose sum is beyond 64 bits."""
    import pyarrow as pa

    expected: Any = pa.decimal128(38, 0)
    return Typed(ColumnType.INTEGER, list(cells), expected)
