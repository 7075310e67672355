"""Makes the request that runs the code of an earlier `generate` job again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import NoCode, invalid_requests
from raylane_common.wire.generate import GenerateRequest, GenerateResult, Rerun
from raylane_common.wire.jobs import parse_request

if TYPE_CHECKING:
    from raylane_common.wire.jobs import JobRecord


def rerun_request(record: JobRecord) -> GenerateRequest:
    """Returns the request with the last version of the job's code and the sources that the job had read.

    Raises `NoCode` if it has none, and `InvalidRequest` if its record cannot be read.
    """
    state = record.result if isinstance(record.result, GenerateResult) else record.checkpoint
    if record.kind != GenerateRequest.kind or state is None or not state.versions or not state.sources_used:
        problem = f"job {record.id} ({record.kind}, {record.status}) has no code that could be run again"
        raise NoCode(problem, details={"job_id": record.id})
    request = parse_request(record)
    with invalid_requests():
        return GenerateRequest(
            prompt=getattr(request, "prompt", ""),
            execute=True,
            keep_sources=True,
            rerun=Rerun(
                job_id=record.id,
                code=state.versions[-1].code,
                sources_used=state.sources_used,
                engine=state.engine,
                generator=state.generator,
                model=state.model,
                interpreted_as=state.interpreted_as,
            ),
        )
