"""`read` in the local engine: frames of numpy's types with the values of the file."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers import frames
from tests.helpers.kit import kit
from tests.integration.reading_cases import cases

CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_a_file_is_read_as_its_record_says(name: str) -> None:
    case = CASES[name]
    source, objects = case.upload()
    with kit(objects, [source]) as package:
        frame: Any = package.read(source.location)
    assert [*frame.columns] == [*case.columns]
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        name: kind for name, (kind, _) in case.columns.items()
    }
    assert frames.rows(frame) == case.rows
    assert [*frame.index] == [*range(len(case.rows))]
