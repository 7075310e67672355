"""Files that are uploaded, and what `read` gives of them in both engines. The values are written by hand."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from raylane_common.wire.reading import ReadingOptions
from tests.helpers.files import uploaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.sources import FileSource

BUCKET: Final = "read"
MISSING: Final = None


@dataclass(frozen=True)
class Case:
    """A file, and the type of numpy and the cells of each column. `is_copied` says whether there is a prepared copy."""

    filename: str
    data: bytes
    columns: dict[str, tuple[str, list[Any]]]
    is_copied: bool = False
    options: ReadingOptions = field(default_factory=ReadingOptions)

    @property
    def rows(self) -> list[list[Any]]:
        """The rows."""
        return [list(row) for row in zip(*(cells for _, cells in self.columns.values()), strict=True)]

    def upload(self) -> tuple[FileSource, dict[str, bytes]]:
        """Returns the source, and the objects by URI."""
        source, objects = uploaded(self.filename, self.data, bucket=BUCKET, session_id="s", options=self.options)
        assert (source.prepared is not None) == self.is_copied, source.prepared
        return source, {f"s3://{BUCKET}/{key}": body for key, body in objects.items()}


def _parquet(rows_in_group: int | None = None, /, **columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=rows_in_group)
    return file.getvalue()


def cases() -> Iterator[tuple[str, Case]]:
    """Yields the cases by name."""
    yield from _texts()
    yield from _numbers()
    yield from _times()
    yield from _parquets()


def _texts() -> Iterator[tuple[str, Case]]:
    yield (
        "texts that are missing",
        Case(
            "names.csv",
            b'id,name\n1,Bob\n2,N/A\n3,\n4,NULL\n5,""\n6,none\n',
            {
                "id": ("int64", [1, 2, 3, 4, 5, 6]),
                "name": ("object", ["Bob", MISSING, MISSING, MISSING, MISSING, "none"]),
            },
        ),
    )
    yield (
        "a marker of the user",
        Case(
            "marker.csv",
            b"region,n\nNA,1\nEU,-\n-,3\n",
            {"region": ("object", ["NA", "EU", MISSING]), "n": ("float64", [1, MISSING, 3])},
            is_copied=True,
            options=ReadingOptions(null_markers=("-",)),
        ),
    )
    yield (
        "names that are empty or occur twice",
        Case(
            "header.csv",
            b",n,n,text,\n1,2,3,x,5\n,,,,\n",
            {
                "column_1": ("float64", [1, MISSING]),
                "n": ("float64", [2, MISSING]),
                "n_2": ("float64", [3, MISSING]),
                "text": ("object", ["x", MISSING]),
                "column_5": ("float64", [5, MISSING]),
            },
            is_copied=True,
        ),
    )
    odd = '"""; import os #"'
    yield (
        "names that are hard to write",
        Case(
            "größe ?#%+.csv",
            f'{odd},😀 x,"a\nb",a.b\n1,2,3,4\n'.encode(),
            {
                '"; import os #': ("int64", [1]),
                "😀 x": ("int64", [2]),
                "a b": ("int64", [3]),
                "a.b": ("int64", [4]),
            },
            is_copied=True,
        ),
    )
    yield (
        "line breaks and quotes",
        Case(
            "notes.csv",
            b'n,note\n1,"two\nlines"\n2,"say ""hi"""\n3,"a,b"\n',
            {"n": ("int64", [1, 2, 3]), "note": ("object", ["two\nlines", 'say "hi"', "a,b"])},
        ),
    )
    yield (
        "codes",
        Case(
            "codes.csv",
            b"zip,hex,e\n00501,0xFF,1E5\n02134,0x10,2E1\n",
            {
                "zip": ("object", ["00501", "02134"]),
                "hex": ("object", ["0xFF", "0x10"]),
                "e": ("object", ["1E5", "2E1"]),
            },
            is_copied=True,
        ),
    )
    yield "no rows", Case("empty.csv", b"a,b\n", {"a": ("object", []), "b": ("object", [])}, is_copied=True)
    yield (
        "columns without values",
        Case(
            "nothing.csv",
            b"a,b\n1,\n2,NA\n",
            {"a": ("int64", [1, 2]), "b": ("object", [MISSING, MISSING])},
            is_copied=True,
        ),
    )
    yield (
        "semicolons",
        Case(
            "straße.csv",
            "Straße;Betrag €\nGröße;1.234,50\nHöhe;-2,00\n".encode("cp1252"),
            {"Straße": ("object", ["Größe", "Höhe"]), "Betrag €": ("float64", [1234.5, -2.0])},
            is_copied=True,
        ),
    )


