"""Numbers of JSON keep their digits, by the rules of a CSV, also if a float does not hold them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.prepare import read_file

if TYPE_CHECKING:
    from pathlib import Path

EXACT = "decimal128(38, {})"


def read(tmp_path: Path, text: str, **said: Any) -> tuple[str, list[Any], str]:
    """Returns the type and the values of the first column, and the warnings."""
    path, copy = tmp_path / "file", tmp_path / "copy"
    path.write_text(text, encoding="utf-8")
    found = read_file(path, "file.json", ReadingOptions(**said), copy_to=copy)
    table: pa.Table = parquet.read_table(copy)
    return str(table.schema.types[0]), table.column(0).to_pylist(), " ".join(found.warnings)


@pytest.mark.parametrize(
    ("numbers", "arrow_type", "values"),
    [
        (["100000000000000.01", "0.02"], EXACT.format(2), [Decimal("100000000000000.01"), Decimal("0.02")]),
        (["9007199254740993.0", "null", "1"], EXACT.format(1), [Decimal("9007199254740993.0"), None, Decimal(1)]),
        (["123456789012345678", "1.5"], EXACT.format(1), [Decimal(123456789012345678), Decimal("1.5")]),
        (["0.1", "0.10000000000000000555", "1.50", "-0.00"], "double", [0.1, 0.1, 1.5, 0.0]),
        (["48.85837012345679", "5e-324"], "double", [48.85837012345679, 5e-324]),
        (["1e2", "5"], "double", [100.0, 5.0]),
    ],
)
def test_a_number_keeps_its_digits(tmp_path: Path, numbers: list[str], arrow_type: str, values: list[Any]) -> None:
    text = "[" + ",".join(f'{{"a":{number}}}' for number in numbers) + "]"
    assert read(tmp_path, text) == (arrow_type, values, "")


@pytest.mark.parametrize(
    ("numbers", "values", "warning"),
    [
        (["1e-400", "1"], ["1e-400", "1"], "more digits than any type holds exactly; use --type a=number"),
        (["1e400", "1"], ["1e400", "1"], "columns with values of several types are text: 'a'"),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"], "more digits than any type holds"),
        (["12345678901234567.89", "1e-7"], ["12345678901234567.89", "1e-07"], "more digits than any type holds"),
        (["0.12345678901234567890123456789"], None, "more digits than any type holds exactly"),
        (["true", "1"], ["true", "1"], "columns with values of several types are text: 'a'"),
        (["100000000000000.01", '"x"'], ["100000000000000.01", "x"], "columns with values of several types are text"),
    ],
)
def test_a_column_that_becomes_text_is_a_warning(
    tmp_path: Path, numbers: list[str], values: list[str] | None, warning: str
) -> None:
    arrow_type, found, warnings = read(tmp_path, "\n".join(f'{{"a":{number}}}' for number in [*numbers]) + "\n")
    assert (arrow_type, found) == ("string", values or numbers)
    assert warning in warnings


def test_texts_of_digits_beside_exact_numbers_stay_texts(tmp_path: Path) -> None:
    kind, values, _ = read(tmp_path, '[{"zip":"1","n":100000000000000.01},{"zip":"2","n":1}]')
    assert (kind, values) == ("string", ["1", "2"])


def test_numbers_inside_arrays_keep_their_digits_as_text(tmp_path: Path) -> None:
    assert read(tmp_path, '[{"a":[100000000000000.01,0.5]}]')[1] == ['["100000000000000.01", 0.5]']
