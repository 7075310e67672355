"""Words of follow-ups that seem to say one thing and say another."""

from __future__ import annotations

import pytest

from raylane_common.errors import AmbiguousPrompt, NotUnderstood, RaylaneError
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.generator import write
from tests.unit.generation.schemas import WEATHER, column, csv_source


@pytest.mark.parametrize(
    ("earlier", "prompt"),
    [
        ("average temp_max by wind", "instead of wind, by date"),
        ("average temp_max by wind", "no median"),
        ("average temp_max by wind", "no line chart"),
        ("average temp_max by wind", "from 2012 and 2014"),
        ("top 5 by temp_max", "as a histogram"),
        ("top 3 weather by average temp_max", "as a box plot"),
    ],
)
def test_a_change_that_may_mean_the_contrary_is_refused(earlier: str, prompt: str) -> None:
    with pytest.raises(RaylaneError) as caught:
        write(prompt, [WEATHER], earlier=[earlier])
    assert isinstance(caught.value, NotUnderstood), caught.value


def test_a_no_before_a_comma_is_courtesy() -> None:
    question = write("no, the median", [WEATHER], earlier=["average temp_max by weather"]).question
    assert question == "median of 'temp_max' by 'weather' in 'seattle-weather.csv'"


def test_the_last_day_of_a_range_is_a_whole_day_when_conditions_are_compared() -> None:
    source = csv_source(columns=(column("at", ColumnType.TIMESTAMP),))
    earlier = "how many rows where at between 2012-01-01 and 2012-12-31"
    with pytest.raises(AmbiguousPrompt):
        write("only where at > '2012-12-31 12:00:00'", [source], earlier=[earlier])


def test_a_condition_that_the_earlier_question_repeats_is_kept_as_it_is() -> None:
    earlier = "average temp_max where wind > 3 and wind > 3"
    question = write("and where weather = rain", [WEATHER], earlier=[earlier]).question
    assert question.endswith("where 'wind' > 3 and 'wind' > 3 and 'weather' = 'rain'")
