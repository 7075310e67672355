"""What a model gets to read of a failed run. The outputs are those of real runs on Ray 2.60."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_worker.generation.agents.run_output import MAX_CHARACTERS, shorten

OUTPUTS = Path(__file__).with_name("run_outputs")
# Longer than the tail of the output that a run keeps.
CUT = {"join", "ragged"}

ONLY = "Traceback, only the lines of main.py:\n"
GROUPED = """\
  line 13, in <module>: print(sales.groupby("g").map_groups(spread, batch_format="pandas").take(5))
  line 10, in spread: return {"g": [group["g"].iloc[0]], "spread": [group["price"].max()]}
"""
JOINED = """\
  line 9, in <module>: print(sales.join(labels, join_type="inner", num_partitions=2, on=("g",)).take(5))
"""
EXPECTED = {
    "driver": f"""rows: 5

{ONLY}  line 16, in <module>: print(share(frame, "price"))
  line 10, in share: total = frame[name].sum()
KeyError: 'price'""",
    "map_batches": f"""{ONLY}\
  line 14, in <module>: print(sales.map_batches(ratio, batch_format="pandas").take(5))
  line 10, in ratio: batch["ratio"] = batch["x"] / batch["price"]
KeyError: 'price'""",
    # Ray adds its advice about retries to the message itself.
    "map_groups": f"{ONLY}{GROUPED}KeyError: 'price'",
    "missing_column": f"""{ONLY}\
  line 8, in <module>: print(sales.groupby("region").aggregate(Mean("x")).take(5))
KeyError: 'Field "region" does not exist in schema'""",
    "types": f"""{ONLY}\
  line 8, in <module>: print(sales.filter(expr=col("when") >= "2020-02-01").take(5))
pyarrow.lib.ArrowNotImplementedError: Function 'greater_equal' has no kernel matching input types \
(date32[day], string)""",
    "planning": f"""{ONLY}\
  line 8, in <module>: print(sales.filter(col("x") > 1).count())
ValueError: fn must be a UserDefinedFunction, but got BinaryExpr instead.""",
    "ragged": f"""{ONLY}\
  line 8, in <module>: print(sales.count())
ValueError: Failed to read CSV file: /data/ragged.csv. Please check the CSV file has correct format, or filter out \
non-CSV file with 'partition_filter' field. See read_csv() documentation for more details.""",
    "join": f"""{ONLY}{JOINED}ModuleNotFoundError: No module named 'polars'

{ONLY}ImportError: Dataset.join depends on 'polars', but Ray Data couldn't import it. Install it by running \
`pip install polars`.""",
    "during": f"""{ONLY}  line 9, in <module>: sales.mean("g")
pyarrow.lib.ArrowNotImplementedError: Function 'sum' has no kernel matching input types (string)

{ONLY}  line 11, in <module>: print(undefined_name)
NameError: name 'undefined_name' is not defined""",
    "warnings": f"""{"a" * 30}

{ONLY}  line 13, in <module>: print(row["g"], round(row["mean"], 2), row["missing"])
KeyError: 'missing'""",
    "recursion": f"""{ONLY}  line 13, in <module>: print(down(0))
  line 10, in down: return down(n + 1)
RecursionError: maximum recursion depth exceeded""",
    "exit": "cannot answer",
    "kit": f"""{ONLY}  line 3, in <module>: sales = read("s3://lake/sessions/ada/csv/sale.csv")
raylane_run.sources.SourceError: no source is at 's3://lake/sessions/ada/csv/sale.csv'; the nearest ones are \
's3://lake/sessions/ada/csv/sales.csv'""",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_failed_run_is_told_once_with_the_lines_of_the_script_and_without_those_of_ray(name: str) -> None:
    output = (OUTPUTS / f"{name}.txt").read_text("utf-8")
    assert shorten(output, is_cut=name in CUT) == EXPECTED[name]


