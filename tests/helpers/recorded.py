"""Records the spans of the test's own process in memory, as a program does that has set up OpenTelemetry."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.sampling import Sampler


class Recorded:
    """The spans that have ended so far."""

    def __init__(self, exporter: InMemorySpanExporter, tracer: trace.Tracer) -> None:
        self._exporter = exporter
        self.tracer = tracer

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Returns them in the order of their ends, only those with this name if it is given."""
        return [span for span in self._exporter.get_finished_spans() if name in ("", span.name)]

    def only(self, name: str) -> ReadableSpan:
        """Returns the only span with this name."""
        [span] = self.spans(name)
        return span


@contextmanager
def recorded_spans(sampler: Sampler | None = None) -> Iterator[Recorded]:
    """Records the spans of the block. A process may set its provider only once, so the test puts it there."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with patch.object(trace, "_TRACER_PROVIDER", provider):
        yield Recorded(exporter, provider.get_tracer("the program"))


def context_of(span: ReadableSpan | trace.Span) -> str:
    """Returns the `traceparent` of a span."""
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def is_below(span: ReadableSpan, parent: str) -> bool:
    """Whether the span is in the trace of this `traceparent`, directly below it."""
    above = span.parent
    return above is not None and f"00-{above.trace_id:032x}-{above.span_id:016x}" == parent[:52]
