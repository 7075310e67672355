"""Every metric of Raylane. docs/metrics.md is generated from this module.

The names begin with `raylane_`; times are in seconds and sizes in bytes.
"""

from __future__ import annotations

from typing import Final

from raylane_common.telemetry.metrics import Metric

# From an upload of some rows to the longest run.
_JOB_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
# From an answer of a service beside us to one that gave up.
_CALL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MODEL_SECONDS: Final = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_LAG_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

BUILD: Final = Metric(
    "gauge", "raylane_build_info", "1, with the versions of Raylane and Python", ("version", "python")
)
LOOP_LAG: Final = Metric(
    "histogram",
    "raylane_loop_lag_seconds",
    "How much later than planned the event loop ran a timer of half a second",
    buckets=_LAG_SECONDS,
)

JOB_ERRORS: Final = Metric(
    "counter",
    "raylane_job_errors_total",
    "Errors of attempts in this worker by their code, whether the job gets another attempt or not",
    ("lane", "kind", "code"),
)
JOB_WAIT: Final = Metric(
    "histogram",
    "raylane_job_wait_seconds",
    "Time from enqueueing, or from the time at which a job was due, to its first attempt. Without jobs that come after "
    "others",
    ("lane", "kind"),
    _JOB_SECONDS,
)
ATTEMPTS: Final = Metric(
    "counter",
    "raylane_attempts_total",
    "Attempts of this worker: succeeded, failed, cancelled, retried (failed, and the job gets another one), returned "
    "(does not count: the worker stops, or the job gives way) or lost (another worker has the job)",
    ("lane", "kind", "outcome"),
)
ATTEMPT_SECONDS: Final = Metric(
    "histogram",
    "raylane_attempt_seconds",
    "Time of an attempt, from its claim until its outcome was known",
    ("lane", "kind"),
    _JOB_SECONDS,
)
PLACES: Final = Metric("gauge", "raylane_lane_places", "Jobs that this worker can run at once in a lane", ("lane",))
PLACES_TAKEN: Final = Metric("gauge", "raylane_lane_places_taken", "Jobs that run in this worker now", ("lane",))

QUEUE_UP: Final = Metric(
    "gauge", "raylane_queue_up", "1 if the last look at the queue succeeded; with 0, all that Redis knows is absent"
)
QUEUE_JOBS: Final = Metric(
    "gauge",
    "raylane_queue_jobs",
    "Jobs of a lane: waiting (for other jobs), scheduled, queued, parked (the session has no free slot), running, dead",
    ("lane", "state"),
)
QUEUE_OLDEST: Final = Metric(
    "gauge",
    "raylane_queue_oldest_seconds",
    "How long the job that is next in a lane could have run already; 0 if none is queued",
    ("lane",),
)
QUEUE_WORKERS: Final = Metric("gauge", "raylane_queue_workers", "Living workers that take jobs of a lane", ("lane",))
QUEUE_WANTED: Final = Metric(
    "gauge",
    "raylane_queue_wanted_workers",
    "Workers of a lane that would start each of its jobs within telemetry.target_wait_s: the number to scale to",
    ("lane",),
)
JOBS_ENDED: Final = Metric(
    "counter",
    "raylane_jobs_ended_total",
    "Jobs that have ended, wherever that was: succeeded, failed, dead (failed, and now a dead letter) or cancelled. A "
    "job that is requeued ends again",
    ("lane", "kind", "outcome"),
)
JOBS_FAILED: Final = Metric(
    "counter",
    "raylane_jobs_failed_total",
    "Jobs that have failed, dead letters too, by the code of their error",
    ("lane", "kind", "code"),
)
RUN_SLOTS: Final = Metric("gauge", "raylane_run_slots", "Runs that a Ray cluster may have at once", ("cluster",))
RUN_SLOTS_TAKEN: Final = Metric("gauge", "raylane_run_slots_taken", "Run slots that jobs hold", ("cluster",))
RUN_SLOTS_WAITING: Final = Metric(
    "gauge", "raylane_run_slots_waiting", "Running jobs that wait for a run slot", ("cluster",)
)

