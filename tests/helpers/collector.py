"""A collector of OpenTelemetry over real HTTP (OTLP, protobuf), which keeps the spans that it gets."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_KINDS = {number: name.removeprefix("SPAN_KIND_").lower() for name, number in trace_pb2.Span.SpanKind.items()}


@dataclass(frozen=True)
class Received:
    """One span. `parent_id` is '' for the first one of a trace."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: tuple[str, ...]
    links: tuple[str, ...]
    failed: bool
    text: str
    """Everything in the span, to look for what must not be there."""


@dataclass
class Collector:
    """A server for `async with`. It answers with `status`."""

    status: int = 200
    url: str = ""
    spans: list[Received] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def env(self) -> dict[str, str]:
        """The variables of a process that sends its spans here, a tenth of a second after their end."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def trace(self, trace_id: str) -> list[Received]:
        """Returns the spans of a trace so far, in the order of their ends."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def whole(self, trace_id: str, root_id: str, *names: str) -> list[Received]:
        """Returns the trace once it has spans with all of these names, and everything above them up to the root."""

        def is_whole() -> bool:
            spans = self.trace(trace_id)
            ids = {root_id, *(span.span_id for span in spans)}
            return {*names} <= {span.name for span in spans} and all(span.parent_id in ids for span in spans)

        await until(is_whole)
        return self.trace(trace_id)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.status == 200:
            self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        return web.Response(status=self.status)


def chain(spans: Iterable[Received], name: str) -> list[str]:
    """Returns the names of the only span called `name` and of all above it, which must be there, the first one last."""
    by_id = {span.span_id: span for span in spans}
    [found] = [span for span in by_id.values() if span.name == name]
    names = [found.name]
    while found.parent_id in by_id:
        found = by_id[found.parent_id]
        names.append(found.name)
    return names


def _spans(request: ExportTraceServiceRequest) -> list[Received]:
    found = []
    for resource in request.resource_spans:
        service = str(_attributes(resource.resource.attributes).get("service.name", ""))
        for scope in resource.scope_spans:
            found += [_received(service, span) for span in scope.spans]
    return found


def _received(service: str, span: trace_pb2.Span) -> Received:
    return Received(
        service,
        span.name,
        _KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _attributes(span.attributes),
        tuple(event.name for event in span.events),
        tuple(link.span_id.hex() for link in span.links),
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        str(span),
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
