"""A command sends its spans to a collector, if there is one, and does its work in any case."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import sys
import threading
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.util._once import Once

from raylane_common.redis.queue import JobQueue
from raylane_common.telemetry import tracing
from raylane_common.telemetry.sending import exporters, spans_sent
from tests.helpers.bound import bound
from tests.helpers.collector import Collector, chain
from tests.helpers.recorded import recorded_spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MAIN = "from raylane.cli import main; main()"
NO_SDK = f"import sys; sys.modules['opentelemetry.sdk'] = None; {MAIN}"
LOADED = f"""
import atexit, sys
atexit.register(lambda: print([name for name in sys.modules if name.startswith("opentelemetry")], file=sys.stderr))
{MAIN}
"""
ENQUEUE = ("ray", "status", "--no-wait", "--json")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as opened:
        yield opened


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, ()),
        ({"OTEL_TRACES_EXPORTER": "otlp, console,otlp"}, ("otlp", "console")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, ()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "True"}, ()),
    ],
)
def test_the_usual_variables_say_whether_spans_are_sent(environ: dict[str, str], names: tuple[str, ...]) -> None:
    assert exporters(environ) == names


async def test_a_command_is_a_span_below_its_shell_script(
    valkey: EmbeddedValkey, redis: Redis, collector: Collector
) -> None:
    job_id, notes = await _enqueued(valkey, **collector.env, TRACEPARENT=CONTEXT, OTEL_SERVICE_NAME="nightly")
    assert notes == ""
    spans = collector.trace(CONTEXT[3:35])
    assert chain(spans, "enqueue ray") == ["enqueue ray", "raylane ray"]
    assert {span.service for span in spans} == {"nightly"}
    [command] = [span for span in spans if span.name == "raylane ray"]
    assert command.parent_id == CONTEXT[36:52]
    [sent] = [span for span in spans if span.name == "enqueue ray"]
    record = await JobQueue(redis).record(job_id)
    assert record.traceparent == f"00-{sent.trace_id}-{sent.span_id}-01"


async def test_without_an_exporter_the_context_goes_through_and_nothing_is_loaded(
    valkey: EmbeddedValkey, redis: Redis
) -> None:
    job_id, notes = await _enqueued(valkey, program=LOADED, TRACEPARENT=CONTEXT)
    assert notes == "[]\n"
    assert (await JobQueue(redis).record(job_id)).traceparent == CONTEXT


async def test_a_collector_that_is_away_costs_one_line(valkey: EmbeddedValkey, redis: Redis) -> None:
    async with Collector() as gone:
        pass
    _, notes = await _enqueued(valkey, **gone.env)
    assert notes.startswith(f"warning: traces are not sent to {gone.url}/v1/traces: Connection refused; ")
    assert notes.count("\n") == 1
    assert "HTTPConnectionPool" not in notes


async def test_a_missing_package_is_named_and_the_command_goes_on(valkey: EmbeddedValkey, redis: Redis) -> None:
    _, notes = await _enqueued(valkey, program=NO_SDK, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert notes.startswith("warning: traces are not sent, because opentelemetry.sdk")
    assert notes.endswith(" is missing: pip install 'raylane[tracing]'\n")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenTelemetry as it is in a new process, where nobody has set it up."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    logger = logging.getLogger("opentelemetry")
    handlers, propagates = list(logger.handlers), logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagates


def _give(exporter: SpanExporter) -> Callable[[EntryPoint], Callable[[], SpanExporter]]:
    """Returns what loads the exporter, whatever is asked for."""
    return lambda _: lambda: exporter


def _send(told: list[str], **more: Any) -> str:
    """Sends one span, and returns its context."""
    with spans_sent("a service", flush_s=30, report=told.append, **more), tracing.span("step"):
        return tracing.current()


@pytest.mark.usefixtures("fresh")
async def test_a_process_names_itself_unless_the_variables_do(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in collector.env.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []
    context = await asyncio.to_thread(_send, told)
    assert told == []
    [span] = collector.spans
    assert (span.service, span.name) == ("a service", "step")
    assert context[3:35] == span.trace_id


@pytest.mark.usefixtures("fresh")
async def test_the_sampler_of_the_variables_decides(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (collector.env | {"OTEL_TRACES_SAMPLER": "always_off"}).items():
        monkeypatch.setenv(name, value)
    context = await asyncio.to_thread(_send, [])
    assert collector.spans == []
    assert int(context[-2:], 16) & 1 == 0


@pytest.mark.usefixtures("fresh")
async def test_a_collector_that_refuses_is_told_once(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    collector.status = 401
    for name, value in collector.env.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []
    await asyncio.to_thread(_send, told)
    [line] = told
    assert line.startswith(f"traces are not sent to {collector.url}/v1/traces: HTTP 401")


class _Unsteady(SpanExporter):
    """Has the given outcomes, one after the other, and hangs when there is none left."""

    _endpoint = "http://someone:secret@collector:4318/v1/traces"

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = list(outcomes)
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if not self._outcomes:
            self.released.wait(30)
            return SpanExportResult.FAILURE
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return SpanExportResult.SUCCESS if outcome else SpanExportResult.FAILURE


@pytest.mark.usefixtures("fresh")
def test_a_change_of_the_collector_is_one_line_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    refused = OSError(errno.ECONNREFUSED, "Connection refused")
    unsteady = _Unsteady(True, refused, refused, False, True, True, ValueError("x"))
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(EntryPoint, "load", _give(unsteady))
    with spans_sent("a service", flush_s=30, report=told.append):
        provider = trace.get_tracer_provider()
        assert isinstance(provider, TracerProvider)
        for _ in range(7):
            with tracing.span("step"):
                pass
            provider.force_flush()
    away, back, again = told
    address = "http://***collector:4318/v1/traces"
    assert away.startswith(f"traces are not sent to {address}: Connection refused; ")
    assert back == f"traces are sent to {address} again; 3 spans were lost"
    assert again.startswith(f"traces are not sent to {address}: ValueError; ")


@pytest.mark.usefixtures("fresh")
def test_a_collector_that_hangs_holds_up_no_end_and_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = _Unsteady()
    told: list[str] = []
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(EntryPoint, "load", _give(hanging))
    with spans_sent("a service", flush_s=0.05, report=told.append):
        for _ in range(3):
            with tracing.span("step"):
                pass
    [line] = told
    hanging.released.set()
    assert line.startswith("traces are not sent to http://***collector:4318/v1/traces: no answer within 0.05 s; ")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "-5"}, "max_queue_size"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SPAN_EVENT_COUNT_LIMIT": "-1"}, "OTEL_SPAN_EVENT_COUNT_LIMIT"),
        ({"OTEL_TRACES_EXPORTER": "zipkins"}, "there is no exporter zipkins: check OTEL_TRACES_EXPORTER"),
    ],
)
def test_an_exporter_that_cannot_be_used_is_told(
    variables: dict[str, str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told: list[str] = []
    _send(told)
    [line] = told
    assert line.startswith(("spans may be lost: ", "traces are not sent: "))
    assert hint in line


@pytest.mark.usefixtures("fresh")
def test_a_provider_that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    with recorded_spans() as recorded:
        _send([])
        assert [span.name for span in recorded.spans()] == ["step"]


async def _enqueued(valkey: EmbeddedValkey, *, program: str = MAIN, **variables: str) -> tuple[str, str]:
    """Enqueues a job by the command line. Returns its id, and what it wrote to stderr besides that nobody works."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "OTEL_"))}
    process = await asyncio.create_subprocess_exec(
        *bound(sys.executable, "-c", program, *ENQUEUE),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=kept | {"RAYLANE_REDIS__URL": valkey.url} | variables,
    )
    printed, notes = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, notes.decode()
    lines = notes.decode().splitlines(keepends=True)
    return str(json.loads(printed)["job_id"]), "".join(line for line in lines if not line.startswith("no worker"))
