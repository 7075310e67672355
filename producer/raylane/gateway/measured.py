"""Counts and logs each request, and gives it an id that every line of its log and its answer have.

Pure ASGI, so that streams stay streams. See docs/decisions/0048.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from raylane.gateway.access.authentication import CALLER
from raylane.gateway.observed import METHODS, PROBES
from raylane_common.errors import MissingPackage
from raylane_common.logs import get_logger
from raylane_common.telemetry.definitions import (
    GATEWAY_AUDIT_LOST,
    GATEWAY_REQUESTS,
    GATEWAY_SECONDS,
    GATEWAY_STREAMS,
)
from raylane_common.telemetry.ids import bound
from raylane_common.telemetry.logs import FIELDS
from raylane_common.telemetry.metrics import NO_METRICS, Metrics, PrometheusMetrics, Reading
from raylane_common.telemetry.process import build, measure_lag
from raylane_common.telemetry.queue import QueueLook
from raylane_common.wire.base import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from raylane.gateway.access.audit import AuditTrail
    from raylane.operator import OperatorActions
    from raylane_common.settings import Settings

logger: Final = get_logger("raylane.gateway")

_HEADER: Final = b"x-request-id"
# Ids of other services are taken over, unless they could be something else.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UNMATCHED: Final = "unmatched"
# The client went away before the answer began. nginx logs the same number.
_NO_ANSWER: Final = 499
_LONGEST_PATH: Final = 200


class GatewayTelemetry:
    """The metrics of one gateway. They are off without the extra `[metrics]`."""

    def __init__(self, operator: Callable[[], OperatorActions], settings: Settings, audit: AuditTrail | None) -> None:
        """What `operator` returns is asked at the first scrape, when the producer is connected."""
        self.metrics: Metrics = NO_METRICS
        self.streams = 0
        self.look: QueueLook = QueueLook(
            lambda: operator().lanes(),
            lambda: operator().cluster_runs(),
            lambda: operator().ended_jobs(),
            places={lane.value: getattr(settings.lanes, lane.value).concurrency for lane in Lane},
            target_wait_s=settings.telemetry.target_wait_s,
        )
        with suppress(MissingPackage):
            self.metrics = PrometheusMetrics()
        self._audit = audit
        for source in (build, self.look.readings, self._readings):
            self.metrics.read(source)

    def _readings(self) -> Iterator[Reading]:
        yield Reading(GATEWAY_STREAMS, self.streams)
        yield Reading(GATEWAY_AUDIT_LOST, self._audit.lost if self._audit is not None else 0)


def add_telemetry(app: Starlette, telemetry: GatewayTelemetry) -> None:
    """Counts and logs the requests of the app, whose `state.telemetry` has the metrics."""
    app.state.telemetry = telemetry
    app.add_middleware(MeasuredRequests, telemetry=telemetry)


class MeasuredRequests:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, telemetry: GatewayTelemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, or the whole life of the server."""
        if scope["type"] == "lifespan" and self._telemetry.metrics is not NO_METRICS:
            lag = asyncio.create_task(measure_lag(self._telemetry.metrics), name="measure the lag of the event loop")
            try:
                await self._app(scope, receive, send)
            finally:
                lag.cancel()
        elif scope["type"] == "http":
            await _Exchange(scope, send, self._telemetry).run(self._app, receive)
        else:
            await self._app(scope, receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send, telemetry: GatewayTelemetry) -> None:
        self._scope = scope
        self._send = send
        self._telemetry = telemetry
        self._status = _NO_ANSWER
        self._is_stream = False
        self._request_id = _request_id(scope["headers"])

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        started_s = time.monotonic()
        with bound(request_id=self._request_id):
            try:
                await app(self._scope, receive, self._sending)
            except Exception:
                # The framework answers it, outside of this layer.
                self._status = 500 if self._status == _NO_ANSWER else self._status
                raise
            finally:
                self._telemetry.streams -= self._is_stream
                self._ended(time.monotonic() - started_s)

    async def _sending(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
            headers = list(message.get("headers", ()))
            if any(name.lower() == b"content-type" and b"text/event-stream" in value for name, value in headers):
                self._is_stream = True
                self._telemetry.streams += 1
            message = {**message, "headers": [*headers, (_HEADER, self._request_id.encode())]}
        await self._send(message)

    def _ended(self, elapsed_s: float) -> None:
        scope, metrics = self._scope, self._telemetry.metrics
        # Known once the request was routed.
        route = str(getattr(scope.get("route"), "path", _UNMATCHED))
        method = scope["method"] if scope["method"] in METHODS else "other"
        metrics.add(GATEWAY_REQUESTS, route, method, str(self._status))
        if not self._is_stream:
            metrics.observe(GATEWAY_SECONDS, elapsed_s, route, method)
        path = scope["path"][:_LONGEST_PATH]
        caller = scope.get(CALLER)
        fields: dict[str, Any] = {
            "method": method,
            "route": route,
            "path": path,
            "status": self._status,
            "seconds": round(elapsed_s, 6),
            "caller": None if caller is None else caller.name,
        }
        level = logging.DEBUG if scope["path"] in PROBES else logging.INFO
        logger.log(level, "%s %s: %d in %.3f s", method, path, self._status, elapsed_s, extra={FIELDS: fields})


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    given = [value.decode("latin-1") for name, value in headers if name.lower() == _HEADER]
    return given[0] if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else secrets.token_hex(8)
