"""`ask`, `wait` and `cancel`: from a question to its answer, in as many calls as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from raylane.gateway.access.caller import Right
from raylane.mcp.keys import job_id_for
from raylane.mcp.outcomes import outcome_of
from raylane.mcp.results import AnswerOutcome, Cancelled, JobOutcome
from raylane.mcp.tool import DEFAULT_WAIT_S, Arguments, IdempotencyKey, JobId, Reply, SessionId, Tool, WaitSeconds
from raylane_common.limits import JOB_ID_PATTERN, MAX_PROMPT_BYTES
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.names import Engine

if TYPE_CHECKING:
    from raylane.mcp.call import Call


class AskArguments(Arguments):
    """A question about the sources of a session."""

    session_id: SessionId
    question: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_PROMPT_BYTES,
            description="What to compute, in plain language, with the names of the columns: "
            '"average temp_max by weather", "top 5 city by sum of amount where year = 2024"',
        ),
    ]
    continues: Annotated[
        str | None,
        Field(
            pattern=JOB_ID_PATTERN,
            description="The id of an earlier job whose question this one changes: "
            '"only 2024", "as a line chart", "by month instead"',
        ),
    ] = None
    engine: Annotated[
        Engine | None,
        Field(description="How the code computes; leave it out, and the size of the sources decides"),
    ] = None
    idempotency_key: IdempotencyKey = None
    wait_s: WaitSeconds = DEFAULT_WAIT_S


class WaitArguments(Arguments):
    """A job to wait for."""

    job_id: JobId
    wait_s: WaitSeconds = DEFAULT_WAIT_S


class CancelArguments(Arguments):
    """A job to cancel."""

    job_id: JobId


async def _ask(call: Call, given: AskArguments) -> Reply[AnswerOutcome]:
    session_id = call.session(given.session_id, Right.ASK, Right.READ)
    if given.continues is not None:
        await call.job(Right.READ, given.continues)
    with job_id_for("ask", session_id, given.idempotency_key) as job_id:
        job = await call.producer.generate(
            given.question,
            session_id=session_id,
            execute=True,
            # A conversation asks more than one question about the same data.
            keep_sources=True,
            engine=given.engine,
            continues=given.continues,
            job_id=job_id,
        )
    return await outcome_of(call, job.id, given.wait_s, AnswerOutcome)


async def _wait(call: Call, given: WaitArguments) -> Reply[JobOutcome]:
    await call.job(Right.READ, given.job_id)
    return await outcome_of(call, given.job_id, given.wait_s, JobOutcome, is_new=False)


async def _cancel(call: Call, given: CancelArguments) -> Reply[Cancelled]:
    await call.job(Right.ASK, given.job_id)
    status = await call.producer.cancel(given.job_id)
    match status:
        case JobStatus.RUNNING:
            step = "its worker stops it: call wait to see that it has stopped"
        case JobStatus.CANCELLED:
            step = "nothing"
        case _:
            step = "nothing: it had ended before"
    cancelled = Cancelled(job_id=given.job_id, status=status, next=step)
    return Reply(f"Job {given.job_id} is {status}. Next: {step}", cancelled)


TOOLS: Final = (
    Tool(
        "ask",
        "Ask a question about data",
        "Computes the answer to a question about the sources of a session: code is written, checked and run on a Ray "
        "cluster. Returns the answer, or the id of the job if it takes longer than `wait_s`. The sources stay in the "
        "session. Call list_sources first to know the names of the columns.",
        AskArguments,
        AnswerOutcome,
        _ask,
        is_repeatable=False,
        words={"prompt": "question"},
    ),
    Tool(
        "wait",
        "Wait for a job",
        "Waits for a job, and returns its answer or how far it is. The id is all that is needed: also for a job of "
        "yesterday, or after a restart of this server.",
        WaitArguments,
        JobOutcome,
        _wait,
        reads=True,
    ),
    Tool(
        "cancel",
        "Cancel a job",
        "Cancels a job that waits or runs, and stops its run on the cluster. A job that has ended does not change. "
        "Giving up on a call of ask or wait does not cancel its job; this does.",
        CancelArguments,
        Cancelled,
        _cancel,
        destroys=True,
    ),
)
