"""A run may write any bytes as its answer: the worker reads a right answer, or says what is wrong with it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane_common.errors import InvalidAnswer
from raylane_common.wire.answer import Answer, AnswerTable, OpaqueItem
from raylane_worker.runs.answer_document import MAX_BYTES, read_answer
from tests.helpers.profiles import by_profile

COLUMNS = [{"name": "label", "type": "string"}, {"name": "n", "type": "integer", "native_type": "int64"}]
TABLE: dict[str, Any] = {
    "type": "table",
    "title": None,
    "columns": COLUMNS,
    "rows": [["a", 1], [None, 2]],
    "total_rows": 2,
}
LONG: dict[str, Any] = TABLE | {
    "total_rows": 5,
    "file": {"type": "file", "name": "table-1.parquet", "rows": 5, "columns": COLUMNS},
}
VALUE = {"type": "value", "name": "mean", "value": 1.5, "value_type": "number", "unit": "km"}
CHART = {"type": "chart", "kind": "bar", "x": "label", "y": "n", "columns": COLUMNS, "rows": [["a", 1]]}
BINS = [{"name": name, "type": "integer"} for name in ("start", "end", "count")]
HISTOGRAM = {"type": "chart", "kind": "histogram", "x": "n", "columns": BINS, "rows": [[0, 1, 2]]}
BOX_COLUMNS = [{"name": name, "type": "number"} for name in ("min", "q1", "median", "q3", "max")]
BOX = {"type": "chart", "kind": "box", "y": "n", "columns": BOX_COLUMNS, "rows": [[1, 2, 3, 4.5, 5]]}
FILE = {"type": "file", "name": "all rows.csv", "rows": 7, "columns": COLUMNS}
GOOD: dict[str, Any] = {"items": [TABLE, LONG, VALUE, CHART, HISTOGRAM, BOX, FILE], "notes": ["a note"]}


def document(*items: object) -> bytes:
    return json.dumps({"items": items}).encode()


def test_a_right_answer_is_read() -> None:
    answer = read_answer(json.dumps(GOOD).encode())

    assert [item.type for item in answer.items] == ["table", "table", "value", "chart", "chart", "chart", "file"]
    assert [file.name for file in answer.files] == ["table-1.parquet", "all rows.csv"]
    assert answer.notes == ("a note",)
    assert isinstance(answer.items[0], AnswerTable)
    assert answer.items[0].columns[1].native_type == "int64"
    assert not answer.is_empty


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"items": []', "not JSON"),
        (b'{"items": []} {}', "not JSON"),
        (b'\xef\xbb\xbf{"items": []}', "not JSON"),
        (b'{"items": [], "notes": ["\xff"]}', "not UTF-8 at byte 25"),
        ('{"items": []}'.encode("utf-16"), "not UTF-8"),
        (b'{"items": [], "notes": ["\\ud800"]}', "half of a character"),
        (b'{"items": [], "\\uDC00": 1}', "half of a character"),
        (b'{"items": [NaN]}', "NaN is not JSON"),
        (b'{"items": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"items": [1e999]}', "larger than any float"),
        (b'{"items": [9007199254740993]}', "beyond 2"),
        (b'{"items": [' + b"9" * 100_000 + b"]}", "beyond 2"),
        (b'{"items": [], "items": []}', "a key occurs twice"),
        (b'{"items": [{"type": "value", "name": "a", "name": "b"}]}', "a key occurs twice"),
        (b"[" * 130_000, "nested too deep"),
        (b'{"items":' * 130_000, "nested too deep"),
        (b"[" * 2_000_000, "more than 131,072 lists and objects"),
        (b'{"items": [' + b"{}," * 1_000_000 + b"0]}", "more than 131,072 lists and objects"),
        (b'{"items": {}}', "items is not a list"),
        (b'{"items": null}', "items is not a list"),
        (b'{"notes": "note"}', "notes is not a list"),
        (b'{"notes": [7]}', "note 1 is not a text"),
        (json.dumps({"notes": ["n" * 2001]}).encode(), "note 1 is not a text of at most 2,000"),
        (json.dumps({"notes": ["n"] * 1001}).encode(), "notes has 1,001 entries"),
        (json.dumps({"items": [VALUE] * 1001}).encode(), "items has 1,001 entries"),
        (b" " * (MAX_BYTES + 1), "more than 4 MiB"),
        (
            b'{"items": [{"type": "value", "name": "v", "value_type": "nested", "value": [%s]}]}'
            % b",".join([b"9e15"] * 250_000),
            "its numbers take more than 4 MiB in full",
        ),
        (b'{"items": [' + b"0," * 1_000_000 + b"0]}", "items has 1,000,001 entries"),
    ],
    ids=lambda one: repr(one)[:40],
)
def test_what_is_no_document_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidAnswer) as error:
        read_answer(data)

    assert error.value.message.startswith("the run's answer.json is not valid: ")
    assert problem in error.value.message
    assert len(error.value.message) < 400


COLUMN = COLUMNS[0]
FORGED: list[tuple[dict[str, Any], str]] = [
    ({}, "type"),
    ({"type": "video"}, "type"),
    ({"type": 7}, "type"),
    (TABLE | {"columns": []}, "row 1 of item 1 is not a list of 0 cells"),
    (TABLE | {"columns": [], "rows": [], "total_rows": 0}, "item 1 has no columns"),
    (TABLE | {"columns": None}, "row 1 of item 1 is not a list of 0 cells"),
    (TABLE | {"columns": [COLUMN] * 2}, "two columns of one name"),
    (TABLE | {"columns": [COLUMN] * 1_000}, "is not a list of 1,000 cells"),
    (TABLE | {"columns": [{"name": "", "type": "string"}] * 5_001}, "columns of item 1 has 5,001 entries"),
    (TABLE | {"columns": [COLUMN, {"name": "n", "type": "colour"}]}, "columns.1.type"),
    (TABLE | {"columns": [COLUMN, {"type": "string"}]}, "columns.1.name"),
    (TABLE | {"columns": [COLUMN, "n"]}, "columns.1"),
    (TABLE | {"rows": None}, "rows"),
    (TABLE | {"rows": {"0": ["a", 1]}}, "rows"),
    (TABLE | {"rows": [["a", 1], ["a"]]}, "row 2 of item 1 is not a list of 2 cells"),
    (TABLE | {"rows": [["a", 1], "ab"]}, "row 2 of item 1 is not a list of 2 cells"),
    (TABLE | {"rows": [["a", 1], {"a": 1, "b": 2}]}, "row 2 of item 1 is not a list"),
    (TABLE | {"rows": [["a", "1"], ["b", 2]]}, "row 1 of item 1 has a value that is not of type integer in 'n'"),
    (TABLE | {"rows": [["a", 1], [2, 2]]}, "row 2 of item 1 has a value that is not of type string in 'label'"),
    (TABLE | {"rows": [["a", 1.0], ["b", 2]]}, "not of type integer"),
    (TABLE | {"rows": [["a", True], ["b", 2]]}, "not of type integer"),
    (TABLE | {"rows": [["a", 1]] * 1001, "total_rows": 1001}, "more than 1,000 rows in it"),
    (TABLE | {"rows": [["a", 1]] * 5001, "total_rows": 5001}, "rows of item 1 has 5,001 entries"),
    (TABLE | {"total_rows": 1}, "has 2 rows, but says 1"),
    (TABLE | {"total_rows": 3}, "has 2 of 3 rows, and no file"),
    (TABLE | {"total_rows": -1}, "total_rows"),
    (TABLE | {"total_rows": "2"}, "total_rows"),
    (TABLE | {"total_rows": True}, "total_rows"),
    (TABLE | {"total_rows": 2.0}, "total_rows"),
    ({name: one for name, one in TABLE.items() if name != "total_rows"}, "total_rows"),
    ({name: one for name, one in TABLE.items() if name != "rows"}, "rows"),
    (TABLE | {"title": 7}, "title"),
    (TABLE | {"title": "t" * 301}, "title of item 1 has more than 300"),
    (LONG | {"file": LONG["file"] | {"rows": 4}}, "are not the same table"),
    (LONG | {"file": LONG["file"] | {"columns": COLUMNS[:1]}}, "are not the same table"),
    (LONG | {"file": FILE["name"]}, "file"),
    (LONG | {"file": {}}, "file"),
    (VALUE | {"value": "1.5"}, "item 1 is not of type number"),
    (VALUE | {"value": [1]}, "item 1 is not of type number"),
    (VALUE | {"value_type": "anything"}, "value_type"),
    (VALUE | {"name": None}, "name"),
    (VALUE | {"name": "n" * 301}, "name of item 1 has more than 300"),
    (VALUE | {"unit": "u" * 301}, "unit of item 1 has more than 300"),
    (VALUE | {"value": {"a": [1] * 3}, "value_type": "nested", "unit": 1}, "unit"),
    (CHART | {"kind": "area"}, "kind"),
    (CHART | {"x": None}, "has no x or no y"),
    (CHART | {"y": "m"}, "has no column 'm'"),
    (CHART | {"y": "label"}, "needs numbers in 'label'"),
    (CHART | {"color": "c"}, "has no column 'c'"),
    (CHART | {"rows": [["a", 1]] * 5001}, "rows of item 1 has 5,001 entries"),
    (HISTOGRAM | {"columns": BINS[:2], "rows": []}, "has no column 'count'"),
    (HISTOGRAM | {"columns": [*BINS[:2], {"name": "count", "type": "string"}], "rows": []}, "needs numbers in 'count'"),
    (BOX | {"x": "label"}, "has no column 'label'"),
    (BOX | {"columns": BOX_COLUMNS[1:], "rows": []}, "has no column 'min'"),
    (FILE | {"rows": -1}, "rows"),
    (FILE | {"columns": []}, "has no columns"),
    (FILE | {"columns": [COLUMN] * 2}, "two columns of one name"),
    *(
        (FILE | {"name": name}, "names a file that no answer writes")
        for name in (
            *("../table-1.parquet", "../../../other/csv/secret.csv", "/etc/passwd.csv", "a/b.csv", "..", ".csv", "a"),
            *("answer.json", "", "a.py", "s3://lake/x.csv", "a\\b.csv", "a\x00.csv", "a\n.csv", "C:a.csv", " .csv"),
        )
    ),
    (FILE | {"name": "x" * 290 + ".csv"}, "names a file that no answer writes"),
    (FILE | {"name": ["a.csv"]}, "name"),
]


@pytest.mark.parametrize(("item", "problem"), FORGED, ids=lambda one: repr(one)[:60])
def test_a_forged_part_is_refused_with_what_is_wrong(item: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidAnswer) as error:
        read_answer(document(item))

    assert problem in error.value.message
    assert len(error.value.message) < 500


RIGHT: dict[str, list[object]] = {
    "integer": [0, -5, 2**53, -(2**53), str(2**53 + 1), "-12345678901234567890", "1" + "0" * 90],
    "number": [0, 1.5, -2e300, "Infinity", "-Infinity", 2**53],
    "decimal": ["0", "-1.50", "1E+1000000", "Infinity", "0.000000001"],
    "string": ["", "NaN", "\x00\x1b", "\u202e", "x" * 100_000],
    "boolean": [True, False],
    "date": ["2024-02-29", "0001-01-01", "9999-12-31", "+012024-01-31", "-000044-03-15"],
    "time": ["00:00:00", "23:59:59.999999", "10:30:00.000000001"],
    "timestamp": [
        *("2024-01-31T10:30:00", "2024-01-31T10:30:00.000001+05:45", "+292277-01-01T00:00:00"),
        *("0001-01-01T00:00:00-00:01", "1800-01-01T00:00:00+00:53:28"),
    ],
    "duration": [0.0, -1.5, 3],
    "binary": ["", "AA==", "/+8="],
    "nested": [[], {}, [1, [None, {"a": "x", "b": [True, 1.5]}]], {"": None}],
}
WRONG: dict[str, list[object]] = {
    "integer": [
        *(1.5, True, "5", "12", "9007199254740992", "1e30", "", "0x10", "१२३४५६७८९०१२३४५६७८९", [], {}, "9" * 5000),
        *("012345678901234567890", "+12345678901234567890", "1234567890123456789.0", "-"),
    ],
    "number": ["1", "NaN", "inf", True, [], "+Infinity", "infinity"],
    "decimal": [1, 1.5, "", "1.", ".5", "1,5", "NaN", "1e5", " 1", "1 ", "+1", "1" * 5000],
    "string": [1, False, [], {}],
    "boolean": [0, 1, "true"],
    "date": ["2024-02-30", "2024-1-31", "31.01.2024", "2024-01-31T00:00:00", "", 20240131, "2024-W05-3", "12024-01-31"],
    "time": ["24:00:00", "10:30", "10:30:60", "10:30:00.1", "10:30:00Z", "10:30:00+01:00", 10],
    "timestamp": [
        *("2024-01-31 10:30:00", "2024-01-31", "2024-01-31T10:30:00Z", "2024-01-31T25:00:00", "2024-13-31T10:30:00"),
        *("2024-01-31T10:30:00+99:00", "2024-01-31T10:30:00+0100", 1706697000, "T", "T" * 100_000, "2024-01-31T"),
    ],
    "duration": ["1", "PT1S", True, "Infinity"],
    "binary": ["A", "AA=A", "ä===", [0], "AA==\n"],
    "nested": ["[]", 1, "x", json.loads("[" * 27 + "]" * 27), {"a": json.loads("[" * 26 + "]" * 26)}],
}


@pytest.mark.parametrize(("kind", "cell"), [(kind, cell) for kind, cells in RIGHT.items() for cell in cells], ids=repr)
def test_cells_of_each_type_are_read(kind: str, cell: Any) -> None:
    columns = [{"name": "c", "type": kind}]
    answer = read_answer(
        document(
            {"type": "value", "name": "v", "value": cell, "value_type": kind},
            {"type": "table", "columns": columns, "rows": [[cell], [None]], "total_rows": 2},
        )
    )

    value, table = answer.items
    assert (getattr(value, "value", None), getattr(table, "rows", None)) == (cell, ((cell,), (None,)))


@pytest.mark.parametrize(("kind", "cell"), [(kind, cell) for kind, cells in WRONG.items() for cell in cells], ids=repr)
def test_cells_of_another_type_are_refused(kind: str, cell: Any) -> None:
    value = {"type": "value", "name": "v", "value": cell, "value_type": kind}
    table = {"type": "table", "columns": [{"name": "c", "type": kind}], "rows": [[cell]], "total_rows": 1}
    for item in (value, table):
        with pytest.raises(InvalidAnswer, match=f"not of type {kind}"):
            read_answer(document(item))


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["table", "value", "chart", "file", "integer", "nested", "a.csv", "2024-01-31", "Infinity"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "rows", "columns", "name", "value", "file", "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    found = []
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


def _right_or_refused(data: bytes) -> None:
    try:
        answer = read_answer(data)
    except InvalidAnswer:
        return
    assert not any(isinstance(item, OpaqueItem) for item in answer.items)
    assert Answer.model_validate_json(answer.model_dump_json()) == answer
    assert isinstance(answer.is_empty, bool)


@settings(max_examples=by_profile(fast=50, ci=150, deep=50_000))
@given(st.data())
def test_an_answer_changed_anywhere_is_right_or_refused(data: st.DataObject) -> None:
    forged = copy.deepcopy(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        parent, key = data.draw(st.sampled_from(_places(forged) or [({"items": None}, "items")]))
        if isinstance(parent, dict) and data.draw(st.booleans()):
            del parent[key]
        else:
            parent[key] = data.draw(_JSON)

    _right_or_refused(json.dumps(forged).encode())


@settings(max_examples=by_profile(fast=50, ci=200, deep=50_000))
@given(st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=4))
def test_an_answer_with_changed_bytes_is_right_or_refused(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(json.dumps(GOOD).encode())
    for at, new in changes:
        data[at : at + len(new)] = new

    _right_or_refused(bytes(data))
