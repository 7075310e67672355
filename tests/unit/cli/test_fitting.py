"""Tables on narrow terminals: ids and states are whole, and what is missing is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from raylane.cli.columns import Column, aligned, fact, key, text
from raylane.cli.fitting import fitted

JOBS = [fact("enqueued", 4), key("job"), fact("kind", 1), fact("session", 3), key("status"), text("what", 2)]
ID = "0123456789abcdef0123456789abcdef"
ROW = ["12:00:00", ID, "generate", "ada", "succeeded", "sum of amount by region and year"]


@pytest.mark.parametrize(
    ("width", "line", "hidden"),
    [
        (120, f"12:00:00  {ID}  generate  ada      succeeded  sum of amount by region and year", []),
        (95, f"12:00:00  {ID}  generate  ada      succeeded  sum of amount by reg…", []),
        (80, f"{ID}  generate  ada      succeeded  sum of amount b…", ["enqueued"]),
        (60, f"{ID}  generate  succeeded", ["enqueued", "session", "what"]),
        (45, f"{ID}  succeeded", ["enqueued", "kind", "session", "what"]),
    ],
)
def test_the_least_important_columns_give_way(width: int, line: str, hidden: list[str]) -> None:
    table = fitted(JOBS, [ROW], width, "…")
    assert (table.lines, table.hidden) == ([line], hidden)
    assert all(cell_len(each) <= width for each in (*table.head, *table.lines))


def test_keys_without_room_beside_each_other_are_below_each_other() -> None:
    table = fitted(JOBS, [ROW], 40, "…")
    assert table.head == []
    assert table.lines == [
        ID,
        "  enqueued  12:00:00",
        "  kind      generate",
        "  session   ada",
        "  status    succeeded",
        "  what      sum of amount by region and…",
    ]


def test_a_name_beside_which_nothing_fits_has_the_rest_below_it() -> None:
    table = fitted([key("source"), fact("type", 1), text("location", 2)], [["n" * 30, "file", "s3://b/k"]], 32, "…")
    assert (table.head, table.hidden) == ([], [])
    assert table.lines == ["n" * 30, "  type      file", "  location  s3://b/k"]


def test_cells_begin_below_each_other_where_nobody_asked_for_a_width() -> None:
    lines = aligned([["source", "rows"], ["\u58f2\u4e0a.csv", "1"], ["e\u0301.csv", "22"]])
    assert lines == ["source    rows", "\u58f2\u4e0a.csv  1", "e\u0301.csv     22"]
    assert aligned([["a", ""]]) == ["a"]


def test_a_text_that_wraps_is_whole() -> None:
    table = fitted([key("job"), text("outcome", 1, wraps=True)], [["j1", "one two three four five"]], 20, "…")
    assert table.lines == ["j1   one two three", "     four five"]


def test_the_widest_text_gives_way_first() -> None:
    table = fitted([text("a", 1), text("b", 2)], [["x" * 40, "y" * 20]], 42, "…")
    assert table.lines == ["x" * 19 + "…  " + "y" * 20]
    both = fitted([text("a", 1), text("b", 2)], [["x" * 40, "y" * 40]], 42, "…")
    assert both.lines == ["x" * 19 + "…  " + "y" * 19 + "…"]


def test_wide_characters_take_two_columns() -> None:
    table = fitted([key("job"), text("what", 1)], [["j", "\u6f22" * 20]], 20, "…")
    assert cell_len(table.lines[0]) <= 20
    assert table.lines[0].endswith("…")


def test_a_table_of_the_users_own_columns_shows_the_first_ones() -> None:
    columns = [text(name, rank) for rank, name in enumerate("abcdefgh", 1)]
    table = fitted(columns, [["value of " + name + "." * 9 for name in "abcdefgh"]], 40, "…")
    assert table.hidden == ["d", "e", "f", "g", "h"]
    narrow = fitted(columns, [["value of a", *"bcdefgh"]], 4, "…")
    assert narrow.lines == ["val…"]


cells = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=30)
kinds = st.builds(Column, cells.filter(bool), st.integers(0, 3), text=st.booleans(), wraps=st.booleans())


@given(st.data(), st.lists(kinds, min_size=1, max_size=6), st.integers(1, 140))
def test_no_table_is_wider_than_the_terminal_and_every_key_is_whole(
    data: st.DataObject, columns: list[Column], width: int
) -> None:
    columns = [column if column.rank else key(column.title) for column in columns]
    rows = data.draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=4))
    table = fitted(columns, rows, width, "…")
    printed = "\n".join(table.lines)
    for row in rows:
        assert all(cell in printed for cell, column in zip(row, columns, strict=True) if column.rank == 0)
    if table.head:
        assert all(cell_len(line) <= width for line in (*table.head, *table.lines))
