"""The spans of jobs that are enqueued, requeued and worked on, named as OpenTelemetry names those of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from raylane_common.telemetry.tracing import Attributes, Span
    from raylane_common.wire.jobs import JobRecord, NewJob

_SYSTEM: Final = {"messaging.system": "raylane"}
# More of them would make a batch of thousands one large span.
_MOST_IDS: Final = 20


def enqueueing(jobs: Sequence[NewJob], traceparent: str) -> AbstractContextManager[Span]:
    """Makes the block the span of sending these jobs, all of which get its context.

    It is below the present span or, if that is not empty, below `traceparent`.
    """
    lanes = {job.lane for job in jobs}
    lane = lanes.pop().value if len(lanes) == 1 else "several lanes"
    return tracing.span(f"enqueue {lane}", lambda: _sent(jobs, lane), kind="producer", parent=traceparent or None)


def requeueing(record: JobRecord) -> AbstractContextManager[Span]:
    """Makes the block a span in the trace of the job, which links the caller's."""
    name, operation = (
        f"requeue {record.lane}",
        {"messaging.operation.name": "requeue", "messaging.operation.type": "send"},
    )
    return tracing.span(
        name,
        lambda: _of_record(record) | operation,
        kind="producer",
        parent=record.traceparent or "",
        state=record.tracestate,
        linked=True,
    )


def attempting(record: JobRecord) -> AbstractContextManager[Span]:
    """Makes the block the span of one attempt, below the span that enqueued the job."""
    return tracing.span(
        f"process {record.lane}",
        lambda: _of_attempt(record),
        kind="consumer",
        parent=record.traceparent or "",
        state=record.tracestate,
    )


def _of_attempt(record: JobRecord) -> Attributes:
    waited_ms = None if record.started_at is None else max(0, record.started_at - record.enqueued_at)
    return _of_record(record) | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "raylane.job.attempt": record.attempt,
        "raylane.job.max_attempts": record.max_attempts,
        "raylane.job.waited_ms": waited_ms if record.attempt <= 1 else None,
    }


def _sent(jobs: Sequence[NewJob], lane: str) -> Attributes:
    attributes: dict[str, tracing.Value | None] = {
        **_SYSTEM,
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
        "messaging.destination.name": lane,
    }
    if len(jobs) == 1:
        [job] = jobs
        return attributes | {
            "messaging.message.id": job.id,
            "raylane.job.id": job.id,
            "messaging.message.conversation_id": job.session_id,
            "raylane.job.kind": job.kind.value,
            "raylane.job.action": getattr(job.request, "action", None),
        }
    return attributes | {
        "messaging.batch.message_count": len(jobs),
        "raylane.job.ids": [job.id for job in jobs[:_MOST_IDS]],
    }


def _of_record(record: JobRecord) -> dict[str, tracing.Value | None]:
    action = record.payload.get("action")
    return {
        **_SYSTEM,
        "messaging.destination.name": record.lane,
        "messaging.message.id": record.id,
        # As the spans of agents have it.
        "raylane.job.id": record.id,
        "messaging.message.conversation_id": record.session_id,
        "raylane.job.kind": record.kind,
        "raylane.job.action": action if isinstance(action, str) else None,
        "raylane.job.round": record.round,
    }
