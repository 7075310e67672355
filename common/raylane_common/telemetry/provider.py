"""Sets up the SDK of OpenTelemetry from its variables. Imported only by a process that sends spans."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final, Self

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

from raylane_common.safe_text import safe_line
from raylane_common.secrets import redact
from raylane_common.telemetry.sending import PACKAGES, entry_point_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_GROUP: Final = "opentelemetry_traces_exporter"
# What the SDK itself complains about, such as a full queue, is one line a minute.
_AGAIN_AFTER_S: Final = 60.0
# The exporters complain about each try. `Watched` tells how all tries together end.
_EXPORTERS: Final = "opentelemetry.exporter"


class Sending:
    """The spans of this process on their way to the exporters."""

    def __init__(self, provider: TracerProvider | None, problems: _Problems, watched: Sequence[Watched] = ()) -> None:
        self._provider = provider
        self._problems = problems
        self._watched = watched

    @classmethod
    def start(cls, service: str, exporters: Sequence[str], report: Callable[[str], None]) -> Self:
        """Records spans from now on. Leaves a provider that is already set, as `opentelemetry-instrument` does."""
        problems = _Problems(report)
        logging.getLogger("opentelemetry").addHandler(problems)
        logging.getLogger("opentelemetry").propagate = False
        if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return cls(None, problems)
        # `stop` is bounded; the SDK's own handler at the exit of the process is not.
        provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        found = [(name, _exporter(name, problems)) for name in exporters]
        watched = [Watched(exporter, name, problems) for name, exporter in found if exporter is not None]
        for each in watched:
            provider.add_span_processor(BatchSpanProcessor(each))
        trace.set_tracer_provider(provider)
        return cls(provider, problems, watched)

    def stop(self, flush_s: float) -> None:
        """Sends what is left, for up to `flush_s` seconds, and records no more spans."""
        if self._provider is None:
            return
        # Its thread is given up if it takes longer: an exporter tries again for up to a minute.
        flushing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        flushing.start()
        flushing.join(flush_s)
        if flushing.is_alive():
            for watched in self._watched:
                watched.give_up(flush_s)
        self._problems.close()


class Watched(SpanExporter):
    """An exporter that tells once that its spans are not sent, and once that they are again."""

    def __init__(self, exporter: SpanExporter, name: str, problems: _Problems) -> None:
        self._exporter = exporter
        self._problems = problems
        # Only the exporter knows which address follows from all its variables.
        self._address = str(getattr(exporter, "_endpoint", name))
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends spans. Raises nothing."""
        try:
            result, reason = self._exporter.export(spans), ""
        except Exception as error:  # each exporter has its own
            result, reason = SpanExportResult.FAILURE, _why(error)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            self._problems.not_sent(self._address, reason)
        elif self._lost:
            self._problems.sent_again(self._address, self._lost)
            self._lost = 0
        return result

    def give_up(self, waited_s: float) -> None:
        """Tells that the last spans are not sent, because an exporter still tries after `waited_s` seconds."""
        self._problems.not_sent(self._address, otherwise=f"no answer within {waited_s:g} s")

    def shutdown(self) -> None:
        """Ends the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what the exporter keeps."""
        return self._exporter.force_flush(timeout_millis)


class _Problems(logging.Handler):
    """Takes what the SDK and the exporters log, and passes on lines of our own: one for each change of state."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._report = report
        self._told_at_s = float("-inf")
        self._reason = ""
        # The addresses that take no spans now.
        self._broken: set[str] = set()
        self._is_closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the reason of an exporter, and passes on one line of anything else, without its traceback."""
        if record.name.startswith(_EXPORTERS):
            self._reason = _reason_of(record) or self._reason
        elif not self._broken:
            self.tell(record.getMessage())

    def not_sent(self, address: str, reason: str = "", *, otherwise: str = "it gives no reason") -> None:
        """Tells that spans are not sent to the address, why, and what to do, unless it was told already.

        Without a `reason`, it is the last one that an exporter gave, or `otherwise`.
        """
        if self._is_closed or address in self._broken:
            return
        self._broken.add(address)
        self._report(
            f"traces are not sent to {_shown(address)}: {_shown(reason or self._reason or otherwise)}; spans are lost "
            "until it takes them, and jobs continue. Check the collector and the variables OTEL_EXPORTER_OTLP_…, or "
            "set OTEL_TRACES_EXPORTER=none"
        )

    def sent_again(self, address: str, lost: int) -> None:
        """Tells that spans are sent again."""
        self._broken.discard(address)
        self._reason = ""
        self._report(f"traces are sent to {_shown(address)} again; {lost} spans were lost")

    def tell(self, problem: str) -> None:
        """Passes on a problem unless another one was passed on in the last minute."""
        now_s = time.monotonic()
        if not self._is_closed and now_s - self._told_at_s >= _AGAIN_AFTER_S:
            self._told_at_s = now_s
            self._report(f"spans may be lost: {safe_line(redact(problem))}")

    def close(self) -> None:
        """Tells nothing from now on: a thread that was given up may still try."""
        self._is_closed = True
        super().close()


def _shown(text: str) -> str:
    return safe_line(redact(text))[:300]


def _reason_of(record: logging.LogRecord) -> str:
    """Returns why an exporter fails, in a few words; '' if the line does not say it."""
    given = record.args if isinstance(record.args, tuple) else ()
    errors = [each for each in (*given, *(record.exc_info or ())) if isinstance(each, BaseException)]
    if errors:
        return _why(errors[0])
    status = [str(each) for each in given if isinstance(each, int) and not isinstance(each, bool)]
    texts = [each for each in given if isinstance(each, str) and each != "spans"]
    return f"HTTP {' '.join([*status, *texts])}" if status else " ".join(texts)


def _why(error: BaseException) -> str:
    """Returns what lies below an error: libraries wrap it several times, and quote themselves each time."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if "Timeout" in type(each).__name__:
            return "no answer in time"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
        below = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting += [other for other in below if isinstance(other, BaseException)]
    return type(error).__name__


def _resource(service: str) -> Resource:
    """Returns what describes this process. What the variables say wins."""
    said = Resource.create().attributes
    own: dict[str, str | int] = {SERVICE_NAME: service, SERVICE_VERSION: version("raylane"), "process.pid": os.getpid()}
    if not str(said.get(SERVICE_NAME, "")).startswith("unknown_service"):
        del own[SERVICE_NAME]
    return Resource(own).merge(Resource({name: value for name, value in said.items() if name not in own}))


def _exporter(name: str, problems: _Problems) -> SpanExporter | None:
    """Returns an exporter; None, and tells why, if there is none or its variables are wrong."""
    if name == "console":
        # stdout belongs to the results of commands.
        return ConsoleSpanExporter(out=sys.stderr)
    name = entry_point_of(name)
    found = next(iter(entry_points(group=_GROUP, name=name)), None)
    if found is None:
        package = PACKAGES.get(name)
        hint = (
            f"pip install {package.install}"
            if package
            else "check OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_PROTOCOL"
        )
        problems.tell(f"there is no exporter {name}: {hint}")
        return None
    try:
        exporter: SpanExporter = found.load()()
    except Exception as error:  # each exporter has its own exceptions for wrong variables
        problems.tell(f"the exporter {name} does not start: {error}")
        return None
    return exporter
