"""Which charts prompts ask for, and that answers have them: the chart's data are those of the table or of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from raylane_common.errors import AmbiguousPrompt, NotUnderstood, RaylaneError, TypeMismatch
from raylane_common.wire.answer import AnswerChart, AnswerTable
from raylane_common.wire.names import ChartKind, Engine
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.helpers.files import uploaded
from tests.helpers.kit import kit, run_script
from tests.unit.generation.schemas import WEATHER, column, csv_source

if TYPE_CHECKING:
    from raylane_common.wire.sources import Source
    from tests.helpers.kit import Ran

Placed: TypeAlias = "tuple[Source, dict[str, bytes]]"

CSV = b"""\
day,city,n,x
2024-01-01,Ulm,1,0.5
2024-01-02,Ulm,2,1.5
2024-01-03,Bonn,3,2.5
2024-01-04,Bonn,4,
2024-01-05,,5,4.5
"""
# The prompt, and its whole question without the name of the source.
MEANINGS = {
    "average x by city as a line chart": "average of 'x' by 'city' as a line chart",
    "average x by city, as a bar chart": "average of 'x' by 'city' as a bar chart",
    "average x by city as bars where n > 1": "average of 'x' by 'city' where 'n' > 1 as a bar chart",
    "count by city as a pie chart": "number of rows by 'city' as a pie chart",
    "count by city as a pie": "number of rows by 'city' as a pie chart",
    "average x by n as a scatter plot": "average of 'x' by 'n' as a scatter chart",
    "average x by city as a chart": "average of 'x' by 'city' as a chart",
    "average x by city without a chart": "average of 'x' by 'city' without a chart",
    "average x by city as a table": "average of 'x' by 'city' without a chart",
    "plot the average x by city": "average of 'x' by 'city' as a chart",
    "Draw a bar chart of average x by city.": "average of 'x' by 'city' as a bar chart",
    "chart count by day as a line": "number of rows by 'day' as a line chart",
    "line chart of average x by day": "average of 'x' by 'day' as a line chart",
    "pie chart of count by city": "number of rows by 'city' as a pie chart",
    "bar chart of city": "distinct 'city' as a bar chart",
    "distinct city as a pie chart": "distinct 'city' as a pie chart",
    "show me a histogram of x": "histogram of 'x'",
    "distribution of x": "histogram of 'x'",
    "plot x as a histogram": "histogram of 'x'",
    "rows as a histogram of x where n > 1": "histogram of 'x' where 'n' > 1",
    "box plot of x": "box plot of 'x'",
    "boxplot of x by city": "box plot of 'x' by 'city'",
    "x as a box plot by city": "box plot of 'x' by 'city'",
    "scatter of n and x": "plot 'x' against 'n'",
    "scatter plot of x against n": "plot 'x' against 'n'",
    "x against n as a scatter plot": "plot 'x' against 'n'",
    "x vs n": "plot 'x' against 'n'",
    "plot x over day": "plot 'x' over 'day'",
    "x over day as a line chart": "plot 'x' over 'day'",
    "line chart of x over day": "plot 'x' over 'day'",
}
# The prompt, the error, a part of its message, and the prompts that it offers.
REFUSED: dict[str, tuple[type[RaylaneError], str, list[str]]] = {
    "average x by city as a pie chart": (
        NotUnderstood,
        "not the parts of a whole",
        ["average of 'x' by 'city' as a bar chart", "histogram of 'x'"],
    ),
    "average x by city as a scatter plot": (
        NotUnderstood,
        "column 'city' has no order",
        ["average of 'x' by 'city' as a bar chart", "histogram of 'x'"],
    ),
    "average x by city as a histogram": (
        NotUnderstood,
        "made of the values of one column",
        ["histogram of 'x'", "average of 'x' by 'city' as a bar chart"],
    ),
    "average x as a line chart": (
        NotUnderstood,
        "no groups",
        ["histogram of 'x'", "average of 'x' by 'city' as a bar chart"],
    ),
    "first 5 rows as a pie chart": (
        NotUnderstood,
        "no groups",
        ["histogram of 'n'", "number of rows by 'city' as a bar chart"],
    ),
    "max day by city as bars": (NotUnderstood, "no numbers", ["histogram of 'n'"]),
    "count by city and day as a pie chart": (
        NotUnderstood,
        "too many columns",
        [
            "number of rows by 'city', 'day' as a line chart",
            "histogram of 'n'",
            "number of rows by 'city' as a bar chart",
        ],
    ),
    "histogram of x as a bar chart": (NotUnderstood, "a histogram cannot be a bar chart", ["histogram of 'x'"]),
    "histogram of city": (TypeMismatch, "'bar chart of city' shows how often", []),
    "scatter plot of city and x": (TypeMismatch, "only numbers, dates and times", []),
    "box plot of x by x": (TypeMismatch, "against itself", []),
    "average x by city as a donut chart": (NotUnderstood, "the kinds of charts are bar, line, scatter", []),
    "plot x": (
        AmbiguousPrompt,
        "several ways",
        ["histogram of 'x'", "box plot of 'x'", "plot 'x' over 'day'", "distinct 'x' as a chart"],
    ),
    "line chart of x by day": (
        AmbiguousPrompt,
        "several ways",
        ["average of 'x' by 'day' as a line chart", "plot 'x' over 'day'", "sum of 'x' by 'day' as a line chart"],
    ),
}
# The prompt, and the kind, the places and the rows of the chart.
DRAWN: dict[str, tuple[ChartKind, tuple[str | None, ...], list[list[Any]] | None]] = {
    "sum of n by city": (ChartKind.BAR, ("city", "sum(n)"), [["Bonn", 7], ["Ulm", 3], [None, 5]]),
    "sum of n by city as a pie chart": (ChartKind.PIE, ("city", "sum(n)"), [["Bonn", 7], ["Ulm", 3], [None, 5]]),
    "max n by day where n > 3": (ChartKind.LINE, ("day", "max(n)"), [["2024-01-04", 4], ["2024-01-05", 5]]),
    "top 1 city by sum of n as bars": (ChartKind.BAR, ("city", "sum(n)"), [["Bonn", 7]]),
    "distinct city as bars": (ChartKind.BAR, ("city", "rows"), [["Bonn", 2], ["Ulm", 2], [None, 1]]),
    "plot x against n where n < 3": (ChartKind.SCATTER, ("n", "x"), [[1, 0.5], [2, 1.5]]),
    "plot n over day where n < 3": (ChartKind.LINE, ("day", "n"), [["2024-01-01", 1], ["2024-01-02", 2]]),
    "histogram of n": (ChartKind.HISTOGRAM, ("n", None), None),
    "box plot of x by city": (ChartKind.BOX, ("city", "x"), None),
}


def placed(filename: str, stored: bytes) -> Placed:
    source, objects = uploaded(filename, stored, bucket="b", session_id="s")
    return source, {f"s3://b/{key}": body for key, body in objects.items()}


@pytest.fixture(scope="module")
def data() -> Placed:
    return placed("d.csv", CSV)


def run(prompt: str, data: Placed, *, chart: bool = True) -> Ran:
    source, objects = data
    for engine in Engine:
        code = write(prompt, [source], engine=engine, chart=chart).code
        assert verify(code, [source], engine) == [], code
    with kit(objects, [source]) as package:
        return run_script(write(prompt, [source], chart=chart).code, package)


def parts(ran: Ran) -> tuple[list[AnswerChart], list[AnswerTable]]:
    assert ran.answer is not None, ran.error
    items = ran.answer.items
    charts = [one for one in items if isinstance(one, AnswerChart)]
    return charts, [one for one in items if isinstance(one, AnswerTable)]


@pytest.mark.parametrize(("prompt", "whole"), MEANINGS.items())
def test_a_prompt_asks_for_a_chart(prompt: str, whole: str, data: Placed) -> None:
    source = data[0]
    assert write(prompt, [source]).question.replace(" in 'd.csv'", "") == whole
    assert write(whole, [source]).question.replace(" in 'd.csv'", "") == whole


@pytest.mark.parametrize(("prompt", "refusal"), REFUSED.items())
def test_a_chart_that_does_not_fit_is_refused_with_those_that_do(
    prompt: str, refusal: tuple[type[RaylaneError], str, list[str]], data: Placed
) -> None:
    kind, reason, fits = refusal
    with pytest.raises(RaylaneError) as caught:
        write(prompt, [data[0]])
    assert type(caught.value) is kind, caught.value
    assert reason in caught.value.message
    offered = caught.value.details.get("fits", caught.value.details.get("choices", []))
    assert isinstance(offered, list)
    assert [str(one).replace(" in 'd.csv'", "") for one in offered] == fits
    for one in offered:
        assert write(str(one), [data[0]]).code


@pytest.mark.parametrize(("prompt", "drawn"), DRAWN.items())
def test_the_answer_has_the_chart(
    prompt: str, drawn: tuple[ChartKind, tuple[str | None, ...], list[list[Any]] | None], data: Placed
) -> None:
    kind, places, rows = drawn
    [chart], tables = parts(run(prompt, data))
    assert (chart.kind, (chart.x, chart.y)) == (kind, places)
    if rows is not None:
        assert [list(row) for row in chart.rows] == rows
    # A chart of rows needs no table of them.
    assert len(tables) == (0 if write(prompt, [data[0]]).template_id == "plot" else 1)


def test_two_keys_are_the_place_and_the_color_and_a_date_is_the_place(data: Placed) -> None:
    [chart], [table] = parts(run("sum of n by city and day as a line chart", data))
    assert (chart.x, chart.y, chart.color) == ("day", "sum(n)", "city")
    assert table.total_rows == 5


def test_without_charts_only_the_chart_is_left_out_that_the_prompt_does_not_ask_for(data: Placed) -> None:
    for prompt, automatic, asked in (
        ("sum of n by city", 1, 0),
        ("sum of n by city as a chart", 1, 1),
        ("sum of n by city as bars", 1, 1),
        ("sum of n by city without a chart", 0, 0),
        ("histogram of n", 1, 1),
    ):
        assert [len(parts(run(prompt, data, chart=chart))[0]) for chart in (True, False)] == [automatic, asked], prompt


def test_a_chart_of_more_rows_than_it_can_hold_shows_the_first_ones() -> None:
    many = b"n,x\n" + b"".join(b"%d,%d\n" % (row, row % 7) for row in range(5010))
    source, objects = placed("many.csv", many)
    with kit(objects, [source]) as package:
        script = write("plot x against n", [source])
        [chart], _ = parts(run_script(script.code, package))
        [counted], _ = parts(run_script(write("histogram of n", [source]).code, package))
        with_note = run_script(write("count by n where n >= 0 as bars", [source]).code, package)
    assert len(chart.rows) == 5000
    assert chart.rows[-1] == (4999, 4999 % 7)
    assert "at most 5,000 rows are drawn, the first ones" in script.interpreted_as
    assert sum(int(str(row[-1])) for row in counted.rows) == 5010
    assert parts(with_note)[0] == []
    assert with_note.answer is not None
    assert with_note.answer.notes == ("There are more than 5,000 groups, too many for a chart.",)


def test_a_chart_of_known_size_is_refused_before_it_runs() -> None:
    source, _ = placed("many.csv", b"n,x\n" + b"".join(b"%d,%d\n" % (row, row) for row in range(5010)))
    with pytest.raises(NotUnderstood, match="about 5,011 groups, and a chart shows at most 5,000"):
        write("count by n as bars", [source])
    assert "answer.chart" not in write("count by n", [source]).code


NAMES = ("chart", "line", "bar", "box", "plot", "histogram", "pie")


@pytest.mark.parametrize(
    ("prompt", "choice"),
    [
        ("line chart of average bar by city", "average of 'bar' by 'city' as a line chart"),
        ("plot average line by city", "average of 'line' by 'city' as a chart"),
        ("histogram of bar", "'bar' as a histogram"),
        ("box plot of box", "'box' as a box plot"),
        ("plot line against bar", "'line' against 'bar' as a scatter plot"),
        ("pie chart of city", "distinct 'city' as a pie chart"),
    ],
)
def test_a_word_that_names_a_column_makes_a_chart_ambiguous(prompt: str, choice: str) -> None:
    columns = [*(column(name, ColumnType.NUMBER) for name in NAMES), column("city", ColumnType.STRING)]
    source = csv_source(columns=tuple(columns))
    with pytest.raises(AmbiguousPrompt) as caught:
        write(prompt, [source])
    choices = caught.value.details["choices"]
    assert isinstance(choices, list)
    assert [str(one).replace(" in 'seattle-weather.csv'", "") for one in choices] == [choice]
    assert write(choice, [source]).code


def test_at_the_end_such_a_word_can_be_no_name() -> None:
    columns = [*(column(name, ColumnType.NUMBER) for name in NAMES), column("city", ColumnType.STRING)]
    source = csv_source(columns=tuple(columns))
    for prompt in ("average line by city as a line chart", "bar as a histogram", "average chart by city as a chart"):
        assert write(prompt, [source]).code


def test_the_reading_names_the_chart() -> None:
    def said(prompt: str) -> str:
        return write(prompt, [WEATHER]).interpreted_as

    assert said("plot average temp_max by date") == (
        "The average of 'temp_max' for each 'date', as a line chart, in seattle-weather.csv"
    )
    assert said("average temp_max by date without a chart") == (
        "The average of 'temp_max' for each 'date', without a chart, in seattle-weather.csv"
    )
    assert said("boxplot of wind by weather where wind > 3") == (
        "A box plot of 'wind' for each 'weather' over the rows where 'wind' > 3 in seattle-weather.csv"
    )
