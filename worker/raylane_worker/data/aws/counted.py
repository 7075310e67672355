"""Counts the operations of an AWS client, and the bytes that it sends to S3."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from raylane_common.telemetry.definitions import AWS_REQUESTS, S3_SENT
from raylane_common.telemetry.metrics import NO_METRICS

if TYPE_CHECKING:
    from raylane_common.telemetry.metrics import Metrics

# The client keeps this for each call, and passes it to each of its events.
_BYTES: Final = "raylane_sent_bytes"
_SERVICES: Final = ("s3", "glue")
_OUTCOMES: Final = {404: "not_found", 409: "conflict", 412: "conflict", 429: "throttled", 503: "throttled"}


def count_calls(client: Any, metrics: Metrics) -> None:  # botocore ships no types
    """Counts each operation of the client once, with all its tries. One that is cancelled is not counted."""
    if metrics is NO_METRICS:
        return
    service = str(client.meta.service_model.service_id).lower()
    assert service in _SERVICES

    def before(params: dict[str, Any], model: Any, context: dict[str, Any], **_: object) -> None:
        # Bytes of an object are a file by now. Other bodies are lists of parts, and the like.
        body = params.get("body") if model.has_streaming_input else None
        context[_BYTES] = body.getbuffer().nbytes if isinstance(body, BytesIO) else 0

    def after(http_response: Any, model: Any, context: dict[str, Any], **_: object) -> None:
        status = int(http_response.status_code)
        metrics.add(AWS_REQUESTS, service, model.name, _outcome(status))
        if status < 300 and (sent := context.get(_BYTES, 0)):
            metrics.add(S3_SENT, model.name, by=sent)

    def failed(event_name: str, **_: object) -> None:
        metrics.add(AWS_REQUESTS, service, event_name.rpartition(".")[2], "failed")

    events = client.meta.events
    for event, listener in (("before-call", before), ("after-call", after), ("after-call-error", failed)):
        events.register(event, listener)


def _outcome(status: int) -> str:
    if status < 300:
        return "ok"
    return _OUTCOMES.get(status, "failed" if status >= 500 else "refused")
