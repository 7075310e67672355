"""`get_answer`, `get_chart`, `get_code` and `get_log`: what a job has found, and how."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Annotated, Final

from mcp.types import ImageContent
from pydantic import Field

from raylane.answers.drawing import png
from raylane.answers.series import title_of
from raylane.answers.vega import vega_lite
from raylane.gateway.access.caller import Right
from raylane.history import HistoryEntry
from raylane.mcp.answer_data import MAX_CHARACTERS, AnswerData, answer_data
from raylane.mcp.results import (
    ChartPicture,
    CodeData,
    CodeListing,
    LogData,
    LogTail,
    PictureData,
    WithData,
)
from raylane.mcp.tool import Arguments, JobId, Reply, Tool
from raylane.mcp.untrusted import as_json, shown_text
from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest, RaylaneError
from raylane_common.safe_text import safe_lines
from raylane_common.wire.answer import MAX_INLINE_ROWS, AnswerChart, AnswerTable
from raylane_common.wire.generate import GenerateResult

if TYPE_CHECKING:
    from raylane.mcp.call import Call
    from raylane_common.wire.answer import Answer
    from raylane_common.wire.jobs import JobRecord

_DEFAULT_ROWS: Final = 100
_DEFAULT_LINES: Final = 100
_MAX_LINES: Final = 1000
_MAX_TITLE: Final = 300


class AnswerRows(WithData):
    """The answer of a job, or some rows of one of its tables."""

    job_id: str
    tables: int = Field(description="How many tables the answer has")
    charts: int = Field(description="How many charts the answer has; get_chart draws them")
    data: AnswerData


class AnswerArguments(Arguments):
    """What to read of an answer."""

    job_id: JobId
    table: Annotated[
        int | None, Field(ge=1, description="The number of a table, to read it alone; leave it out for everything")
    ] = None
    first_row: Annotated[int, Field(ge=1, description="The first row to read, from 1; only with `table`")] = 1
    max_rows: Annotated[int, Field(ge=1, le=MAX_INLINE_ROWS, description="How many rows to read of a table")] = (
        _DEFAULT_ROWS
    )


class ChartArguments(Arguments):
    """Which chart to draw."""

    job_id: JobId
    chart: Annotated[int, Field(ge=1, description="The number of the chart in the answer, from 1")] = 1


class CodeArguments(Arguments):
    """Whose code to read."""

    job_id: JobId


class LogArguments(Arguments):
    """Whose output to read, and how much."""

    job_id: JobId
    max_lines: Annotated[int, Field(ge=1, le=_MAX_LINES, description="How many lines, from the end")] = _DEFAULT_LINES


def answer_of(record: JobRecord) -> Answer:
    """Returns the answer of a job. Raises the job's own error, and `InvalidRequest` if it has no answer yet."""
    if record.answer is not None:
        return record.answer
    if record.error is not None and record.status.is_final:
        raise RaylaneError.from_info(record.error)
    if not record.status.is_final:
        raise InvalidRequest.field("job_id", f"job {record.id} is {record.status}; call wait until it has ended")
    raise InvalidRequest.field("job_id", f"job {record.id} ({record.kind}) has no answer")


def chart_of(record: JobRecord, number: int) -> tuple[AnswerChart, int]:
    """Returns a chart of the answer by its number, and how many there are. Raises what `answer_of` raises."""
    charts = [item for item in answer_of(record).items if isinstance(item, AnswerChart)]
    if number > len(charts):
        raise InvalidRequest.field("chart", f"there is no chart {number}: the answer has {len(charts)}")
    return charts[number - 1], len(charts)


async def _get_answer(call: Call, given: AnswerArguments) -> Reply[AnswerRows]:
    answer = answer_of(await call.job(Right.READ, given.job_id))
    tables = sum(isinstance(item, AnswerTable) for item in answer.items)
    charts = sum(isinstance(item, AnswerChart) for item in answer.items)
    if given.table is None and given.first_row != 1:
        raise InvalidRequest.field("first_row", "needs `table`: the number of the table to read")
    if given.table is not None and given.table > tables:
        raise InvalidRequest.field("table", f"there is no table {given.table}: the answer has {tables}")
    data = answer_data(answer, given.job_id, table=given.table, first_row=given.first_row, max_rows=given.max_rows)
    said = f"The answer of job {given.job_id}. It has {counted(tables, 'table')} and {counted(charts, 'chart')}."
    return Reply(said, AnswerRows(job_id=given.job_id, tables=tables, charts=charts, data=data))


