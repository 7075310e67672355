"""The code of the template generator passes verification, is always the same, and treats data as data."""

from __future__ import annotations

import ast
import decimal
import hashlib
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from raylane_common.errors import RaylaneError, TypeMismatch
from raylane_common.wire.reading import NULL_MARKERS, SerDe, TableReading
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.helpers.printed import table
from tests.unit.generation import schemas
from tests.unit.generation.schemas import WEATHER, column, csv_source, table_source

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.data())
def test_every_script_passes_verification(data: st.DataObject) -> None:
    source = data.draw(schemas.sources)
    prompt = data.draw(schemas.prompts(source))
    try:
        draft = write(prompt, [source], small=data.draw(st.booleans()))
    except RaylaneError as error:
        event(type(error).__name__)
        return
    event(draft.template_id)
    assert verify(draft.code, [source]) == []


@given(st.data())
def test_the_same_prompt_gives_the_same_code(data: st.DataObject) -> None:
    source = data.draw(schemas.sources)
    prompt = data.draw(schemas.prompts(source))
    with suppress(RaylaneError):
        assert write(prompt, [source]) == write(prompt, [source])


def test_the_header_names_the_template_and_does_not_repeat_the_prompt() -> None:
    prompt = "average temp_max by weather where weather != 'secret words'"
    draft = write(prompt, [WEATHER])
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    header = draft.code.splitlines()[0]
    assert draft.template_id == "group_by"
    assert header == f"# Written by Raylane's template generator: template group_by, prompt sha256:{digest[:16]}."
    assert all("secret words" not in line for line in draft.code.splitlines() if "#" in line)


def test_a_script_reads_the_encoded_location_and_a_small_source_as_one_block() -> None:
    source = csv_source("odd 100% #1.csv")
    code = write("how many rows", [source]).code
    assert "    's3://raylane/sessions/s-1/csv/odd%20100%25%20%231.csv',\n" in code
    assert "override_num_blocks" not in code
    assert "    override_num_blocks=1,\n" in write("how many rows", [source], small=True).code


def test_a_column_name_that_looks_like_code_stays_a_string() -> None:
    name = "'); __import__('os').system('id') #"
    source = csv_source(columns=(column(name, ColumnType.NUMBER),))
    code = write(f'sum of "{name}" by "{name}"', [source]).code
    assert verify(code, [source]) == []
    strings = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    assert {name, f"sum({name})"} <= strings


@pytest.mark.parametrize(
    ("serde", "reader"),
    [
        (SerDe.PARQUET, "read_parquet"),
        (SerDe.ORC, "read_parquet"),
        (SerDe.OPENX_JSON, "read_json"),
        (SerDe.HIVE_JSON, "read_json"),
        (SerDe.LAZY_SIMPLE, "read_csv"),
        (SerDe.OPEN_CSV, "read_csv"),
    ],
)
def test_a_table_is_read_by_its_location_alone(serde: SerDe, reader: str) -> None:
    source = table_source(reading=TableReading(serde=serde, delimiter="\t"))
    code = write("how many rows", [source]).code
    assert f"ds = ray.data.{reader}('s3://lake/sales/orders/')\n" in code
    assert verify(code, [source]) == []


def test_the_words_for_a_missing_value_are_those_of_the_reader_that_ray_uses_and_five_that_people_write() -> None:
    by_hand = {"-", ".", "?", "\\N", "None"}
    assert {*arrow_csv.ConvertOptions().null_values, *by_hand} == set(NULL_MARKERS)


@pytest.mark.parametrize("condition", ["= ''", "!= 'NA'", "in ('Rome', 'N/A')", "= 'null'"])
def test_a_text_that_means_a_missing_value_is_no_value_to_compare_with(condition: str) -> None:
    source = csv_source(columns=(column("city", ColumnType.STRING),))
    with pytest.raises(TypeMismatch, match="write 'city is missing'"):
        write(f"count where city {condition}", [source])
    # The text of a table may be any.
    for serde in SerDe:
        table = table_source(reading=TableReading(serde=serde))
        assert write(f"count where city {condition}", [table]).template_id == "count"


def test_a_column_for_the_sum_of_integers_is_not_named_like_one_of_the_source() -> None:
    source = csv_source(columns=(column("n", ColumnType.INTEGER), column("sum(n)", ColumnType.INTEGER)))
    code = write("sum of n", [source]).code
    assert "with_column('sum(n)_2', col('n')" in code
    assert "Sum(on='sum(n)_2', alias_name='sum(n)')" in code


def test_a_measure_is_not_named_like_a_key() -> None:
    source = csv_source(columns=(column("rows", ColumnType.STRING), column("rows_2", ColumnType.STRING)))
    code = write('count records by "rows" and "rows_2"', [source]).code
    assert "alias_name='rows_3'" in code


def test_only_small_sources_have_quartiles() -> None:
    large, small = (write("describe", [WEATHER], small=small) for small in (False, True))
    assert "Quantile" in small.code
    assert "Quantile" not in large.code
    assert "quartiles are left out" in large.interpreted_as


@pytest.fixture
def show() -> Callable[[list[str], list[dict[str, object]]], None]:
    """The printing function that every script contains."""
    tree = ast.parse(write("how many rows", [WEATHER]).code)
    functions: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    found: dict[str, Any] = {"decimal": decimal}
    exec(compile(ast.Module(functions, []), "main.py", "exec"), found)
    printing: Callable[[list[str], list[dict[str, object]]], None] = found["show"]
    return printing


def test_the_printed_table_is_aligned_and_can_be_parsed(
    show: Callable[[list[str], list[dict[str, object]]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    show(["name", "n"], [{"name": "a|b\n", "n": 1}, {"name": "", "n": 2.5}, {"name": None, "n": None}])
    output = capsys.readouterr().out
    assert output.splitlines() == [
        "name   |    n",
        "-------+-----",
        "a\\|b\\n |    1",
        "       |  2.5",
        "null   | null",
        "(3 rows; null: no value)",
    ]
    assert table(output) == [["a\\|b\\n", "1"], ["", "2.5"], ["null", "null"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (10**18, "1000000000000000000"),
        (3.0, "3"),
        (-0.0, "0"),
        (1 / 3, "0.333333"),
        (16.439083, "16.439083"),
        (123456789.123456789, "123456789.123457"),
        (0.00012345678, "0.00012345678"),
        (0.001 / 7, "0.000142857"),
        (31.95376472, "31.95376472"),
        (1e-12, "1e-12"),
        (1234567890.25, "1234567890.25"),
        (2.0**53, "9.00719925474099e+15"),
        (decimal.Decimal(2 * 9 * 10**18 + 3), "18000000000000000003"),
        (decimal.Decimal("0.00"), "0.00"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 10), "2024-01-31 10:00:00"),
        (float("nan"), "null"),
        (float("inf"), "inf"),
        (True, "True"),
        ("x" * 81, "x" * 79 + "…"),
        ("\u202e", "\\u202e"),
    ],
)
def test_each_kind_of_value_has_one_printed_form(
    show: Callable[[list[str], list[dict[str, object]]], None],
    capsys: pytest.CaptureFixture[str],
    value: object,
    text: str,
) -> None:
    show(["x"], [{"x": value}])
    assert capsys.readouterr().out.splitlines()[2] == text


def test_at_most_a_thousand_rows_are_printed_with_a_note_about_the_others(
    show: Callable[[list[str], list[dict[str, object]]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    show(["n"], [{"n": number} for number in range(1001)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["999", "(the first 1,000 rows; there are more)"]
    show(["n"], [])
    assert capsys.readouterr().out.splitlines() == ["n", "-", "(0 rows)"]
