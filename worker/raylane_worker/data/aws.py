"""What S3 and Glue share: the arguments of a client, the time limit of a call, and the conversion of AWS errors."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from aiobotocore.config import AioConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.errors import RaylaneError
    from raylane_common.settings import AwsSettings

# With botocore's default of 10, the jobs of one lane would wait for each other.
_POOL_CONNECTIONS: Final = 50
# Opening a client does not call the service, but fetching a role's credentials may take several tries.
OPEN_S: Final = 30.0
_CREDENTIALS_HINT: Final = (
    "set RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY, or give the worker a role or a profile"
)
_PERMISSION_HINT: Final = "grant the worker's role or user this permission"
_ENDPOINT_HINT: Final = "check RAYLANE_AWS__ENDPOINT_URL, RAYLANE_AWS__REGION and the network"
_REGION_HINT: Final = "set RAYLANE_AWS__REGION to the region of the bucket and the catalog"
_HINTS: Final = {
    "NoSuchBucket": "name another with RAYLANE_STORAGE__BUCKET, create it, or set RAYLANE_STORAGE__CREATE_BUCKET",
    "BucketAlreadyExists": "another account owns it; name another with RAYLANE_STORAGE__BUCKET",
    "InvalidBucketName": "correct RAYLANE_STORAGE__BUCKET",
    "AccessDenied": _PERMISSION_HINT,
    "AccessDeniedException": _PERMISSION_HINT,
    "403": _PERMISSION_HINT,
    "InvalidAccessKeyId": _CREDENTIALS_HINT,
    "InvalidClientTokenId": _CREDENTIALS_HINT,
    "UnrecognizedClientException": _CREDENTIALS_HINT,
    "SignatureDoesNotMatch": _CREDENTIALS_HINT,
    "InvalidSignatureException": _CREDENTIALS_HINT,
    "ExpiredToken": _CREDENTIALS_HINT,
    "ExpiredTokenException": _CREDENTIALS_HINT,
    "AuthorizationHeaderMalformed": _REGION_HINT,
    "IllegalLocationConstraintException": _REGION_HINT,
    "PermanentRedirect": _REGION_HINT,
    "RequestTimeTooSkewed": "correct the clock of the worker's machine",
}
# These have status 400 or 409, but the same request may succeed later.
_TEMPORARY: Final = frozenset(
    {
        "ConcurrentModificationException",
        "OperationAborted",
        "OperationTimeoutException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


@dataclass(frozen=True)
class Service:
    """An AWS service, and the errors that its failures become."""

    name: Literal["s3", "glue"]
    unavailable: type[RaylaneError]
    rejected: type[RaylaneError]


class ClientArguments(TypedDict):
    """The arguments of `create_client` after the service's name."""

    region_name: str | None
    endpoint_url: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    config: AioConfig


def client_arguments(aws: AwsSettings) -> ClientArguments:
    """Returns the settings as aiobotocore takes them."""
    return ClientArguments(
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
        config=AioConfig(
            connect_timeout=aws.connect_timeout_s,
            read_timeout=aws.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": aws.max_tries},
            max_pool_connections=_POOL_CONNECTIONS,
            # Most other S3 servers do not give each bucket its own host name.
            s3={"addressing_style": "path" if aws.endpoint_url else "auto"},
            # Loads the service descriptions in a thread, because megabytes of JSON would block the loop.
            warm_up_loader_caches=True,
        ),
    )


def deadline_s(aws: AwsSettings) -> float:
    """Returns the time limit of one operation with all its tries, in seconds.

    It also limits the parts of an operation that have no timeout of their own.
    """
    return aws.max_tries * (aws.connect_timeout_s + aws.read_timeout_s)


@asynccontextmanager
async def aws_call(service: Service, action: str, limit_s: float) -> AsyncIterator[None]:
    """Turns what the AWS client raises inside the block into one of the two errors of `service`.

    `action` completes "cannot …" in the message. No answer within `limit_s` seconds, a broken connection, throttling
    and 5xx become `unavailable`; everything else becomes `rejected`.
    """
    try:
        async with asyncio.timeout(limit_s):
            yield
    except ClientError as error:
        raise _from_answer(service, action, error) from error
    except (AwsConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, TimeoutError) as error:
        raise service.unavailable(
            f"no usable answer while trying to {action} ({type(error).__name__}): {_ENDPOINT_HINT}",
            details={"service": service.name, "cause": type(error).__name__},
        ) from error
    # botocore raises a plain ValueError if the endpoint is not a URL.
    except (BotoCoreError, ValueError) as error:
        raise service.rejected(
            f"cannot {action}: {error}; {_hint(error)}",
            details={"service": service.name, "cause": type(error).__name__},
        ) from error


def error_code(error: ClientError) -> str:
    """Returns the service's own error code, or the HTTP status if the answer has no body."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _from_answer(service: Service, action: str, error: ClientError) -> RaylaneError:
    code, answer = error_code(error), error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_temporary = code in _TEMPORARY or status >= 500 or status == 429
    hint = "try again later" if is_temporary else _HINTS.get(code, _ENDPOINT_HINT)
    return (service.unavailable if is_temporary else service.rejected)(
        f"{service.name} refused to {action}: {code}: {answer.get('Message', '')}; {hint}",
        details={"service": service.name, "aws_code": code, "http_status": status},
    )


def _hint(error: Exception) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return _CREDENTIALS_HINT
    return _REGION_HINT if isinstance(error, NoRegionError) else _ENDPOINT_HINT
