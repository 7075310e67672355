"""Which changes of an earlier question the template generator understands, and how it refuses the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import AmbiguousPrompt, NotUnderstood, RaylaneError, TypeMismatch, UnknownColumn
from raylane_common.wire.generate import Predecessor
from raylane_common.wire.names import Engine
from raylane_common.wire.sources import ColumnType, Source
from raylane_worker.generation.port import WritingTask
from raylane_worker.generation.template.generator import TemplateGenerator, write
from tests.unit.generation.schemas import WEATHER, column, csv_source

ASKED = "average temp_max by weather"
YEAR = "where 'date' between 2012-01-01 and 2012-12-31"
MEAN = "average of 'temp_max' by 'weather'"

# The change, and the whole question that it makes of ASKED, without its source.
CHANGES = {
    "now only where wind > 3": f"{MEAN} where 'wind' > 3",
    "Now only where wind > 3, please.": f"{MEAN} where 'wind' > 3",
    "only wind > 3": f"{MEAN} where 'wind' > 3",
    "with wind > 3": f"{MEAN} where 'wind' > 3",
    "and where wind > 3": f"{MEAN} where 'wind' > 3",
    "only where weather = rain and wind is missing": f"{MEAN} where 'weather' = 'rain' and 'wind' is missing",
    "only 2012": f"{MEAN} {YEAR}",
    "in 2012": f"{MEAN} {YEAR}",
    "what about 2012?": f"{MEAN} {YEAR}",
    "only 2012 and 2013": f"{MEAN} where 'date' between 2012-01-01 and 2013-12-31",
    "from 2012 to 2014": f"{MEAN} where 'date' between 2012-01-01 and 2014-12-31",
    "only since 2013": f"{MEAN} where 'date' >= 2013-01-01",
    "before 2013": f"{MEAN} where 'date' < 2013-01-01",
    "after 2013": f"{MEAN} where 'date' > 2013-12-31",
    "only rain": f"{MEAN} where 'weather' = 'rain'",
    "only rain, 'heavy snow' and fog": f"{MEAN} where 'weather' in ('rain', 'heavy snow', 'fog')",
    "without rain": f"{MEAN} where 'weather' != 'rain'",
    "by date": "average of 'temp_max' by 'date'",
    "by date instead": "average of 'temp_max' by 'date'",
    "per date instead of weather": "average of 'temp_max' by 'date'",
    "and then by date": "average of 'temp_max' by 'date'",
    "also by date": "average of 'temp_max' by 'weather', 'date'",
    "overall": "average of 'temp_max'",
    "median instead": "median of 'temp_max' by 'weather'",
    "the median instead of the average": "median of 'temp_max' by 'weather'",
    "min and max": "min of 'temp_max' and max of 'temp_max' by 'weather'",
    "also the maximum": "average of 'temp_max' and max of 'temp_max' by 'weather'",
    "also the median and the maximum": (
        "average of 'temp_max' and median of 'temp_max' and max of 'temp_max' by 'weather'"
    ),
    "count instead": "number of rows by 'weather'",
    "also the number of rows": "average of 'temp_max' and number of rows by 'weather'",
    "of temp_min": "average of 'temp_min' by 'weather'",
    "temp_min instead": "average of 'temp_min' by 'weather'",
    "temp_min instead of temp_max": "average of 'temp_min' by 'weather'",
    "also temp_min": "average of 'temp_max' and average of 'temp_min' by 'weather'",
    "top 3": "top 3 'weather' by average of 'temp_max'",
    "only the top three": "top 3 'weather' by average of 'temp_max'",
    "bottom 2": "bottom 2 'weather' by average of 'temp_max'",
    "largest first": "top 1000 'weather' by average of 'temp_max'",
    "as a line chart": f"{MEAN} as a line chart",
    "make it a bar chart": f"{MEAN} as a bar chart",
    "bars, please": f"{MEAN} as a bar chart",
    "as a chart": f"{MEAN} as a chart",
    "without a chart": f"{MEAN} without a chart",
    "as a histogram": "histogram of 'temp_max'",
    "as a box plot": "box plot of 'temp_max' by 'weather'",
    "only 2012, as a line chart": f"{MEAN} {YEAR} as a line chart",
    "only where wind > 3, median instead, as bars": "median of 'temp_max' by 'weather' where 'wind' > 3 as a bar chart",
    "by date instead, the maximum instead of the average, top 5, only 2012, without a chart, please": (
        f"top 5 'date' by max of 'temp_max' {YEAR} without a chart"
    ),
    # A whole question of its own wins.
    "median of temp_min by date": "median of 'temp_min' by 'date'",
    "how many rows": "how many rows",
}
# The earlier question, the change, and the new question.
OTHERS = {
    ("how many rows where wind > 3", "without the filter"): "how many rows",
    ("how many rows where wind > 3", "for all rows"): "how many rows",
    ("how many rows where wind > 3 and temp_min < 0", "without the condition on wind"): (
        "how many rows where 'temp_min' < 0"
    ),
    # A bound in the same direction replaces the other one; one in the other direction narrows.
    ("how many rows where wind > 3", "only where wind > 5"): "how many rows where 'wind' > 5",
    ("how many rows where wind > 3", "only where wind < 9"): "how many rows where 'wind' > 3 and 'wind' < 9",
    ("how many rows where wind > 3", "only where wind < 2"): "how many rows where 'wind' < 2",
    ("how many rows where weather = rain", "only where weather = snow"): "how many rows where 'weather' = 'snow'",
    ("how many rows where weather != rain", "and where weather != fog"): (
        "how many rows where 'weather' != 'rain' and 'weather' != 'fog'"
    ),
    ("how many rows where date between 2012-01-01 and 2012-12-31", "only 2013"): (
        "how many rows where 'date' between 2013-01-01 and 2013-12-31"
    ),
    ("how many rows", "by weather as a pie chart"): "number of rows by 'weather' as a pie chart",
    ("how many rows", "average of temp_max instead"): "average of 'temp_max'",
    ("plot average temp_max by weather", "by date"): "average of 'temp_max' by 'date' as a chart",
    ("count by weather as a pie chart", "overall, without a chart"): "how many rows without a chart",
    ("top 3 weather by average temp_max", "all groups"): MEAN,
    ("top 3 weather by average temp_max", "overall"): "average of 'temp_max'",
    ("top 3 weather by average temp_max", "bottom 5"): "bottom 5 'weather' by average of 'temp_max'",
    ("top 5 by temp_max", "by wind"): "top 5 by 'wind'",
    ("top 5 by temp_max", "bottom 2 only"): "bottom 2 by 'temp_max'",
    ("distinct weather", "as a pie chart"): "distinct 'weather' as a pie chart",
    ("distinct weather", "top 3"): "top 3 'weather' by number of rows",
    ("describe", "only wind"): "describe 'wind'",
    ("missing values per column", "of wind and weather"): "missing values of 'wind', 'weather'",
    ("min and max of temp_max and wind", "median instead of the max"): (
        "min of 'temp_max' and median of 'temp_max' and min of 'wind' and median of 'wind'"
    ),
    ("min and max of temp_max and wind", "temp_min instead of wind"): (
        "min of 'temp_max' and max of 'temp_max' and min of 'temp_min' and max of 'temp_min'"
    ),
    ("histogram of temp_max", "as a box plot by weather"): "box plot of 'temp_max' by 'weather'",
    ("box plot of temp_max by weather", "overall"): "box plot of 'temp_max'",
    ("plot temp_max against temp_min", "against wind"): "plot 'temp_max' against 'wind'",
    ("plot temp_max against temp_min", "over date"): "plot 'temp_max' over 'date'",
    ("plot temp_max over date", "as a scatter plot"): "plot 'temp_max' against 'date'",
    ("first 5 rows", "only 2012"): f"first 5 rows {YEAR}",
}
AMBIGUOUS = {
    (ASKED, "and by date"): ["average of 'temp_max' by 'date'", "average of 'temp_max' by 'weather', 'date'"],
    (ASKED, "and temp_min"): [
        "average of 'temp_min' by 'weather'",
        "average of 'temp_max' and average of 'temp_min' by 'weather'",
    ],
    ("how many rows where wind between 1 and 5", "only where wind > 3"): [
        "how many rows where 'wind' > 3",
        "how many rows where 'wind' between 1 and 5 and 'wind' > 3",
    ],
}
REFUSED = {
    (ASKED, "hello"): (NotUnderstood, "'hello'; a follow-up is a whole question, or changes the earlier one, as in"),
    (ASKED, "for rain"): (UnknownColumn, "'rain'"),
    (ASKED, "by month"): (UnknownColumn, "'month'"),
    (ASKED, "only where winds > 3"): (UnknownColumn, "did you mean 'wind'"),
    (ASKED, "only where wind > many"): (TypeMismatch, "write digits only"),
    (ASKED, "of weather"): (TypeMismatch, "cannot have a mean"),
    (ASKED, "only since yesterday"): (NotUnderstood, "'yesterday'"),
    (ASKED, "only 2012 and 2014"): (NotUnderstood, "years of dates must follow each other"),
    (ASKED, "without the filter"): (NotUnderstood, "no such condition"),
    (ASKED, "by weather instead"): (NotUnderstood, "changes nothing"),
    (ASKED, "now"): (NotUnderstood, "changes nothing"),
    (ASKED, "as a line chart, as a bar chart"): (NotUnderstood, "changes the chart twice"),
    (ASKED, "by date, by wind"): (NotUnderstood, "changes the groups twice"),
    (ASKED, "by wind instead of date"): (NotUnderstood, "'date' is none of the groups"),
    (ASKED, "sum instead of the median"): (NotUnderstood, "does not ask for the median"),
    (ASKED, "also by date instead"): (NotUnderstood, "say 'also', or 'instead'"),
    (ASKED, "as a pie chart"): (NotUnderstood, "what fits is average of 'temp_max' by 'weather' as a bar chart"),
    ("count by weather as a pie chart", "average temp_max instead"): (NotUnderstood, "not the parts of a whole"),
    ("count by weather as a pie chart", "overall"): (NotUnderstood, "no groups that a chart could show"),
    ("how many rows where weather = rain", "and where weather = fog"): (NotUnderstood, "no row meets both"),
    ("how many rows", "only rain"): (NotUnderstood, "say which column"),
    ("how many rows", "top 3"): (NotUnderstood, "no groups that could be ranked"),
    ("how many rows", "temp_min instead"): (NotUnderstood, "is about no column"),
    ("how many rows", "median instead"): (NotUnderstood, "names no column"),
    ("first 5 rows", "by weather"): (NotUnderstood, "no groups that could be others"),
    ("histogram of temp_max", "without a chart"): (NotUnderstood, "a histogram cannot be without a chart"),
}


def changed(earlier: str, prompt: str, *sources: Source) -> str:
    """The whole question that the follow-up asks, without the name of the only source."""
    question = write(prompt, sources or [WEATHER], earlier=[earlier]).question
    return question if sources else question.replace(" in 'seattle-weather.csv'", "")


@pytest.mark.parametrize(
    ("earlier", "prompt", "whole"),
    [(ASKED, *one) for one in CHANGES.items()] + [(*asked, whole) for asked, whole in OTHERS.items()],
)
def test_a_follow_up_changes_parts_of_the_earlier_question(earlier: str, prompt: str, whole: str) -> None:
    assert changed(earlier, prompt) == whole
    # The new question can be asked alone, and changed in turn.
    alone = write(whole, [WEATHER])
    assert alone.question.replace(" in 'seattle-weather.csv'", "") == whole
    assert write(prompt, [WEATHER], earlier=[earlier]).interpreted_as == alone.interpreted_as


@pytest.mark.parametrize(("asked", "choices"), AMBIGUOUS.items())
def test_a_follow_up_with_two_readings_is_refused_with_both(asked: tuple[str, str], choices: list[str]) -> None:
    with pytest.raises(AmbiguousPrompt) as caught:
        changed(*asked)
    found = caught.value.details["choices"]
    assert isinstance(found, list)
    assert [str(one).replace(" in 'seattle-weather.csv'", "") for one in found] == choices


@pytest.mark.parametrize(("asked", "error"), REFUSED.items())
def test_any_other_follow_up_is_refused_with_the_reason(
    asked: tuple[str, str], error: tuple[type[RaylaneError], str]
) -> None:
    with pytest.raises(RaylaneError) as caught:
        changed(*asked)
    assert type(caught.value) is error[0], caught.value
    assert error[1] in caught.value.message


@pytest.mark.parametrize("earlier", [ASKED, "how many rows where wind > 3", "histogram of wind", "first 5 rows"])
def test_a_refusal_has_examples_of_changes_of_this_question(earlier: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        changed(earlier, "hello")
    supported = caught.value.details["supported"]
    assert isinstance(supported, list)
    assert {"form": "rows of years", "example": "only 2024"} in supported
    for form in supported:
        assert isinstance(form, dict)
        assert changed(earlier, str(form["example"])) != changed(earlier, earlier)


@pytest.mark.parametrize("prompt", ["distinct snowfall", "count by weather", "histogram of snowfall"])
def test_a_whole_question_that_is_refused_has_the_same_error_as_without_an_earlier_one(prompt: str) -> None:
    source = csv_source(columns=(*WEATHER.columns, column("count", ColumnType.INTEGER)))
    with pytest.raises(RaylaneError) as alone:
        write(prompt, [source])
    assert isinstance(alone.value, UnknownColumn | AmbiguousPrompt)
    assert "supported" in alone.value.details
    with pytest.raises(RaylaneError) as after_another:
        write(prompt, [source], earlier=[ASKED])
    assert after_another.value.info() == alone.value.info()


def test_a_follow_up_of_a_follow_up_changes_what_that_one_made_of_the_question() -> None:
    second = write("now only where wind > 3", [WEATHER], earlier=[f"{ASKED}?"])
    third = write("as a line chart", [WEATHER], earlier=[second.question])
    assert third.interpreted_as == (
        "The average of 'temp_max' for each 'weather' over the rows where 'wind' > 3, as a line chart, "
        "in seattle-weather.csv"
    )
    # The same if only the prompts are known, because a model wrote the code.
    prompts = ["Tell me a story", ASKED, "now only where wind > 3"]
    assert write("as a line chart", [WEATHER], earlier=prompts).question == third.question
    with pytest.raises(NotUnderstood, match="cannot read the earlier question 'tell me more'"):
        write("as a line chart", [WEATHER], earlier=[*prompts, "tell me more"])


def test_a_follow_up_may_name_another_source_with_the_same_columns() -> None:
    other = csv_source("other.csv")
    narrow = csv_source("narrow.csv", (column("temp_max", ColumnType.NUMBER), column("weather", ColumnType.STRING)))
    files = [WEATHER, other, narrow]
    asked = f"{ASKED} in seattle-weather.csv"
    assert changed(asked, "the same for other.csv", *files) == "average of 'temp_max' by 'weather' in 'other.csv'"
    assert changed(asked, "for narrow.csv, as bars", *files).endswith("in 'narrow.csv' as a bar chart")
    assert changed(asked, "median instead", *files).endswith("in 'seattle-weather.csv'")
    with pytest.raises(UnknownColumn, match=r"narrow\.csv has no column 'wind'"):
        changed(asked, "for narrow.csv, only where wind > 3", *files)
    with pytest.raises(UnknownColumn, match=r"narrow\.csv has no column 'wind'"):
        changed("average wind in seattle-weather.csv", "for narrow.csv", *files)
    with pytest.raises(RaylaneError, match=r"no source named 'missing\.csv'"):
        changed(asked, "for missing.csv", *files)


def test_the_year_is_that_of_the_column_by_which_the_question_groups_or_of_a_column_of_years() -> None:
    kinds = {"v": ColumnType.NUMBER, "born": ColumnType.DATE, "died": ColumnType.DATE, "city": ColumnType.STRING}
    people = csv_source(columns=tuple(column(name, kind) for name, kind in kinds.items()))
    with pytest.raises(AmbiguousPrompt):
        changed("sum of v by city", "only 2012", people)
    assert "'died' between 2012" in changed("sum of v by died", "only 2012", people)
    years = csv_source(columns=(column("v", ColumnType.NUMBER), column("fiscal_year", ColumnType.INTEGER)))
    assert "'fiscal_year' = 2012" in changed("sum of v", "only 2012", years)
    assert "'fiscal_year' in (2012, 2014)" in changed("sum of v", "only 2012 and 2014", years)
    with pytest.raises(NotUnderstood, match="has no column of dates"):
        changed("sum of v", "only 2012", csv_source(columns=(column("v", ColumnType.NUMBER),)))


def test_a_column_that_is_called_like_a_word_of_a_change_makes_it_ambiguous_or_is_meant() -> None:
    names = ("chart", "bar", "median", "v")
    columns = [*(column(name, ColumnType.NUMBER) for name in names), column("city", ColumnType.STRING)]
    source = csv_source(columns=tuple(columns))
    for prompt in ("as a bar chart", "bar", "also the median"):
        with pytest.raises(AmbiguousPrompt):
            changed("average v by city", prompt, source)
    assert changed("average v by city", "bars", source).endswith("as a bar chart")
    assert changed("average v by city", "of bar", source).startswith("average of 'bar' by 'city'")


async def test_the_generator_reads_the_question_of_the_job_that_it_continues() -> None:
    async def say(text: str) -> None:
        raise AssertionError(text)

    for question, prompts in ((f"{MEAN} in 'seattle-weather.csv'", ("something else",)), ("", ("hello", ASKED))):
        continues = Predecessor(
            job_id="j", prompts=prompts, question=question, code="print(1)", sources_used=(WEATHER,)
        )
        task = WritingTask("k", "only where wind > 3", [WEATHER], Engine.LOCAL, continues=continues)
        draft = await TemplateGenerator().write(task, say)
        assert draft.question == f"{MEAN} in 'seattle-weather.csv' where 'wind' > 3"


@given(st.data())
def test_any_words_of_changes_are_a_question_or_a_typed_refusal(data: st.DataObject) -> None:
    words = sorted({word for prompt in CHANGES for word in prompt.split()} | {"instead", "of", "not", "for"})
    prompt = " ".join(data.draw(st.lists(st.sampled_from(words), max_size=8)))
    try:
        question = write(prompt, [WEATHER], earlier=[ASKED]).question
    except RaylaneError as error:
        assert error.info().model_dump_json()
    else:
        assert write(question, [WEATHER]).question == question
