"""What `raylane.testing` makes is valid, as a worker's is, and a test changes any field of it by a keyword."""

from __future__ import annotations

import datetime
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from raylane import Answer, InvalidRequest, JobRecord, testing
from raylane.errors import NotFound
from raylane.testing import (
    MemoryProducer,
    factories,
    make_answer,
    make_chart,
    make_columns,
    make_file,
    make_generate_result,
    make_preview_result,
    make_record,
    make_run,
    make_selected_result,
    make_source,
    make_submit_result,
    make_table,
    make_table_source,
    make_upload_result,
    make_value,
)
from raylane_common.wire.kinds import AnyResult
from raylane_common.wire.sources import AnySource, OpaqueSource
from raylane_worker.runs.answer_document import read_answer
from tests.unit.test_examples import examples_of, run_example

if TYPE_CHECKING:
    from collections.abc import Callable

MAKERS: dict[str, Callable[..., Any]] = {name: getattr(factories, name) for name in factories.__all__}
EXAMPLES = examples_of(*MAKERS.values())


def test_every_factory_is_a_public_name_of_the_testing_module() -> None:
    assert {name for name in testing.__all__ if name.startswith("make_")} == set(MAKERS)
    assert sorted(testing.__all__) == testing.__all__
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name


@pytest.mark.parametrize("name", [name for name in MAKERS if name.endswith("_result")])
def test_a_result_reads_back_as_a_record_holds_it(name: str) -> None:
    made = MAKERS[name]()
    adapter: TypeAdapter[Any] = TypeAdapter(AnyResult)
    assert adapter.validate_json(made.model_dump_json()) == made
    assert make_record(made).result == made


