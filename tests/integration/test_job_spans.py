"""The spans of jobs on a real server: the context goes through Redis, and every attempt belongs to one trace."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind

from raylane import Producer
from raylane.backend import RedisBackend
from raylane.sync import Producer as SyncProducer
from raylane_common.errors import InvalidFile, JobIdTaken, StorageUnavailable
from raylane_common.redis.connection import keys_of
from raylane_common.telemetry import tracing
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.tables import ListTablesRequest
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.recorded import context_of, is_below, recorded_spans
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue
    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext
    from raylane_worker.embedded import EmbeddedValkey
    from tests.helpers.recorded import Recorded

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recorded_spans() as found:
        yield found


async def test_an_attempt_is_below_the_span_that_enqueued_its_job(
    redis: Redis, queue: JobQueue, recorded: Recorded
) -> None:
    async def run(request: Any, ctx: JobContext) -> DatabasesResult:
        await ctx.progress("listing", "databases of a secret name")
        return DONE

    async with Producer(backend=RedisBackend(redis, queue=queue)) as producer, worker(redis, run):
        with recorded.tracer.start_as_current_span("the service's request") as request:
            job = await producer.tables.databases()
        await job.result(timeout_s=30)
        await until(lambda: bool(recorded.spans("process upload")))
    sent, attempt = recorded.only("enqueue upload"), recorded.only("process upload")
    assert is_below(sent, context_of(request))
    assert is_below(attempt, context_of(sent))
    assert (await queue.record(job.id)).traceparent == context_of(sent)
    assert (sent.kind, attempt.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert [(event.name, dict(event.attributes or {})) for event in attempt.events] == [("listing", {})]
    told = dict(attempt.attributes or {})
    assert told.pop("raylane.job.waited_ms") >= 0  # type: ignore[operator]  # a number
    assert told == {
        "messaging.system": "raylane",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "upload",
        "messaging.message.id": job.id,
        "raylane.job.id": job.id,
        "raylane.job.kind": "tables",
        "raylane.job.action": "databases",
        "raylane.job.round": 0,
        "raylane.job.attempt": 1,
        "raylane.job.max_attempts": 3,
        "raylane.job.outcome": "succeeded",
    }


async def test_the_span_of_a_thread_that_calls_without_async_is_the_parent(
    valkey: EmbeddedValkey, queue: JobQueue, recorded: Recorded
) -> None:
    def ask() -> tuple[str, str]:
        with (
            recorded.tracer.start_as_current_span("a thread's") as span,
            SyncProducer(redis_url=valkey.url) as producer,
        ):
            return producer.tables.databases().id, context_of(span)

    job_id, context = await asyncio.to_thread(ask)
    assert is_below(recorded.only("enqueue upload"), context)
    assert (await queue.record(job_id)).traceparent == context_of(recorded.only("enqueue upload"))


async def test_retries_and_requeues_are_spans_of_the_same_trace(
    redis: Redis, queue: JobQueue, recorded: Recorded
) -> None:
    async def fail(request: Any, ctx: JobContext) -> DatabasesResult:
        raise StorageUnavailable("s3 is down")

    job_id = await queue.enqueue(a_job())
    async with worker(redis, fail, max_attempts=2):
        await queue.wait(job_id, timeout_s=30)
    with recorded.tracer.start_as_current_span("the operator") as operator:
        await queue.requeue(job_id)
    async with worker(redis, succeed, max_attempts=2):
        await queue.wait(job_id, timeout_s=30)
        await until(lambda: len(recorded.spans("process upload")) == 3)
    sent = context_of(recorded.only("enqueue upload"))
    attempts = [dict(span.attributes or {}) for span in recorded.spans("process upload")]
    assert all(is_below(span, sent) for span in recorded.spans("process upload"))
    assert [
        (each["raylane.job.attempt"], each["raylane.job.outcome"], each.get("error.type")) for each in attempts
    ] == [
        (1, "retry", "storage_unavailable"),
        (2, "dead", "storage_unavailable"),
        (1, "succeeded", None),
    ]
    requeued = recorded.only("requeue upload")
    assert is_below(requeued, sent)
    assert [link.context.span_id for link in requeued.links] == [operator.get_span_context().span_id]


async def test_an_interrupted_attempt_and_a_cancelled_one_say_so(
    redis: Redis, queue: JobQueue, recorded: Recorded
) -> None:
    started = asyncio.Event()

    async def hang(request: Any, ctx: JobContext) -> DatabasesResult:
        started.set()
        await asyncio.Event().wait()
        return DONE

    job_id = await queue.enqueue(a_job())
    async with worker(redis, hang):
        await asyncio.wait_for(started.wait(), 30)
    started.clear()
    async with worker(redis, hang):
        await asyncio.wait_for(started.wait(), 30)
        await queue.cancel(job_id)
        assert (await queue.wait(job_id, timeout_s=30)).status is JobStatus.CANCELLED
    interrupted, cancelled = recorded.spans("process upload")
    assert [event.name for event in interrupted.events] == ["cancelled"]
    assert "raylane.job.outcome" not in (interrupted.attributes or {})
    assert (cancelled.attributes or {})["raylane.job.outcome"] == "cancelled"


async def test_a_batch_is_one_span_that_all_its_jobs_are_below(
    redis: Redis, queue: JobQueue, recorded: Recorded
) -> None:
    jobs = [a_job() for _ in range(50)]
    await queue.enqueue_many(jobs)
    sent = recorded.only("enqueue upload")
    told = dict(sent.attributes or {})
    assert told["messaging.batch.message_count"] == 50
    assert told["raylane.job.ids"] == tuple(job.id for job in jobs[:20])
    assert {(await queue.record(job.id)).traceparent for job in jobs} == {context_of(sent)}


async def test_a_job_that_is_refused_is_a_failed_span(queue: JobQueue, recorded: Recorded) -> None:
    await queue.enqueue(a_job(id="one"))
    other = a_job(id="one").model_copy(update={"request": ListTablesRequest(database="sales")})
    with pytest.raises(JobIdTaken):
        await queue.enqueue(other)
    assert [(span.attributes or {}).get("error.type") for span in recorded.spans("enqueue upload")] == [
        None,
        "job_id_taken",
    ]


async def test_a_given_context_is_the_parent_and_goes_through_without_spans(queue: JobQueue) -> None:
    job_id = await queue.enqueue(a_job(), traceparent=CONTEXT)
    assert (await queue.record(job_id)).traceparent == CONTEXT
    with recorded_spans() as recorded:
        job_id = await queue.enqueue(a_job(), traceparent=CONTEXT)
    assert is_below(recorded.only("enqueue upload"), CONTEXT)
    assert (await queue.record(job_id)).traceparent == context_of(recorded.only("enqueue upload"))


@pytest.mark.parametrize("hostile", ["x" * 5_000_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\x00\n'\"", "-"])
async def test_a_hostile_context_in_a_record_is_ignored(redis: Redis, queue: JobQueue, hostile: str) -> None:
    seen: list[str] = []

    async def run(request: Any, ctx: JobContext) -> DatabasesResult:
        seen.append(tracing.current())
        return DONE

    for recording in (False, True):
        job_id = await queue.enqueue(a_job())
        await _hset(redis, keys_of(redis).job(job_id), hostile)
        if recording:
            with recorded_spans() as recorded:
                async with worker(redis, run):
                    await queue.result(job_id, timeout_s=30)
                    await until(lambda: bool(recorded.spans("process upload")))  # awaited here
            assert recorded.only("process upload").parent is None
        else:
            async with worker(redis, run):
                await queue.result(job_id, timeout_s=30)
    assert seen[0] == ""
    assert seen[1] != ""


async def test_a_worker_without_spans_still_knows_the_trace_of_a_job(redis: Redis, queue: JobQueue) -> None:
    seen: list[str] = []

    async def run(request: Any, ctx: JobContext) -> DatabasesResult:
        seen.append(tracing.current())
        if len(seen) == 1:
            raise StorageUnavailable("once")
        return DONE

    traced = await queue.enqueue(a_job(), traceparent=CONTEXT)
    async with worker(redis, run):
        await queue.result(traced, timeout_s=30)
        plain = await queue.enqueue(a_job())
        await queue.result(plain, timeout_s=30)
    assert seen == [CONTEXT, CONTEXT, ""]


@pytest.mark.parametrize("is_recorded", [False, True])
async def test_the_state_of_a_context_reaches_every_attempt(redis: Redis, queue: JobQueue, is_recorded: bool) -> None:
    seen: list[str | None] = []

    async def run(request: Any, ctx: JobContext) -> DatabasesResult:
        seen.append(tracing.carried().get("tracestate"))
        if len(seen) == 1:
            raise StorageUnavailable("once")
        return DONE

    with recorded_spans() if is_recorded else nullcontext():
        with tracing.span("request", parent=CONTEXT, state="rojo=1,congo=t61"):
            traced = await queue.enqueue(a_job())
        assert (await queue.record(traced)).tracestate == "rojo=1,congo=t61"
        async with worker(redis, run):
            await queue.result(traced, timeout_s=30)
        hostile = await queue.enqueue(a_job(), traceparent=CONTEXT)
        await redis.hset(keys_of(redis).job(hostile), "tracestate", "Not=valid")  # type: ignore[misc]  # redis-py's sync/async union
        async with worker(redis, run):
            await queue.result(hostile, timeout_s=30)
    assert seen == ["rojo=1,congo=t61", "rojo=1,congo=t61", None]


async def test_the_error_of_a_job_quotes_no_data_in_a_span(redis: Redis, queue: JobQueue, recorded: Recorded) -> None:
    async def fail(request: Any, ctx: JobContext) -> DatabasesResult:
        raise InvalidFile("line 3: 'a secret cell' is no number")

    job_id = await queue.enqueue(a_job())
    async with worker(redis, fail):
        await queue.wait(job_id, timeout_s=30)
        await until(lambda: bool(recorded.spans("process upload")))
    assert "secret" not in "".join(span.to_json() for span in recorded.spans())


def _hset(redis: Redis, key: str, value: str) -> Awaitable[int]:
    return redis.hset(key, "traceparent", value)  # type: ignore[return-value]  # an asynchronous client