async def _get_chart(call: Call, given: ChartArguments) -> Reply[ChartPicture]:
    chart, charts = chart_of(await call.job(Right.READ, given.job_id), given.chart)
    # Drawing takes a core for up to a second, in which other calls are served.
    picture = await asyncio.to_thread(png, chart)
    specification = vega_lite(chart)
    is_short = len(as_json(specification)) <= MAX_CHARACTERS
    result = ChartPicture(
        job_id=given.job_id,
        chart=given.chart,
        charts=charts,
        kind=chart.kind,
        vega_lite_at=f"raylane://jobs/{given.job_id}/charts/{given.chart}",
        data=PictureData(title=shown_text(title_of(chart), _MAX_TITLE), vega_lite=specification if is_short else None),
    )
    image = ImageContent(data=base64.b64encode(picture).decode(), mime_type="image/png")
    return Reply(f"Chart {given.chart} of {charts} of job {given.job_id}: {chart.kind}.", result, (image,))


async def _get_code(call: Call, given: CodeArguments) -> Reply[CodeListing]:
    record = await call.job(Right.READ, given.job_id)
    code = HistoryEntry.from_record(record).code
    if code is None:
        raise InvalidRequest.field("job_id", f"job {record.id} ({record.kind}, {record.status}) has no code")
    state = record.result if isinstance(record.result, GenerateResult) else record.checkpoint
    last = state.versions[-1] if state is not None and state.versions else None
    findings = [f"line {one.line}: {one.message}" if one.line else one.message for one in last.findings] if last else []
    result = CodeListing(
        job_id=record.id,
        status=record.status,
        generator=None if state is None else state.generator,
        engine=None if state is None else state.engine,
        version=None if last is None else last.number,
        data=CodeData(
            code=shown_text(code, MAX_CHARACTERS),
            read_as=shown_text(state.interpreted_as, MAX_CHARACTERS) if state and state.interpreted_as else None,
            findings=[shown_text(finding, _MAX_TITLE) for finding in findings],
        ),
    )
    return Reply(f"The code of job {record.id}.", result)


async def _get_log(call: Call, given: LogArguments) -> Reply[LogTail]:
    record = await call.job(Right.READ, given.job_id)
    text, complete = await _printed(call, record)
    lines = safe_lines(text.rstrip("\n")) if text else []
    kept: list[str] = []
    left = MAX_CHARACTERS
    for line in reversed(lines[-given.max_lines :]):
        if len(line) > left:
            break
        left -= len(line)
        kept.append(line)
    complete = complete and len(kept) == len(lines)
    said = f"The last {counted(len(kept), 'line')} that the run of job {record.id} has printed."
    return Reply(
        said, LogTail(job_id=record.id, status=record.status, complete=complete, data=LogData(lines=kept[::-1]))
    )


async def _printed(call: Call, record: JobRecord) -> tuple[str, bool]:
    """Returns the end of what the run of a job has printed, and whether that is everything."""
    run = HistoryEntry.from_record(record).run
    if record.status.is_final and run is not None:
        return run.output_tail, not run.output_truncated
    events = await call.producer.events(record.id)
    text = "\n".join(event.line for event in events if event.line is not None)
    return text, not any(event.type == "gap" for event in events)


TOOLS: Final = (
    Tool(
        "get_answer",
        "Read an answer",
        "Returns the answer of a job: its values, tables, charts and files. A long table comes in parts: "
        "`rest` says how to read on.",
        AnswerArguments,
        AnswerRows,
        _get_answer,
        reads=True,
    ),
    Tool(
        "get_chart",
        "Draw a chart",
        "Draws a chart of the answer of a job as a PNG image, and returns its Vega-Lite specification.",
        ChartArguments,
        ChartPicture,
        _get_chart,
        reads=True,
    ),
    Tool(
        "get_code",
        "Read the code of a job",
        "Returns the last version of the code that a job has written and run.",
        CodeArguments,
        CodeListing,
        _get_code,
        reads=True,
    ),
    Tool(
        "get_log",
        "Read the output of a run",
        "Returns the last lines that the run of a job has printed, also while it runs.",
        LogArguments,
        LogTail,
        _get_log,
        reads=True,
    ),
)
