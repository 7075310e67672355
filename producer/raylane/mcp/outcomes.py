"""The outcome of a job as a tool returns it: its result, its error, or how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from raylane.mcp.answer_data import answer_data
from raylane.mcp.results import GeneratedData, JobOutcome, OtherData, SourcesData
from raylane.mcp.source_data import of_uploaded, sources_data
from raylane.mcp.tool import Reply
from raylane.mcp.untrusted import shown_text, shown_value
from raylane.mcp.waiting import next_step, wait_for
from raylane_common.errors import RaylaneError
from raylane_common.wire.answer import AnswerChart
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.tables import SelectedTablesResult
from raylane_common.wire.upload import UploadResult

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane.mcp.call import Call
    from raylane.mcp.results import OutcomeData
    from raylane_common.wire.jobs import JobRecord

FIRST_ROWS: Final = 20
"""The rows of each table that the result of a question holds."""
_MAX_OTHER: Final = 20_000
_MAX_TEXT: Final = 2000

OutcomeT = TypeVar("OutcomeT", bound=JobOutcome)


class JobFailure(Exception):
    """A call failed after its job was enqueued. The job may continue."""

    def __init__(self, job_id: str, error: RaylaneError) -> None:
        super().__init__(error.message)
        self.job_id = job_id
        self.error = error


async def outcome_of(
    call: Call, job_id: str, wait_s: float, kind: type[OutcomeT], *, is_new: bool = True
) -> Reply[OutcomeT]:
    """Waits for a job and returns its outcome as a `kind`. Raises `JobFailure` if it failed, or if waiting failed."""
    call.about.job_id = job_id
    try:
        record = await wait_for(call, job_id, wait_s, is_new=is_new)
        if record.error is not None and record.status.is_final:
            raise RaylaneError.from_info(record.error)
        ended = record.status.is_final
        data = _data(record) if ended else None
        step = _next_of(record) if ended else await next_step(call, record)
    except RaylaneError as error:
        raise JobFailure(job_id, error) from error
    outcome = kind.model_validate(
        {
            "job_id": record.id,
            "session_id": record.session_id,
            "status": record.status,
            "ended": ended,
            "next": step,
            "data": data,
        }
    )
    return Reply(f"Job {record.id} {_state(record)}. Next: {step}", outcome)


def _state(record: JobRecord) -> str:
    if record.status.is_final:
        return f"has {record.status}" if record.status is JobStatus.SUCCEEDED else f"was {record.status}"
    return f"has not ended: it is {record.status}"


def _next_of(record: JobRecord) -> str:
    result = record.result
    if isinstance(result, GenerateResult):
        charts = sum(isinstance(item, AnswerChart) for item in result.answer.items) if result.answer else 0
        steps = [f"get_chart draws the chart{'s' if charts > 1 else ''}"] if charts else []
        return "; ".join([*steps, f"ask with continues={record.id} changes the question"])
    if isinstance(result, UploadResult | SelectedTablesResult):
        return "ask a question about the data"
    return "nothing"


def _data(record: JobRecord) -> OutcomeData | None:
    match record.result:
        case None:
            return None
        case GenerateResult() as result:
            doubt = result.versions[-1].doubt if result.versions else None
            return GeneratedData(
                read_as=shown_text(result.interpreted_as, _MAX_TEXT),
                written_by=shown_text(f"{result.model or result.generator}, engine {result.engine}", _MAX_TEXT),
                answer=answer_data(result.answer, record.id, max_rows=FIRST_ROWS) if result.answer else None,
                doubt=None if doubt is None else shown_text(doubt, _MAX_TEXT),
            )
        case UploadResult() as result:
            return SourcesData(sources=[of_uploaded(record, result)])
        case SelectedTablesResult() as result:
            return sources_data(result.sources)
        case other:
            dumped: JsonValue = other.model_dump(mode="json")
            text = other.model_dump_json()
            return OtherData(result=shown_value(dumped) if len(text) <= _MAX_OTHER else shown_text(text, _MAX_OTHER))
