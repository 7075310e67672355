"""What a notebook shows: everything that is known, and nothing that outside text makes of the page."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter

import raylane
from raylane import Answer, AnswerChart, AnswerTable, ChartKind, InvalidRequest, JobList, OpaqueItem
from raylane.notebook import bundle_of, html_of
from raylane.testing import (
    MemoryProducer,
    SyncMemoryProducer,
    make_answer,
    make_chart,
    make_columns,
    make_databases_result,
    make_file,
    make_generate_result,
    make_preview_result,
    make_record,
    make_run,
    make_source,
    make_submit_result,
    make_table,
    make_table_source,
    make_upload_result,
    make_value,
)
from raylane_common.errors import RunFailed
from raylane_common.wire.jobs import Progress
from raylane_common.wire.sources import ColumnProfile
from tests.helpers.hostile_text import FORGED, HOSTILE, is_safe

if TYPE_CHECKING:
    from collections.abc import Callable

OUR_TAGS: Final = frozenset(
    ["div", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "img"],
)
OUR_ATTRIBUTES: Final = frozenset(("class", "style", "src", "alt"))


class Page(HTMLParser):
    """Reads HTML, and refuses a tag or an attribute that is not ours."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in OUR_TAGS, tag
        assert {name for name, _ in attrs} <= OUR_ATTRIBUTES, attrs
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(value: Any) -> Page:
    return Page(value._repr_html_())


def in_ipython(value: object) -> dict[str, Any]:
    """What IPython sends to the notebook."""
    formatter = DisplayFormatter()
    data, _ = formatter.format(value)  # type: ignore[no-untyped-call]  # IPython has few types
    return dict(data)


def test_an_answer_shows_its_items_in_their_order() -> None:
    rows: list[dict[str, object]] = [{"city": "Oslo", "mean": 3.5}, {"city": None, "mean": 1e-9}]
    answer = make_answer(
        make_value("total", 4.5, unit="kg"),
        make_table(rows),
        make_chart(),
        make_file("a.csv"),
        notes=["a note"],
    )
    shown = page(answer)
    assert shown.words == [
        *("total: 4.5 kg", "city", "mean", "Oslo", "3.5", "null", "1e-09", "2 rows"),
        *("file: a.csv (2 rows, 42 bytes) s3://raylane/sessions/ada/runs/rl-1/a.csv", "note: a note"),
    ]
    [picture] = shown.pictures
    assert picture["alt"] == "bar chart: sum(amount) by region (2 rows)"
    assert base64.b64decode((picture["src"] or "").partition("base64,")[2]).startswith(b"<svg")
    assert "mathjax_ignore" in str(answer._repr_html_()), "or prices would be formulas"


def test_ipython_gets_the_html_and_a_chart_as_vega_lite_and_picture() -> None:
    shown = in_ipython(make_answer(make_value("rows", 1461)))
    assert set(shown) == {"text/plain", "text/html"}
    chart = in_ipython(make_chart())
    assert set(chart) == {"text/plain", "image/svg+xml", "application/vnd.vegalite.v6+json"}
    assert chart["application/vnd.vegalite.v6+json"]["mark"]["type"] == "bar"
    assert json.loads(json.dumps(chart)) == chart
    assert set(in_ipython(make_answer(make_chart()))) == {*chart, "text/html"}


def test_a_long_table_says_what_has_all_rows() -> None:
    held, long = make_table({"n": number} for number in range(30)), make_table(total_rows=25_000)
    assert page(make_answer(held)).words[-1] == "… 10 more rows; answer.to_pandas() has all"
    shown = page(make_answer(held, long))
    assert "… 10 more rows; answer.to_pandas(1) has all" in shown.words
    assert shown.words[-1] == "… 24,998 more rows; producer.to_pandas(job, 2) has all"
    wide = page(make_table([{f"c{number}": number for number in range(50)}]))
    assert wide.words[-1] == "1 row; … 10 more columns; answer.to_pandas() has all"
    assert page(make_table([], columns={"n": "integer"})).words == ["n", "0 rows"]


