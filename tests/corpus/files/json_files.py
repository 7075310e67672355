"""JSON and JSON lines."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from raylane_common.wire.sources import ColumnType
from tests.corpus.files.model import Answers, Case, Table, bools, ints, nums, of, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = ColumnType
# Records, and their table.
_TABLES: Final[dict[str, tuple[list[dict[str, Any]], Table]]] = {
    "plain": (
        [{"id": 1, "name": "Ada", "n": 1.5}, {"id": 2, "name": "Zoë", "n": 2}],
        {"id": ints(1, 2), "name": texts("Ada", "Zoë"), "n": nums(1.5, 2)},
    ),
    "missing keys": ([{"a": 1}, {"b": "x"}, {"a": 3, "b": None}], {"a": ints(1, None, 3), "b": texts(None, "x", None)}),
    "nesting": (
        [{"id": 1, "to": {"city": "Rome", "zip": "00184"}}, {"id": 2, "to": {"city": "Oslo"}}],
        {"id": ints(1, 2), "to.city": texts("Rome", "Oslo"), "to.zip": texts("00184", None)},
    ),
    "truth values": ([{"a": True}, {"a": False}, {"a": None}], {"a": bools(True, False, None)}),
    "texts of digits": ([{"a": "007"}, {"a": "8"}], {"a": texts("007", "8")}),
    "texts of markers": ([{"a": "x"}, {"a": None}], {"a": texts("x", None)}),
    "dates": ([{"d": "2024-01-05"}, {"d": "2024-01-06"}], {"d": of(_KINDS.DATE, [date(2024, 1, 5), date(2024, 1, 6)])}),
    "points in time": (
        [{"d": "2024-01-05T10:30:00"}, {"d": None}],
        {"d": of(_KINDS.TIMESTAMP, [datetime(2024, 1, 5, 10, 30), None])},
    ),
    "19 digits": ([{"a": 1234567890123456789}, {"a": 2}], {"a": ints(1234567890123456789, 2)}),
    "20 digits": ([{"a": 12345678901234567890}, {"a": 2}], {"a": texts("12345678901234567890", "2")}),
    "numbers and texts": ([{"a": 1}, {"a": "x"}], {"a": texts("1", "x")}),
    "whole and fraction": ([{"a": 1}, {"a": 2.5}], {"a": nums(1, 2.5)}),
    "only missing": ([{"a": None, "b": 1}, {"a": None, "b": 2}], {"a": texts(None, None), "b": ints(1, 2)}),
    "newlines and quotes": ([{"a": 'x\n"y"'}, {"a": "\t,;"}], {"a": texts('x\n"y"', "\t,;")}),
    "emoji": ([{"😀": "😀"}], {"😀": texts("😀")}),
    "lists": ([{"id": 1, "tags": ["a", "b"]}], {"id": ints(1), "tags": texts('["a", "b"]')}),
    "one record": ([{"a": 1, "b": 2}], {"a": ints(1), "b": ints(2)}),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for name, (records, table) in _TABLES.items():
        lines = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
        shapes = {
            "array": json.dumps(records),
            "indented array": json.dumps(records, indent=2, ensure_ascii=False),
            "lines": lines,
            "object of records": json.dumps({"data": records}),
        }
        for shape, text in shapes.items():
            filename = "data.jsonl" if shape == "lines" else "data.json"
            if name == "one record" and shape == "lines":
                filename = "one.jsonl"
            quick = shape in ("array", "lines")
            yield Case(f"JSON {shape}: {name}", text.encode(), table, filename, quick=quick)
    yield Case(
        "JSON lines named .csv",
        b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n',
        {"a": ints(1, 3), "b": ints(2, 4)},
        answers=Answers(2, 6, {1: (1, 2), 3: (1, 4)}),
    )
    yield Case(
        "JSON lines with a mark and crlf", b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n', {"a": ints(1, 2)}, "data.jsonl"
    )
    yield Case("JSON lines with blank lines", b'{"a": 1}\n\n{"a": 2}\n\n', {"a": ints(1, 2)}, "data.jsonl")
    yield Case("JSON in UTF-16", '[{"a": "é"}]'.encode("utf-16"), {"a": texts("é")}, "data.json")
    late = b"".join(b'{"id": %d, "v": %d}\n' % (i, i) for i in range(120_000)) + b'{"id": 120000, "v": 1.5, "w": "x"}\n'
    table = {"id": ints(*range(120_001)), "v": nums(*range(120_000), 1.5), "w": texts(*[None] * 120_000, "x")}
    yield Case("JSON lines: a late fraction and a late key", late, table, "data.jsonl", quick=False)
    yield Case("JSON with a comma too many", b'[{"a": 1},]', {"a": ints(1)}, "data.json")
    yield Case("JSON with NaN", b'[{"a": NaN}, {"a": 1.5}]', {"a": nums(None, 1.5)}, "data.json")
    yield Case("JSON with 1.0", b'[{"a": 1.0}, {"a": 2.0}]', {"a": nums(1, 2)}, "data.json")
    yield Case("a JSON list over two lines", b'[{"a": 1},\n{"a": 2}]\n', {"a": ints(1, 2)}, "data.json")
