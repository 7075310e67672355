"""Whole numbers stay whole in answers of the local engine, also where some are missing and nothing is known of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from raylane_common.wire.answer import AnswerTable, CellType
from raylane_common.wire.names import Engine
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.fuzz.engines.tables import make_file
from tests.helpers.kit import kit, run_script


@pytest.mark.parametrize("keeps_profile", [True, False])
@pytest.mark.parametrize("prompt", ["first 3 rows", "bottom 3 by a"])
@pytest.mark.parametrize(
    ("kind", "numbers", "shown"),
    [
        (pa.uint64(), [0, None, 2], [0, None, 2]),
        (pa.uint64(), [2**64 - 1, None, 1], ["18446744073709551615", None, 1]),
        (pa.uint64(), [None, None, None], [None, None, None]),
        (pa.decimal128(38, 0), [7, None, -7], [7, None, -7]),
        (pa.int32(), [7, None, -7], [7, None, -7]),
    ],
)
def test_rows_with_gaps_keep_whole_numbers(
    kind: pa.DataType, numbers: list[int | None], shown: list[object], prompt: str, keeps_profile: bool
) -> None:
    table = make_file(
        pa.table({"a": pa.array([1, 2, 3], pa.int64()), "n": pa.array(numbers, kind)}),
        "parquet",
        keeps_profile=keeps_profile,
    )
    code = write(prompt, [table.source], engine=Engine.LOCAL).code
    assert verify(code, [table.source], Engine.LOCAL) == []
    with kit(table.objects, [table.source]) as package:
        ran = run_script(code, package)
    assert ran.error is None
    assert ran.answer is not None
    (answered,) = ran.answer.items
    assert isinstance(answered, AnswerTable)
    assert [column.type for column in answered.columns] == [CellType.INTEGER] * 2
    assert [row[1] for row in answered.rows] == shown