def test_without_the_chart_library_a_chart_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    shown = page(make_answer(make_chart(title="Sums")))
    assert shown.words[0] == "bar chart: Sums (2 rows)"
    assert "pip install 'raylane[charts]'" in shown.words[1]
    assert set(in_ipython(make_chart())) == {"text/plain", "application/vnd.vegalite.v6+json"}


def test_a_chart_that_cannot_be_drawn_says_why() -> None:
    shown = page(make_answer(make_chart(x="nothing")))
    assert shown.words[0].startswith("bar chart: sum(amount) by nothing (2 rows): ")
    assert set(in_ipython(make_chart(x="nothing"))) == {"text/plain"}


def test_rows_that_do_not_fit_their_columns_are_shown_as_far_as_they_go() -> None:
    columns = make_table().columns
    short = AnswerTable(columns=columns, rows=(("EU",), ("US", 1.5, 2.5)), total_rows=2)
    assert page(short).words[2:5] == ["EU", "US", "1.5"]
    chart = AnswerChart(kind=ChartKind.BAR, x="region", y="sum(amount)", columns=columns, rows=(("EU",),))
    assert "has another number of cells than it has columns" in html_of(chart)
    assert set(bundle_of(chart)) == {"text/plain"}


def test_a_record_shows_its_state_and_its_result() -> None:
    shown = page(make_record()).text
    for part in (
        *("job job-1 (generate)", "status succeeded", "session ada", "what sum of amount by region", "took 1.5 s"),
        *("region sum(amount) EU 3.5 US 7.25", "read as: The sum of 'amount'", "code from raylane_run import answer"),
        "enqueued 2025-12-31 23:59:59 UTC",
    ):
        assert part in shown
    error = RunFailed("it has no column 'x'").info()
    failed = page(make_record(status="failed", result=None, error=error)).text
    assert "error it has no column 'x' [run_failed]" in failed
    progress = Progress(stage="running", message="rl-1 via public")
    running = page(make_record(status="running", result=None, finished_at=None, progress=progress)).text
    assert "progress running: rl-1 via public" in running
    assert "took" not in running


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (make_generate_result(run=make_run(output_tail="line 1\nline 2")), ["run rl-job-1: SUCCEEDED, 1.3 s on Ray"]),
        (make_submit_result(), ["done"]),
        (make_upload_result(warnings=["one"]), ["s3://raylane/sessions/ada/csv/sales.csv", "EU", "warning: one"]),
        (make_preview_result(), ["sales.csv", "region", "string"]),
        (make_source(), ["sales.csv", "location", "rows", "2"]),
        (make_table_source(), ["shop.orders", "s3://warehouse/shop/orders/"]),
        (JobList([make_record()]), ["job-1", "generate", "succeeded"]),
        (Answer(), ["no answer"]),
        (Answer(items=(OpaqueItem(type="map"),)), ["a map that a newer version wrote; upgrade to see it"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_shown_too(value: Any, parts: list[str]) -> None:
    shown = page(value).text
    assert [part for part in parts if part not in shown] == []
    assert set(in_ipython(value)) == {"text/plain", "text/html"}


def test_a_result_of_small_facts_is_plain_text() -> None:
    assert set(in_ipython(make_databases_result())) == {"text/plain"}
    assert (bundle_of(object()), html_of(object()), html_of("<b>")) == ({}, "", "")


def test_a_page_of_ones_own_gets_the_same_html() -> None:
    assert html_of(make_answer()) == make_answer()._repr_html_()
    assert Page(html_of(make_chart())).pictures[0]["alt"] == "bar chart: sum(amount) by region (2 rows)"


def test_a_source_shows_what_is_known_of_its_columns() -> None:
    [column] = make_columns({"day": "date"})
    profile = ColumnProfile(nulls=3, distinct=1200, distinct_is_exact=False, min="2012-01-01", max="2015-12-31")
    columns = [column.model_copy(update={"profile": profile})] * 101
    shown = page(make_source(columns=columns))
    assert "day date 3 about 1,200 2012-01-01 2015-12-31" in shown.text
    assert shown.words[-1] == "… 1 more columns"


async def test_lists_of_a_session_are_tables() -> None:
    async with MemoryProducer() as producer:
        upload = await producer.upload_bytes("a\n1\n", filename="a.csv", session_id="ada")
        await producer.succeed(upload.id, make_upload_result())
        sources, history = await producer.sources("ada"), await producer.history("ada")
        assert "a.csv file 2 region, amount" in page(sources).text
        assert f"{upload.id} upload succeeded a.csv" in page(history).text
        assert page(history[0]).words[:2] == ["job", f"{upload.id} (upload)"]
        assert (sources, history) == (list(sources), list(history))


async def test_a_handle_shows_its_id_and_the_class_of_its_result() -> None:
    async with MemoryProducer() as producer:
        job = await producer.generate("mean", session_id="ada")
        assert page(job).words == ["job", job.id, "result", "GenerateResult"]


def test_a_blocking_handle_shows_the_job_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    with SyncMemoryProducer() as producer:
        job = producer.generate("mean of x", session_id="ada", execute=True)
        assert "status queued session ada what mean of x" in page(job).text
        producer.succeed(job.id, make_generate_result())
        assert "status succeeded" in page(job).text
        assert set(in_ipython(job)) == {"text/plain", "text/html"}

        async def silent(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr("raylane.sync.twin._LOOK_S", 0.01)
        monkeypatch.setattr(raylane.JobHandle, "record", silent)
        assert page(job).words == ["job", job.id, "result", "GenerateResult"]


def test_far_times_are_shown_as_they_are() -> None:
    assert "9007199254740991 ms" in page(make_record(enqueued_at=2**53 - 1)).text


def code_of(text: str) -> Any:
    return make_generate_result(code=text, interpreted_as=text, run=make_run(output_tail=text))


PLACES: Final[list[Callable[[str], Any]]] = [
    code_of,
    lambda text: make_answer(make_value(text, text, unit=text), notes=[text]),
    lambda text: make_answer(make_table([{text: text, "n": 1}], title=text)),
    lambda text: make_answer(make_chart("bar", [{text: text, "n": 1}], title=text)),
    lambda text: make_answer(make_file(text, s3_uri=text)),
    lambda text: make_record(what=text, session_id=text, error=InvalidRequest(text).info()),
    lambda text: make_source(text, columns=make_columns({text: "string"}), warnings=[text], s3_uri=text),
    lambda text: make_upload_result(s3_uri=text, preview=[[text, text]], warnings=[text]),
    lambda text: JobList([make_record(id=text, kind=text, what=text)]),
    lambda text: Answer(items=(OpaqueItem(type=text),)),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", [HOSTILE, "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</pre>"])
def test_outside_text_stays_text(place: Callable[[str], Any], text: str) -> None:
    # The lines of code are lines, whatever they say.
    shown = page(place(text.replace(FORGED, "more") if place is code_of else text))
    assert is_safe(" ".join(shown.words))
    for picture in shown.pictures:
        drawn = base64.b64decode((picture["src"] or "").partition("base64,")[2]).decode()
        assert "<script" not in drawn
        assert "onerror" not in drawn or "<img" not in drawn


@given(text=st.text(), place=st.sampled_from([place for place in PLACES if place is not PLACES[3]]))
def test_any_text_leaves_the_page_whole(text: str, place: Callable[[str], Any]) -> None:
    page(place(text))


def test_importing_the_package_loads_no_renderer() -> None:
    code = "import sys, raylane; print(*sorted(n for n in sys.modules if n.startswith('raylane')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["raylane", "raylane_common", "raylane_common.showing"]