def _numbers() -> Iterator[tuple[str, Case]]:
    yield (
        "integers that are missing",
        Case("missing.csv", b"n,i\n1,1\n,2\n3,3\n", {"n": ("float64", [1, MISSING, 3]), "i": ("int64", [1, 2, 3])}),
    )
    yield (
        "large integers",
        Case(
            "large.csv",
            b"id,next\n9007199254740993,9007199254740993\n9007199254740995,\n",
            {
                "id": ("int64", [2**53 + 1, 2**53 + 3]),
                "next": ("object", [2**53 + 1, MISSING]),
            },
        ),
    )
    yield (
        "sums of more than 64 bits",
        Case(
            "wei.csv",
            b"x,y\n9000000000000000000,-9000000000000000000\n9000000000000000000,\n",
            {"x": ("object", [9 * 10**18] * 2), "y": ("object", [-9 * 10**18, MISSING])},
            is_copied=True,
        ),
    )
    yield (
        "ids of 20 digits",
        Case(
            "ids.csv",
            b"id,n\n12345678901234567890,1\n1,2\n",
            {"id": ("object", ["12345678901234567890", "1"]), "n": ("int64", [1, 2])},
            is_copied=True,
        ),
    )
    yield (
        "fractions",
        Case(
            "ratios.csv",
            b"x,y\n1.5,NaN\n-0.0,2\n1e-7,\n",
            {"x": ("float64", [1.5, 0.0, 1e-7]), "y": ("float64", [MISSING, 2, MISSING])},
        ),
    )
    yield (
        "truth values",
        Case(
            "flags.csv",
            b"all,some\ntrue,true\nfalse,\n",
            {"all": ("bool", [True, False]), "some": ("object", [True, MISSING])},
        ),
    )


def _times() -> Iterator[tuple[str, Case]]:
    moments = [datetime(2020, 1, 1, 10), MISSING, datetime(1969, 12, 31, 23, 59, 59)]
    yield (
        "dates and times",
        Case(
            "times.csv",
            b"day,at,moment\n2020-01-01,10:30:00,2020-01-01 10:00:00\n,,\n1969-12-31,23:59:59,1969-12-31T23:59:59\n",
            {
                "day": ("datetime64[s]", [date(2020, 1, 1), MISSING, date(1969, 12, 31)]),
                "at": ("object", [time(10, 30), MISSING, time(23, 59, 59)]),
                "moment": ("datetime64[us]", moments),
            },
        ),
    )
    yield (
        "zones",
        Case(
            "zones.csv",
            b"at\n2020-01-01T10:00:00Z\n2020-06-01T12:00:00+02:00\n",
            {
                "at": (
                    "datetime64[us, UTC]",
                    [datetime(2020, 1, 1, 10, tzinfo=UTC), datetime(2020, 6, 1, 10, tzinfo=UTC)],
                )
            },
        ),
    )