RAY_UP: Final = Metric(
    "gauge",
    "raylane_ray_endpoint_up",
    "1 if the path to an endpoint of the Ray cluster works, 0 if it is broken; absent until it was used",
    ("endpoint",),
)
RAY_LATENCY: Final = Metric(
    "gauge",
    "raylane_ray_endpoint_latency_seconds",
    "Moving average of the time that an endpoint takes for small answers",
    ("endpoint",),
)
RAY_REQUESTS: Final = Metric(
    "counter",
    "raylane_ray_requests_total",
    "Requests to Ray: ok, refused (Ray answered with an error), cancelled, or the fault of the path: connect, lost, "
    "gateway, not_ray",
    ("endpoint", "operation", "outcome"),
)
RAY_SECONDS: Final = Metric(
    "histogram",
    "raylane_ray_request_seconds",
    "Time of requests to Ray, without those that follow a log",
    ("endpoint", "operation"),
    _CALL_SECONDS,
)
RAY_FAILOVERS: Final = Metric(
    "counter",
    "raylane_ray_failovers_total",
    "Calls that moved to this endpoint after another one failed",
    ("endpoint",),
)
RAY_CHANGES: Final = Metric(
    "counter", "raylane_ray_endpoint_changes_total", "Changes of an endpoint to up or down", ("endpoint", "state")
)
RAY_SUBMISSIONS: Final = Metric(
    "counter",
    "raylane_ray_submissions_total",
    "Submissions of runs: accepted, unknown (Ray may have the run) or resent (the answer was lost, and sent again)",
    ("outcome",),
)

MODEL_CALLS: Final = Metric(
    "counter", "raylane_model_calls_total", "Calls of a language model: ok or failed", ("model", "outcome")
)
MODEL_SECONDS: Final = Metric(
    "histogram", "raylane_model_call_seconds", "Time of calls of a language model", ("model",), _MODEL_SECONDS
)
MODEL_TOKENS: Final = Metric(
    "counter",
    "raylane_model_tokens_total",
    "Tokens as the model's service counts them: input or output. Not of agents that were stopped during a call",
    ("model", "kind"),
)

AWS_REQUESTS: Final = Metric(
    "counter",
    "raylane_aws_requests_total",
    "Operations on S3 and Glue, each with all its tries: ok, not_found, conflict, throttled, refused or failed (no "
    "answer, or an error of the service)",
    ("service", "operation", "outcome"),
)
S3_SENT: Final = Metric(
    "counter", "raylane_s3_sent_bytes_total", "Bytes of objects that were written to S3", ("operation",)
)
S3_RECEIVED: Final = Metric(
    "counter", "raylane_s3_received_bytes_total", "Bytes of objects that were read from S3", ("operation",)
)

GATEWAY_REQUESTS: Final = Metric(
    "counter",
    "raylane_gateway_requests_total",
    "Requests that the gateway has answered, by the template of their path; unmatched for unknown paths",
    ("route", "method", "status"),
)
GATEWAY_SECONDS: Final = Metric(
    "histogram",
    "raylane_gateway_request_seconds",
    "Time of requests to the gateway, without streams of events",
    ("route", "method"),
    (*_CALL_SECONDS, 300),
)
GATEWAY_STREAMS: Final = Metric("gauge", "raylane_gateway_streams_open", "Streams of events that callers follow now")
GATEWAY_AUDIT_LOST: Final = Metric(
    "counter", "raylane_gateway_audit_entries_lost_total", "Entries of the audit stream that could not be written"
)

_QUEUE: Final = (
    *(QUEUE_UP, QUEUE_JOBS, QUEUE_OLDEST, QUEUE_WORKERS, QUEUE_WANTED),
    *(JOBS_ENDED, JOBS_FAILED),
    *(RUN_SLOTS, RUN_SLOTS_TAKEN, RUN_SLOTS_WAITING),
)
WORKER_METRICS: Final[dict[str, tuple[Metric, ...]]] = {
    "Jobs of this worker": (ATTEMPTS, ATTEMPT_SECONDS, JOB_ERRORS, JOB_WAIT, PLACES, PLACES_TAKEN),
    "The queue": _QUEUE,
    "Ray": (RAY_UP, RAY_LATENCY, RAY_REQUESTS, RAY_SECONDS, RAY_FAILOVERS, RAY_CHANGES, RAY_SUBMISSIONS),
    "Models": (MODEL_CALLS, MODEL_SECONDS, MODEL_TOKENS),
    "S3 and Glue": (AWS_REQUESTS, S3_SENT, S3_RECEIVED),
    "The process": (BUILD, LOOP_LAG),
}
"""What a worker exposes, by subject."""
GATEWAY_METRICS: Final[dict[str, tuple[Metric, ...]]] = {
    "Requests": (GATEWAY_REQUESTS, GATEWAY_SECONDS, GATEWAY_STREAMS, GATEWAY_AUDIT_LOST),
    "The queue": _QUEUE,
    "The process": (BUILD, LOOP_LAG),
}
"""What a gateway exposes, by subject."""
