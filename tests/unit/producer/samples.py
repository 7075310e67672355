"""Sources, results and runs for tests of the producer's side and of the command line."""

from __future__ import annotations

from typing import Final

from raylane_common.ray.models import Run, RunStatus
from raylane_common.wire.answer import (
    Answer,
    AnswerChart,
    AnswerColumn,
    AnswerTable,
    AnswerValue,
    CellType,
    ChartKind,
)
from raylane_common.wire.generate import Checkpoint, CodeVersion, GenerateResult, GeneratorName
from raylane_common.wire.names import Engine
from raylane_common.wire.reading import Reading, SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, FileSource, TableSource
from raylane_common.wire.upload import PreviewResult, UploadResult

CSV_BYTES: Final = b"city,temp\nOslo,3\n"
COLUMNS: Final = (
    Column(name="city", type=ColumnType.STRING, native_type="string"),
    Column(name="temp", type=ColumnType.INTEGER, native_type="int64"),
)
CSV: Final = FileSource(
    filename="temps.csv",
    s3_uri="s3://raylane/sessions/s1/csv/temps.csv",
    size_bytes=len(CSV_BYTES),
    rows=1,
    columns=COLUMNS,
    job_id="up",
)
TABLE: Final = TableSource(
    database="shop",
    table="orders",
    location="s3://warehouse/orders/",
    reading=TableReading(serde=SerDe.PARQUET),
    columns=COLUMNS,
    job_id="sel",
)
UPLOADED: Final = UploadResult(
    s3_uri=CSV.s3_uri,
    bucket="raylane",
    key="sessions/s1/csv/temps.csv",
    bytes=len(CSV_BYTES),
    rows=1,
    columns=COLUMNS,
    preview=(("Oslo", "3"),),
)
PREVIEWED: Final = PreviewResult(
    filename=CSV.filename,
    bytes=CSV.size_bytes,
    rows=CSV.rows,
    reading=Reading(),
    columns=COLUMNS,
    preview=UPLOADED.preview,
)
RUN: Final = Run(
    submission_id="rl-gen-1",
    status=RunStatus.SUCCEEDED,
    endpoint="public",
    exit_code=0,
    output_tail="mean 3.0\n",
    started_at_ms=1795334676336,
    ended_at_ms=1795334679436,
)
FAILED_RUN: Final = RUN.model_copy(
    update={"status": RunStatus.FAILED, "exit_code": 1, "output_tail": "Traceback\nKeyError: 'tmp'\n"}
)
_BY_CITY: Final = (
    AnswerColumn(name="city", type=CellType.STRING, native_type="string"),
    AnswerColumn(name="mean(temp)", type=CellType.NUMBER, native_type="double"),
)
ANSWER: Final = Answer(
    items=(
        AnswerTable(columns=_BY_CITY, rows=(("Oslo", 3.0),), total_rows=1),
        AnswerValue(name="rows", value=1, value_type=CellType.INTEGER),
        AnswerChart(kind=ChartKind.BAR, x="city", y="mean(temp)", columns=_BY_CITY, rows=(("Oslo", 3.0),)),
    ),
    notes=("One row has no city.",),
)
GENERATED: Final = GenerateResult(
    generator=GeneratorName.TEMPLATE,
    engine=Engine.LOCAL,
    answer=ANSWER,
    code="print('mean')\n",
    interpreted_as="mean of temp",
    sources_used=(CSV,),
    versions=(CodeVersion(number=1, code="print('mean')\n", run=RUN),),
    run=RUN,
)
CHECKPOINT: Final = Checkpoint(
    sources_used=(CSV, TABLE),
    generator=GeneratorName.AGENT,
    versions=(CodeVersion(number=1, code="first"), CodeVersion(number=2, code="second", run=FAILED_RUN)),
)
