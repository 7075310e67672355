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
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from raylane_common.safe_text import safe_line
from raylane_common.secrets import redact
from raylane_common.telemetry.sending import PACKAGES, entry_point_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace.export import SpanExporter

_GROUP: Final = "opentelemetry_traces_exporter"
# An outage of the collector is one line a minute.
_AGAIN_AFTER_S: Final = 60.0


class Sending:
    """The spans of this process on their way to the exporters."""

    def __init__(self, provider: TracerProvider | None, problems: _Problems) -> None:
        self._provider = provider
        self._problems = problems

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
        for name in exporters:
            exporter = _exporter(name, problems)
            if exporter is not None:
                provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        return cls(provider, problems)

    def stop(self, flush_s: float) -> None:
        """Sends what is left, for up to `flush_s` seconds, and records no more spans."""
        if self._provider is None:
            return
        # Its thread is given up if it takes longer: an exporter tries again for up to a minute.
        flushing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        flushing.start()
        flushing.join(flush_s)
        if flushing.is_alive():
            self._problems.tell(f"the last spans could not be sent within {flush_s:g} s")


class _Problems(logging.Handler):
    """Takes what the SDK logs, and passes on the first problem of each minute."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._report = report
        self._told_at_s = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Passes on one line, without its traceback."""
        self.tell(record.getMessage())

    def tell(self, problem: str) -> None:
        """Passes on a problem unless another one was passed on in the last minute."""
        now_s = time.monotonic()
        if now_s - self._told_at_s >= _AGAIN_AFTER_S:
            self._told_at_s = now_s
            self._report(f"spans may be lost: {safe_line(redact(problem))}")


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
