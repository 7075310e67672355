"""What S3 and Glue share: the client's settings, a deadline over every call, and AWS's errors as ours."""

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

_POOL: Final = 50  # botocore's 10 would make the jobs of one lane wait for each other
OPEN_S: Final = 30.0  # a client opens without the service; what may take time is a role's credentials
_CREDENTIALS_HINT: Final = (
    "set RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY, or give the worker a role or a profile"
)
_PERMISSION_HINT: Final = "allow it to the worker's role or user"
_ENDPOINT_HINT: Final = "check RAYLANE_AWS__ENDPOINT_URL, RAYLANE_AWS__REGION and the network"
_REGION_HINT: Final = "set RAYLANE_AWS__REGION to the region of the bucket and the catalog"
_HINTS: Final = {
    "NoSuchBucket": "name another with RAYLANE_STORAGE__BUCKET, create it, or set RAYLANE_STORAGE__CREATE_BUCKET",
    "BucketAlreadyExists": "it belongs to somebody else; name another with RAYLANE_STORAGE__BUCKET",
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
    "RequestTimeTooSkewed": "set the worker's clock",
}
_TRY_AGAIN: Final = frozenset(
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
    """What `create_client` is given besides the service's name."""

    region_name: str | None
    endpoint_url: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    config: AioConfig


def client_arguments(aws: AwsSettings) -> ClientArguments:
    """The settings as aiobotocore takes them."""
    return ClientArguments(
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
        config=AioConfig(
            connect_timeout=aws.connect_timeout_s,
            read_timeout=aws.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": aws.max_tries},
            max_pool_connections=_POOL,
            # Other S3 servers seldom have a host name for every bucket.
            s3={"addressing_style": "path" if aws.endpoint_url else "auto"},
            # Reads the service descriptions in a thread, megabytes of JSON that would stop the loop.
            warm_up_loader_caches=True,
        ),
    )


def deadline_s(aws: AwsSettings) -> float:
    """The longest that one operation may take with all its tries, also where no single timeout would end it."""
    return aws.max_tries * (aws.connect_timeout_s + aws.read_timeout_s)


@asynccontextmanager
async def aws_call(service: Service, doing: str, limit_s: float) -> AsyncIterator[None]:
    """Turns what the AWS client raises inside the block into the service's two errors, saying what was being done.

    No answer within `limit_s` seconds, a broken connection, throttling and 5xx are `unavailable`; the rest `rejected`.
    """
    try:
        async with asyncio.timeout(limit_s):
            yield
    except ClientError as error:
        raise _from_answer(service, doing, error) from error
    except (AwsConnectionError, HTTPClientError, ResponseParserError, TimeoutError) as error:
        raise service.unavailable(
            f"no usable answer while trying to {doing} ({type(error).__name__}): {_ENDPOINT_HINT}",
            details={"service": service.name, "cause": type(error).__name__},
        ) from error
    # botocore raises a bare ValueError for an endpoint that is no URL.
    except (BotoCoreError, ValueError) as error:
        raise service.rejected(
            f"cannot {doing}: {error}; {_hint(error)}",
            details={"service": service.name, "cause": type(error).__name__},
        ) from error


def error_code(error: ClientError) -> str:
    """The service's own name for what went wrong; for an answer without a body, its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _from_answer(service: Service, doing: str, error: ClientError) -> RaylaneError:
    code, answer = error_code(error), error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    again = code in _TRY_AGAIN or status >= 500 or status == 429
    hint = "it asks to be tried again" if again else _HINTS.get(code, _ENDPOINT_HINT)
    return (service.unavailable if again else service.rejected)(
        f"{service.name} refused to {doing}: {code}: {answer.get('Message', '')}; {hint}",
        details={"service": service.name, "aws_code": code, "http_status": status},
    )


def _hint(error: Exception) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return _CREDENTIALS_HINT
    return _REGION_HINT if isinstance(error, NoRegionError) else _ENDPOINT_HINT