@pytest.mark.parametrize("source", [make_source(), make_table_source()])
def test_a_source_reads_back_as_a_session_holds_it(source: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(AnySource)
    assert adapter.validate_json(source.model_dump_json()) == source
    assert not isinstance(source, OpaqueSource)


def test_a_keyword_replaces_a_field() -> None:
    assert make_upload_result(rows=3, columns=make_columns({"day": "date"})).columns[0].native_type == "date32[day]"
    assert make_source("a.csv", session_id="eve").s3_uri == "s3://raylane/sessions/eve/csv/a.csv"
    assert make_table_source("lake.events").name == "lake.events"
    assert make_run(exit_code=1, status="FAILED").status == "FAILED"
    written = make_generate_result(code="print(1)\n", run=None)
    assert (written.versions[0].code, written.run, written.answer) == ("print(1)\n", None, None)
    assert make_record(status="failed", result=None).status == "failed"
    assert make_selected_result(make_table_source("a.b")).sources[0].name == "a.b"


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: make_upload_result(row=3), "row: a UploadResult has no such field; did you mean rows?"),
        (lambda: make_upload_result(rows="many"), "rows: must be a whole number"),
        (lambda: make_run(zzz=1), "zzz: a Run has no such field; its fields are submission_id, status, endpoint"),
        (lambda: make_columns({"day": "dates"}), "columns.day: must be one of integer, number, string, boolean, date"),
        (lambda: make_table([{"a": 1}, {"a": "x"}]), "a: its values have the types integer, string, and a column has"),
        (lambda: make_table([{"a": object()}]), "a: an answer holds no values of the type object"),
        (lambda: make_table([("a", 1)]), "rows.0: must be a mapping of names to values"),  # type: ignore[list-item]
        (lambda: make_chart("cake"), "kind: must be 'bar', 'line'"),
        (lambda: make_file(rows=-1), "rows: must be at least 0"),
    ],
)
def test_a_wrong_field_is_named(call: Callable[[], object], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        call()
    assert str(caught.value).startswith(problem)


def test_an_answer_has_the_types_and_cells_that_a_worker_writes() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    row: dict[str, Any] = {
        "whole": 2**60,
        "number": float("inf"),
        "decimal": Decimal("1.50"),
        "text": "a",
        "truth": True,
        "day": datetime.date(2024, 1, 31),
        "clock": datetime.time(10, 30, 0, 5),
        "moment": datetime.datetime(2024, 1, 31, 10, 30, tzinfo=zone),
        "took": datetime.timedelta(seconds=1.5),
        "raw": b"hi",
        "list": [1, {"a": None}],
    }
    table = make_table([row, dict.fromkeys(row), {"number": float("nan")}])
    answer = make_answer(table, make_value("day", row["day"], unit="d"), make_chart(), make_file(), notes=["seen"])
    assert read_answer(answer.model_dump_json().encode()).items[0] == table
    assert [column.type for column in table.columns] == [
        *("integer", "number", "decimal", "string", "boolean", "date", "time", "timestamp", "duration", "binary"),
        "nested",
    ]
    assert table.rows[0][:3] == (str(2**60), "Infinity", "1.50")
    assert table.rows[0][5:10] == ("2024-01-31", "10:30:00.000005", "2024-01-31T10:30:00+02:00", 1.5, "aGk=")
    assert table.rows[1] == table.rows[2] == (None,) * 11
    frame = table.to_pandas()
    assert frame["moment"][0] == row["moment"].astimezone(UTC)
    assert Answer.model_validate_json(answer.model_dump_json()) == answer


def test_a_table_may_have_no_rows_or_more_than_it_holds() -> None:
    assert make_table([], columns={"n": "integer"}).columns[0].native_type == "int64"
    long = make_table(total_rows=25_000)
    assert (len(long.rows), long.total_rows, long.file and long.file.rows) == (2, 25_000, 25_000)
    many = make_table({"n": number} for number in range(1001))
    assert (len(many.rows), many.total_rows, many.file and many.file.name) == (1000, 1001, "table-1.parquet")


async def test_an_upload_that_succeeds_leaves_its_source(tmp_path: Any) -> None:
    (tmp_path / "b.csv").write_text("a\n1\n")
    async with MemoryProducer() as producer:
        for upload in (
            await producer.upload_bytes("a\n1\n", filename="a.csv", session_id="ada"),
            await producer.upload(tmp_path / "b.csv", session_id="ada"),
            await producer.upload("s3://bucket/c.csv", session_id="ada"),
        ):
            await producer.succeed(upload.id, make_upload_result(rows=7))
        sources = await producer.sources("ada")
        assert [(source.name, source.rows) for source in sources] == [("a.csv", 7), ("b.csv", 7), ("c.csv", 7)]  # type: ignore[union-attr]  # they are files


async def test_files_that_the_test_gives_are_downloaded(tmp_path: Any) -> None:
    result = make_generate_result(answer=make_answer(make_file("rows.csv"), make_table(total_rows=9)))
    async with MemoryProducer() as producer:
        job = await producer.generate("?", session_id="ada", execute=True)
        with pytest.raises(InvalidRequest, match=r"files\.row\.csv: the answer has only rows\.csv, table-1\.parquet"):
            await producer.succeed(job.id, result, files={"row.csv": b""})
        await producer.succeed(job.id, result, files={"rows.csv": b"a\n1\n"})
        reports: list[Any] = []
        path = await producer.download(job.id, "rows.csv", tmp_path, progress=reports.append)
        assert (path.name, path.read_bytes(), reports) == ("rows.csv", b"a\n1\n", [(4, 4)])
        with pytest.raises(InvalidRequest, match=r"no content for table-1\.parquet; pass files="):
            await producer.to_pandas(job)
        with pytest.raises(NotFound, match="has no file 'x'"):
            await producer.download(job.id, "x", tmp_path)


async def test_more_than_a_memory_producer_takes_is_told_at_once(tmp_path: Any) -> None:
    (tmp_path / "large.csv").write_bytes(b"a" * (8 * 1024 * 1024 + 1))
    async with MemoryProducer() as producer:
        with pytest.raises(InvalidRequest, match="data: a MemoryProducer has no S3, and takes up to 8,388,608 bytes"):
            await producer.upload(tmp_path / "large.csv", session_id="ada")


async def test_the_record_of_a_submitted_run_is_of_its_kind() -> None:
    assert isinstance(make_record(), JobRecord)
    assert (make_record(make_submit_result()).kind, make_record(make_preview_result()).kind) == ("ray", "upload")


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_runs(name: str) -> None:
    async with MemoryProducer() as producer:
        names = {public: getattr(testing, public) for public in testing.__all__}
        names |= {"producer": producer, "data": "region,amount\nEU,3.5\n", "datetime": datetime, "Decimal": Decimal}
        await run_example(EXAMPLES[name], names)
