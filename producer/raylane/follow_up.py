"""Makes what a follow-up must know of the job that it continues. See docs/decisions/0042."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, NoCode
from raylane_common.wire.answer import AnswerTable
from raylane_common.wire.generate import GenerateRequest, GenerateResult, Predecessor
from raylane_common.wire.jobs import parse_request

if TYPE_CHECKING:
    from raylane_common.wire.jobs import JobRecord

# A longer conversation keeps its first prompt, which says what it is about, and its last ones.
_MAX_PROMPTS: Final = 20


def predecessor(record: JobRecord, session_id: str) -> Predecessor:
    """Returns what was asked up to this `generate` job, its last code, and the columns of its answer.

    Raises `NoCode` if the job has no code, and `InvalidRequest` if it belongs to another session or its record cannot
    be read.
    """
    if record.session_id != session_id:
        raise InvalidRequest.field("continues", f"{record.id} is a job of another session than {session_id}")
    state = record.result if isinstance(record.result, GenerateResult) else record.checkpoint
    if record.kind != GenerateRequest.kind or state is None or not state.versions or not state.sources_used:
        problem = f"job {record.id} ({record.kind}, {record.status}) has no code that a follow-up could change"
        raise NoCode(problem, details={"job_id": record.id})
    request = parse_request(record)
    assert isinstance(request, GenerateRequest)
    earlier = request.continues.prompts if request.continues else ()
    prompts = (*earlier, request.prompt)
    if len(prompts) > _MAX_PROMPTS:
        prompts = (prompts[0], *prompts[1 - _MAX_PROMPTS :])
    tables = [item for item in state.answer.items if isinstance(item, AnswerTable)] if state.answer else []
    return Predecessor(
        job_id=record.id,
        prompts=prompts,
        question=state.question,
        code=state.versions[-1].code,
        sources_used=state.sources_used,
        interpreted_as=state.interpreted_as,
        columns=tables[0].columns if tables else (),
    )
