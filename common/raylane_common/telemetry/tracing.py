"""Spans of OpenTelemetry if the process records any; else only the context of a trace, which is passed on.

A process records if it sends its spans itself (`telemetry.sending`) or if the program around us has set up
OpenTelemetry. So nothing of OpenTelemetry is imported here unless somebody else did. See docs/decisions/0049.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from raylane_common.telemetry.context import flags_of, span_id_of, trace_id_of, valid, valid_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, Tracer
    from opentelemetry.trace import Span as RecordedSpan

    Value = str | bool | int | float | Sequence[str]
    Attributes = Mapping[str, Value | None]

Kind = Literal["internal", "server", "client", "producer", "consumer"]

_API: Final = "opentelemetry.trace"
_NAME: Final = "raylane"
# What a process that records nothing still passes on: the context of the request or the job that it works on.
_passed_on: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("raylane_trace", default=("", ""))
# The provider of the last call, and its tracer.
_known: tuple[object, Tracer] | None = None
# Whether the variables name a provider that cannot be loaded. OpenTelemetry has logged that.
_is_broken = False
_content = False


class Span:
    """One step of a trace, which does nothing unless it is recorded. Attributes that are None are left out."""

    __slots__ = ("_has_failed", "_recorded")

    def __init__(self, recorded: RecordedSpan | None = None) -> None:
        self._recorded = recorded
        self._has_failed = False

    @property
    def is_recorded(self) -> bool:
        """Whether anybody sees the span."""
        return self._recorded is not None

    def set(self, attributes: Attributes) -> None:
        """Adds attributes."""
        if self._recorded is not None:
            self._recorded.set_attributes(_given(attributes))

    def rename(self, name: str) -> None:
        """Gives it a more exact name, which was not known at its beginning."""
        if self._recorded is not None:
            self._recorded.update_name(name)

    def set_content(self, attributes: Attributes) -> None:
        """Adds attributes that hold prompts, code, data or names of files, if the settings allow that."""
        if _content:
            self.set(attributes)

    def event(self, name: str, attributes: Attributes | None = None, content: Attributes | None = None) -> None:
        """Adds something that happened now. `content` is as in `set_content`."""
        if self._recorded is not None:
            told = {**(attributes or {}), **((content or {}) if _content else {})}
            self._recorded.add_event(name, _given(told))

    def failed(self, error: str, message: str = "") -> None:
        """Says that the step has failed, with the code of the `error`. The `message` may quote data, so it is content.

        The first failure of a span stays.
        """
        if self._recorded is not None and not self._has_failed:
            self._has_failed = True
            from opentelemetry.trace import Status, StatusCode

            self._recorded.set_attribute("error.type", error)
            self._recorded.set_status(Status(StatusCode.ERROR, message if _content and message else error))


_NOTHING: Final = Span()


@contextmanager
def span(
    name: str,
    attributes: Attributes | Callable[[], Attributes] | None = None,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    state: str | None = None,
    linked: bool = False,
    detail: bool = False,
) -> Iterator[Span]:
    """Makes the block a span, below the present one or, if that is given, below the `parent`, a `traceparent`.

    `state` is the parent's `tracestate`, which is passed on with it.

    `attributes` may be a function, which is only called in a process that records spans.

    A `parent` that is not valid begins a new trace. `linked` links the present span, which another parent does not
    show. With `detail`, the span is only made below another one: what happens in the background is no trace of its own.
    An exception marks the span as failed.
    """
    tracer = _tracer()
    if tracer is None:
        if parent is None:
            yield _NOTHING
            return
        token = _passed_on.set(_read(parent, state))
        try:
            yield _NOTHING
        finally:
            _passed_on.reset(token)
        return
    if detail and not current():
        yield _NOTHING
        return
    from opentelemetry.trace import SpanKind, use_span

    recorded = tracer.start_span(
        name,
        context=None if parent is None else _context(*_read(parent, state)),
        kind=SpanKind[kind.upper()],
        # Samplers get them, and so they are set before it is known whether the span is recorded.
        attributes=_given(attributes() if callable(attributes) else attributes or {}),
        links=_present_link() if linked else (),
    )
    made = Span(recorded) if recorded.is_recording() else _NOTHING
    with use_span(recorded, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield made
        except asyncio.CancelledError:
            made.event("cancelled")
            raise
        except Exception as error:
            made.failed(*described(error))
            raise


def current() -> str:
    """Returns the present context as a `traceparent`, whether anybody records it or not; '' if there is none."""
    if _API in sys.modules:
        from opentelemetry import trace

        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return _passed_on.get()[0]


def carried() -> dict[str, str]:
    """Returns the present context by the names of W3C, `traceparent` and `tracestate`, without those that are empty."""
    parent, state = current(), _passed_on.get()[1]
    if _API in sys.modules:
        from opentelemetry import trace

        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            state = valid_state(context.trace_state.to_header())
    return {name: text for name, text in (("traceparent", parent), ("tracestate", state if parent else "")) if text}


def trace_id() -> str:
    """Returns the id of the present trace, 32 hexadecimal digits; '' if there is none."""
    return trace_id_of(current())


def event(name: str, attributes: Attributes | None = None, content: Attributes | None = None) -> None:
    """Adds an event to the present span, if that is one of a trace that is recorded. `content` is as in `Span`."""
    if _tracer() is not None:
        from opentelemetry import trace

        present = trace.get_current_span()
        if present.is_recording():
            Span(present).event(name, attributes, content)


def apart() -> contextvars.Context:
    """Returns the context for a task beside the steps of a trace, such as one that looks at something again and again.

    Its details make no spans.
    """
    context = contextvars.copy_context()
    if _API in sys.modules:
        from opentelemetry.context import Context, attach

        context.run(attach, Context())
    return context


def allow_content(allowed: bool) -> None:
    """Says whether spans of this process may hold prompts, code, data, names of files and messages of errors."""
    global _content
    _content = allowed


def described(error: Exception) -> tuple[str, str]:
    """Returns the code of an error, which is the name of its class if it is none of ours, and its message."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__qualname__, str(error)


def _given(attributes: Attributes) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}


def _tracer() -> Tracer | None:
    """Returns the tracer; None if nobody in this process records spans."""
    global _known, _is_broken
    if _is_broken or _API not in sys.modules:
        return None
    # Another thread may be importing it just now; the statement waits for that.
    from opentelemetry import trace

    try:
        provider = trace.get_tracer_provider()
    except Exception:  # whatever a provider raises that somebody else has named; no job may fail because of it
        _is_broken = True
        return None
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    if _known is None or _known[0] is not provider:
        from importlib import metadata  # here, because only whoever has a provider needs the time

        _known = provider, provider.get_tracer(_NAME, metadata.version(_NAME))
    return _known[1]


def _read(traceparent: str, tracestate: str | None) -> tuple[str, str]:
    """Returns a context of others as far as it is valid. Without a parent there is no state."""
    parent = valid(traceparent)
    return parent, valid_state(tracestate) if parent else ""


def _context(parent: str, state: str) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    return set_span_in_context(NonRecordingSpan(_span_context(parent, state)), Context()) if parent else Context()


def _span_context(parent: str, state: str) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    return SpanContext(
        int(trace_id_of(parent), 16),
        int(span_id_of(parent), 16),
        is_remote=True,
        trace_flags=TraceFlags(flags_of(parent)),
        trace_state=TraceState.from_header([state]) if state else TraceState(),
    )


def _present_link() -> tuple[Link, ...]:
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return (trace.Link(context),) if context.is_valid else ()