def _parquets() -> Iterator[tuple[str, Case]]:
    yield (
        "row groups, in their order, with NaN",
        Case(
            "groups.parquet",
            _parquet(
                3,
                n=list(range(10)),
                x=pa.array([1.0, float("nan"), 3.0, 10.0, 20.0, *range(5)], pa.float64()),
                small=pa.array([*range(9), None], pa.int8()),
            ),
            {
                "n": ("int64", [*range(10)]),
                "x": ("float64", [1.0, MISSING, 3.0, 10.0, 20.0, *map(float, range(5))]),
                "small": ("float64", [*range(9), MISSING]),
            },
        ),
    )
    moment = datetime(2500, 1, 1, 10, 0, 0, 123456)
    yield (
        "types of Parquet",
        Case(
            "types.parquet",
            _parquet(
                dec=pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
                whole=pa.array([Decimal(5), None], pa.decimal128(20, 0)),
                f=pa.array([0.5, None], pa.float32()),
                zone=pa.array([moment, None], pa.timestamp("us", "Europe/Berlin")),
                ms=pa.array([moment.replace(microsecond=0), None], pa.timestamp("ms")),
                t=pa.array([time(1, 2, 3, 4), None], pa.time64("us")),
                b=[b"\x00\xff", None],
                l=[[1, None], None],
                s=[{"a": "x", "b": [1.5]}, None],
            ),
            {
                "dec": ("object", [Decimal("1.50"), MISSING]),
                "whole": ("float64", [5, MISSING]),
                "f": ("float64", [0.5, MISSING]),
                "zone": ("datetime64[us, Europe/Berlin]", [moment.replace(tzinfo=UTC), MISSING]),
                "ms": ("datetime64[us]", [moment.replace(microsecond=0), MISSING]),
                "t": ("object", [time(1, 2, 3, 4), MISSING]),
                "b": ("object", [b"\x00\xff", MISSING]),
                "l": ("object", [[1, None], MISSING]),
                "s": ("object", [{"a": "x", "b": [1.5]}, MISSING]),
            },
        ),
    )
    yield (
        "types of Arrow alone",
        Case(
            "odd.parquet",
            _parquet(
                d=pa.array(["x", None, "x"]).dictionary_encode(),
                large=pa.array(["a", None, "b"], pa.large_string()),
                u=pa.array([2**64 - 1, None, 1], pa.uint64()),
                none=pa.nulls(3),
                d64=pa.array([date(2020, 1, 1), None, None], pa.date64()),
                m=pa.array([[("k", 1)], None, [("l", None)]], pa.map_(pa.string(), pa.int64())),
                half=pa.array([0.5, None, 1.5], pa.float32()).cast(pa.float16()),
            ),
            {
                "d": ("object", ["x", MISSING, "x"]),
                "large": ("object", ["a", MISSING, "b"]),
                "u": ("object", [2**64 - 1, MISSING, 1]),
                "none": ("object", [MISSING] * 3),
                "d64": ("datetime64[s]", [date(2020, 1, 1), MISSING, MISSING]),
                "m": ("object", [{"k": 1}, MISSING, {"l": None}]),
                "half": ("float64", [0.5, MISSING, 1.5]),
            },
            is_copied=True,
        ),
    )
    yield (
        "durations",
        Case(
            "spans.parquet",
            _parquet(span=pa.array([timedelta(days=1, seconds=2), None], pa.duration("us"))),
            {"span": ("timedelta64[us]", [timedelta(days=1, seconds=2), MISSING])},
        ),
    )
    lines = [{"a": {"b": 1}, "c": "x"}, {"c": None, "d": [1, 2]}]
    yield (
        "JSON lines",
        Case(
            "lines.jsonl",
            "".join(json.dumps(line) + "\n" for line in lines).encode(),
            {
                "a.b": ("float64", [1, MISSING]),
                "c": ("object", ["x", MISSING]),
                "d": ("object", [MISSING, "[1, 2]"]),
            },
            is_copied=True,
        ),
    )


def plain(value: Any) -> Any:
    """Returns a value as JSON can hold it: a whole number is the same number in every type, a moment is one of UTC."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or value != value:
        return None
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        if value and all(isinstance(one, tuple) for one in value):  # a map of Arrow
            return {key: plain(one) for key, one in value}
        return [plain(one) for one in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return str(value.astimezone(UTC))
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return str(int(value)) if value == int(value) else str(Decimal(str(value)).normalize())
    return str(value)
