"""Makes each call of S3 and Glue a span, with the names and attributes that OpenTelemetry has for AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from aiobotocore.session import AioSession, get_session
from botocore.exceptions import ClientError

from raylane_common.telemetry import tracing
from raylane_worker.data.aws.errors import error_code

if TYPE_CHECKING:
    from collections.abc import Mapping


def traced_session() -> AioSession:
    """Returns a session whose clients make spans. Without an exporter they cost a microsecond for each call."""
    session = get_session()
    # boto3 adds its own methods by the same event.
    session.register("creating-client-class", _add_spans)
    return session


def _add_spans(base_classes: list[type], **_: object) -> None:
    base_classes.insert(0, _TracedCalls)


class _Call(Protocol):
    """The one method of a client that each of its operations calls."""

    async def _make_api_call(self, operation_name: str, api_params: Mapping[str, object]) -> dict[str, Any]: ...


class _TracedCalls:
    """The first base class of a client."""

    meta: Any  # botocore ships no types

    async def _make_api_call(self, operation_name: str, api_params: Mapping[str, object]) -> dict[str, Any]:
        service = str(self.meta.service_model.service_id)
        attributes: dict[str, tracing.Value | None] = {
            "rpc.system": "aws-api",
            "rpc.service": service,
            "rpc.method": operation_name,
            "aws.s3.bucket": _text(api_params.get("Bucket")),
        }
        with tracing.span(f"{service}.{operation_name}", attributes, kind="client", detail=True) as span:
            # The name of a file is in it.
            span.set_content({"aws.s3.key": _text(api_params.get("Key"))})
            try:
                answer = await cast("_Call", super())._make_api_call(operation_name, api_params)
            except ClientError as error:
                span.set(_of_answer(error.response))
                span.failed(error_code(error), str(error))
                raise
            span.set(_of_answer(answer))
            return answer


def _of_answer(answer: Mapping[str, Any]) -> dict[str, tracing.Value | None]:
    metadata = answer.get("ResponseMetadata", {})
    return {
        "http.response.status_code": metadata.get("HTTPStatusCode"),
        "aws.request_id": metadata.get("RequestId"),
        "http.request.resend_count": metadata.get("RetryAttempts") or None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
