"""Makes the requests that run code that is there already: an earlier `generate` job's, or the caller's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common import checks
from raylane_common.errors import NoCode, NoSources, invalid_requests
from raylane_common.wire.generate import Checkpoint, GenerateRequest, GenerateResult, GeneratorName, Rerun
from raylane_common.wire.jobs import parse_request
from raylane_common.wire.sources import OpaqueSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.generate import Engine
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.sources import AnySource

# The prompt of a job that had none.
_OWN_CODE: Final = "run the given code"


def rerun_request(record: JobRecord) -> GenerateRequest:
    """Returns the request with the last version of the job's code and the sources that the job had read.

    Raises `NoCode` if it has none, and `InvalidRequest` if its record cannot be read.
    """
    state = _state(record)
    if state is None:
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


def given_code_request(
    code: str,
    engine: Engine | str | None,
    present: Sequence[AnySource],
    earlier: Iterable[JobRecord],
) -> GenerateRequest:
    """Returns the request that verifies and runs code of the caller.

    `present` are the sources of the session, and `earlier` its jobs, newest first. The code reads those sources whose
    location it names; if it names none, all that are present. One that has left the session is taken from the newest
    job that read it. `engine` None means that of the newest job that read one of them; without such a job, by their
    size. Raises `NoSources` if there are no sources, and `InvalidRequest` for a wrong argument.
    """
    code = checks.utf_8("code", code)
    states = [(record, state) for record in earlier if (state := _state(record)) is not None]
    known = {_location(source): source for source in present}
    for _, state in states:
        for source in state.sources_used:
            known.setdefault(_location(source), source)
    # Code cannot name a source that this version does not know.
    named = tuple(
        source for location, source in known.items() if not isinstance(source, OpaqueSource) and location in code
    )
    sources: tuple[AnySource, ...] = named or tuple(present) or (states[0][1].sources_used if states else ())
    if not sources:
        raise NoSources("the session has no sources that the code could read; upload a file or select a table first")
    read = {_location(source) for source in sources}
    related = [pair for pair in states if read.intersection(map(_location, pair[1].sources_used))]
    same = [pair for pair in related if pair[1].versions[-1].code == code]
    record, state = next(iter(same or related), (None, None))
    with invalid_requests():
        rerun = Rerun.model_validate(
            {
                "job_id": record and record.id,
                "code": code,
                "sources_used": sources,
                "engine": engine or (state and state.engine),
                "generator": state.generator if state else GeneratorName.AUTO,
                "model": state and state.model,
                "interpreted_as": state.interpreted_as if same and state else "",
            }
        )
        prompt = getattr(parse_request(record), "prompt", _OWN_CODE) if record else _OWN_CODE
        return GenerateRequest(prompt=prompt, execute=True, keep_sources=True, rerun=rerun)


def _state(record: JobRecord) -> GenerateResult | Checkpoint | None:
    """Returns what a `generate` job has written so far; None if it has no code, or is a job of another kind."""
    state = record.result if isinstance(record.result, GenerateResult) else record.checkpoint
    has_code = record.kind == GenerateRequest.kind and state is not None and state.versions and state.sources_used
    return state if has_code else None


def _location(source: AnySource) -> str:
    return getattr(source, "location", source.name)
