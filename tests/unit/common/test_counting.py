"""How messages say a number of things."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest, invalid_requests


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (-1, "-1 rows"), (12_345, "12,345 rows")]
)
def test_one_thing_is_not_said_as_several(number: int, said: str) -> None:
    assert counted(number, "row") == said


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


def test_a_limit_of_one_is_said_in_the_singular() -> None:
    class Model(BaseModel):
        name: str = Field(max_length=1)

    with pytest.raises(InvalidRequest, match="must have at most 1 character"), invalid_requests():
        Model(name="ab")