def test_an_output_that_was_cut_anywhere_still_ends_with_its_exception() -> None:
    for path in OUTPUTS.glob("*.txt"):
        output = path.read_text("utf-8")
        last_line = EXPECTED[path.stem].splitlines()[-1]
        for start in range(0, len(output) * 3 // 4, 997):
            assert shorten(output[start:], is_cut=start > 0 or path.stem in CUT).endswith(last_line), (path.stem, start)


def test_lines_about_waiting_progress_and_other_processes_are_left_out() -> None:
    output = """\
2026-11-26 20:27:45,466\tWARNING resource_manager.py:820 -- The cluster is full. The job may hang forever.
[2026-11-26 20:27:45,466 W 123 456] core_worker.cc:1: a line of another process
(raylet) A worker died
(autoscaler +5s) Tip: use `ray status` to view detailed cluster status.
\x1b[36m(pid=gcs_server)\x1b[0m [2026-11-27 08:00:00,001 E 12 12] Failed to kill actor 00ff: GrpcUnavailable
(pid=22296, ip=fd00::1) a line of another process
(pid=22296) and its next one [repeated 3x across cluster]
\x1b[36m(MapBatches(ratio) pid=22296)\x1b[0m Traceback (most recent call last):
\x1b[36m(MapBatches(ratio) pid=22296, ip=10.0.0.1)\x1b[0m TypeError: not this one
Running 0: 45%|####      | 9/20 [00:01<00:01, 9.0 row/s]
/opt/ray/lib/python3.11/site-packages/ray/data/x.py:3: FutureWarning: use something else
  something()
2020-01-01 10:00:00,1 is a row of the data
total (by pid): 3
(pid of nobody)
"""
    assert shorten(output, is_cut=False) == (
        "2020-01-01 10:00:00,1 is a row of the data\ntotal (by pid): 3\n(pid of nobody)"
    )


def test_a_long_output_is_bounded_and_keeps_the_end_of_what_was_printed_and_the_exception() -> None:
    frames = "".join(f'  File "/tmp/x/main.py", line {line}, in f\n    f({line})\n' for line in range(500))
    printed = "\n".join(f"row {number}" for number in range(5000))
    output = f"{printed}\nTraceback (most recent call last):\n{frames}ValueError: {'long ' * 5000}the end"
    short = shorten(output, is_cut=False)
    assert len(short) <= MAX_CHARACTERS
    assert "row 4999\n" in short
    assert "row 1\n" not in short
    assert "in f: f(0)" in short
    assert "in f: f(499)" in short
    assert short.endswith("long the end")


def test_a_long_message_of_the_kit_is_whole_and_one_of_others_loses_its_middle() -> None:
    columns = ", ".join(f"'column {number}'" for number in range(150))
    message = f"ValueError: there is no column 'total'; the data has {columns}, and that is all"
    script = '  File "/tmp/x/main.py", line 5, in <module>\n    answer.chart("bar", data=frame, x="city", y="total")\n'
    kit = '  File "/tmp/x/raylane_run/charts.py", line 7, in chart\n    raise ValueError(text)\n'
    pandas = '  File "/opt/site-packages/pandas/frame.py", line 7, in get\n    raise ValueError(text)\n'
    start = "Traceback (most recent call last):\n"
    assert len(message) > 2_000
    assert shorten(start + script + kit + message, is_cut=False).endswith(f"\n{message}")
    for frames in (script + pandas, kit + script, script + kit + pandas):
        assert " … " in shorten(start + frames + message, is_cut=False)


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - {"exit"}))
def test_without_what_it_printed_only_the_exceptions_are_left(name: str) -> None:
    output = (OUTPUTS / f"{name}.txt").read_text("utf-8")
    failures = ONLY + EXPECTED[name].partition(ONLY)[2]
    assert shorten(f"Agnes,7\n{output}", is_cut=name in CUT, with_printed=False) == failures


def test_a_run_without_an_exception_has_nothing_but_what_it_printed() -> None:
    assert shorten("Agnes | 7\n", is_cut=False, with_printed=False) == ""


@given(st.text(), st.booleans(), st.booleans())
def test_any_text_is_shortened(text: str, is_cut: bool, with_printed: bool) -> None:
    longest = max(MAX_CHARACTERS, 2 * len(text) + 50)
    assert len(shorten(text, is_cut=is_cut, with_printed=with_printed)) <= longest
