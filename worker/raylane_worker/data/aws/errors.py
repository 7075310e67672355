"""Turns what AWS answers, or its client raises, into the errors of a service, which say what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from raylane_common.retry_after import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from raylane_common.errors import RaylaneError

Reason = Literal[
    "clock", "credentials", "denied", "encryption", "no_bucket", "not_ours", "region", "temporary", "throttled", "other"
]


@dataclass(frozen=True)
class Service:
    """An AWS service, and the errors that its failures become. `by_reason` has more exact ones for some of them."""

    name: Literal["s3", "glue", "sts"]
    unavailable: type[RaylaneError]
    rejected: type[RaylaneError]
    by_reason: Mapping[Reason, type[RaylaneError]] = field(default_factory=dict)


_CREDENTIALS_HINT: Final = (
    "set RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY, or give the worker a role or a profile"
)
_ENDPOINT_HINT: Final = "check RAYLANE_AWS__ENDPOINT_URL, RAYLANE_AWS__REGION and the network"
_REGION_HINT: Final = "set RAYLANE_AWS__REGION to the region of the bucket and the catalog"
_HINTS: Final[dict[Reason, str]] = {
    "clock": "correct the clock of the worker's machine",
    "credentials": _CREDENTIALS_HINT,
    "encryption": "check RAYLANE_STORAGE__KMS_KEY_ID: the key must exist, be enabled and be in the bucket's region",
    "no_bucket": "name another with RAYLANE_STORAGE__BUCKET, create it, or set RAYLANE_STORAGE__CREATE_BUCKET",
    "not_ours": "another account owns the bucket; name another with RAYLANE_STORAGE__BUCKET",
    "region": _REGION_HINT,
    "temporary": "try again later",
    "throttled": "try again later; if it lasts, let fewer jobs run at once",
    "other": _ENDPOINT_HINT,
}
_HINTS_OF_CODES: Final = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
        "the session token has expired; renew the worker's credentials: a role or profile, or new values of "
        "RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY",
    ),
    "InvalidBucketName": "correct RAYLANE_STORAGE__BUCKET",
    "InvalidObjectState": "the object is archived; restore it first",
    "NotImplemented": "this S3 server lacks what Raylane needs: conditional writes, and SHA-256 checksums",
}
_REASONS: Final[dict[str, Reason]] = {
    "AccessDenied": "denied",
    "AccessDeniedException": "denied",
    "AllAccessDisabled": "denied",
    "403": "denied",
    "NoSuchBucket": "no_bucket",
    "BucketAlreadyExists": "not_ours",
    "ExpiredToken": "credentials",
    "ExpiredTokenException": "credentials",
    "InvalidAccessKeyId": "credentials",
    "InvalidClientTokenId": "credentials",
    "InvalidSignatureException": "credentials",
    "InvalidToken": "credentials",
    "SignatureDoesNotMatch": "credentials",
    "TokenRefreshRequired": "credentials",
    "UnrecognizedClientException": "credentials",
    "AuthorizationHeaderMalformed": "region",
    "IllegalLocationConstraintException": "region",
    "IncorrectEndpoint": "region",
    "PermanentRedirect": "region",
    "301": "region",
    "RequestTimeTooSkewed": "clock",
    "RequestExpired": "clock",
    "RequestLimitExceeded": "throttled",
    "SlowDown": "throttled",
    "Throttling": "throttled",
    "ThrottlingException": "throttled",
    "TooManyRequestsException": "throttled",
    # These have status 400 or 409, but the same request may succeed later.
    "ConcurrentModificationException": "temporary",
    "ConditionalRequestConflict": "temporary",
    "OperationAborted": "temporary",
    "OperationTimeoutException": "temporary",
    "RequestTimeout": "temporary",
}
# The permission that an operation of S3 needs, if it is not called like the operation.
_PERMISSIONS: Final = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "ListParts": "s3:ListMultipartUploadParts",
    "UploadPart": "s3:PutObject",
}
# AWS names the permission in most refusals: "… is not authorized to perform: kms:GenerateDataKey on resource: …".
_NAMED_PERMISSION: Final = re.compile(r"not authorized to perform: ([A-Za-z0-9]+:[A-Za-z0-9*]+)")


class _Failure(NamedTuple):
    reason: Reason
    hint: str
    is_temporary: bool = False


def from_answer(service: Service, action: str, error: ClientError) -> RaylaneError:
    """Returns the error for an answer of the service. `action` completes "s3 refused to …"."""
    code, answer = error_code(error), error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    status, headers = metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {})
    failure = _failure(service, code, status, error, headers)
    details: dict[str, JsonValue] = {
        "service": service.name,
        "aws_code": code,
        "http_status": status,
        "reason": failure.reason,
    }
    default = service.unavailable if failure.is_temporary else service.rejected
    return service.by_reason.get(failure.reason, default)(
        f"{service.name} refused to {action}: {code}: {answer.get('Message', '')}; {failure.hint}",
        retry_after_s=parse_retry_after(headers.get("retry-after"), headers.get("date"))
        if failure.is_temporary
        else None,
        details=details,
    )


def from_client(service: Service, action: str, error: Exception) -> RaylaneError:
    """Returns the error for a request that could not be sent. `action` completes "cannot …"."""
    reason: Reason = "other"
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        reason = "credentials"
    # The client follows redirects to other regions, and some servers redirect without end.
    elif isinstance(error, NoRegionError | RecursionError):
        reason = "region"
    return service.by_reason.get(reason, service.rejected)(
        f"cannot {action}: {error}; {_HINTS[reason]}",
        details={"service": service.name, "cause": type(error).__name__, "reason": reason},
    )


def no_answer(service: Service, action: str, error: Exception, limit_s: float | None = None) -> RaylaneError:
    """Returns the error for a request without a usable answer, because of `limit_s` if that is given."""
    problem = type(error).__name__ if limit_s is None else f"more than {limit_s:g} s"
    return service.unavailable(
        f"no usable answer while trying to {action} ({problem}): {_ENDPOINT_HINT}",
        details={
            "service": service.name,
            "cause": type(error).__name__,
            "reason": "temporary",
        },
    )


def error_code(error: ClientError) -> str:
    """Returns the service's own error code, or the HTTP status if the answer has no body."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _failure(service: Service, code: str, status: int, error: ClientError, headers: Mapping[str, str]) -> _Failure:
    reason: Reason = "encryption" if code.startswith("KMS.") else _REASONS.get(code, _REASONS.get(str(status), "other"))
    if reason == "other" and status in (429, 503):
        reason = "throttled"
    # 501 means that the server will never do it.
    elif reason == "other" and status >= 500 and status != 501:
        reason = "temporary"
    if reason == "denied":
        return _Failure(reason, _denied_hint(service, error))
    if reason == "region":
        return _Failure(reason, _region_hint(error, headers))
    if reason == "clock":
        return _Failure(reason, _clock_hint(error))
    hint = _HINTS_OF_CODES.get(code, _HINTS[reason])
    return _Failure(reason, hint, is_temporary=reason in ("temporary", "throttled"))


def _denied_hint(service: Service, error: ClientError) -> str:
    named = _NAMED_PERMISSION.search(str(error.response.get("Error", {}).get("Message", "")))
    own = f"{service.name}:{error.operation_name}"
    permission = named[1] if named else _PERMISSIONS.get(error.operation_name, own) if service.name == "s3" else own
    hint = f"grant the worker's role or user the permission {permission}"
    if permission.startswith("kms:"):
        return f"{hint} on the key, or name another with RAYLANE_STORAGE__KMS_KEY_ID"
    if service.name == "s3" and named is None:
        return f"{hint}, and check that RAYLANE_STORAGE__BUCKET and RAYLANE_STORAGE__BUCKET_OWNER are right"
    return hint


def _region_hint(error: ClientError, headers: Mapping[str, str]) -> str:
    region = error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    return f"set RAYLANE_AWS__REGION to {region}, where the bucket is" if region else _REGION_HINT


def _clock_hint(error: ClientError) -> str:
    answer: Mapping[str, object] = error.response.get("Error", {})
    ours, theirs = answer.get("RequestTime"), answer.get("ServerTime")
    return f"{_HINTS['clock']}: it says {ours}, and the server's {theirs}" if ours and theirs else _HINTS["clock"]
