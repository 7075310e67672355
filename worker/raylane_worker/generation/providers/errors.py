"""Turns an exception of a model's client into a typed error.

Every client has its own exceptions, and most clients are not installed. So exceptions are recognised by class name,
HTTP status and error code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raylane_common.errors import GenerationError, GenerationRefused, ModelMisconfigured, ModelUnavailable, RaylaneError
from raylane_common.retry_after import parse_retry_after
from raylane_common.secrets import redact_suspects

# The reason is at the beginning. Some services append the whole request.
_MAX_QUOTED_CHARACTERS: Final = 300
# Besides 5xx: timeouts, conflicts, too many requests, and Bedrock's 424 for a model that failed.
_RETRYABLE_STATUS: Final = frozenset({408, 409, 424, 425, 429})
_CREDENTIALS_STATUS: Final = frozenset({401, 403})

_CONNECTION_FAILURES: Final = frozenset(
    {
        "APIConnectionError",  # openai, anthropic, writer
        "ClientConnectionError",  # aiohttp
        "ClientPayloadError",  # aiohttp
        "ConnectionError",  # Python, botocore
        "HTTPClientError",  # botocore
        "ParserError",  # botocore: a broken event stream
        "ProtocolError",  # urllib3
        "TimeoutError",  # Python, urllib3
        "TransportError",  # httpx
    }
)
_NO_CREDENTIALS: Final = frozenset(
    {
        "CredentialRetrievalError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "SSOError",
        "TokenRetrievalError",
    }
)
# Within a stream, Bedrock sends a code without an HTTP status.
_RETRYABLE_CODE: Final = frozenset(
    {
        "internalserverexception",
        "modelerrorexception",
        "modelnotreadyexception",
        "modelstreamerrorexception",
        "modeltimeoutexception",
        "serviceunavailableexception",
        "throttlingexception",
        "toomanyrequestsexception",
    }
)


def explain(error: Exception, hide: str | None = None) -> Exception:
    """Returns the typed error for an exception of a model or its client; an unknown exception is returned unchanged.

    Throttling, timeouts, broken connections and HTTP 5xx become `ModelUnavailable`; credentials and other HTTP 4xx
    become `ModelMisconfigured`; an answer or a request that is too long becomes `GenerationRefused`. The message quotes
    the service, except about credentials, and never contains `hide` (the key in use) or what looks like a credential.
    """
    while (inner := getattr(error, "original_exception", None)) is not None:  # strands wraps exceptions of later turns
        error = inner
    if isinstance(error, RaylaneError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ModelThrottledException" in names:
        return ModelUnavailable(
            "the model's service throttles requests; try again later, or raise the account's quota",
            retry_after_s=_retry_after_s(error),
        )
    if "MaxTokensReachedException" in names:
        return GenerationRefused(
            "the model's answer reached its maximum length and was cut off; ask for less in one request"
        )
    if "ContextWindowOverflowException" in names:
        return GenerationRefused("the request and its sources do not fit the model's context window")
    if names & _NO_CREDENTIALS:
        return ModelMisconfigured(
            f"no usable AWS credentials for Bedrock ({type(error).__name__}): set RAYLANE_AWS__ACCESS_KEY_ID and "
            "RAYLANE_AWS__SECRET_ACCESS_KEY, or give the worker a role or a profile"
        )
    if names & _CONNECTION_FAILURES:
        return ModelUnavailable(f"the model's service did not answer or closed the connection ({type(error).__name__})")
    status, code = _status_and_code(error)
    if status is None and code is None:
        return error
    return _refusal(error, status, code, _quote(error, hide))


def _status_and_code(error: Exception) -> tuple[int | None, str | None]:
    """Returns the HTTP status and the service's error code, each None if the exception does not have it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status, response.get("Error", {}).get("Code")
    for candidate in (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "code", None),
    ):
        if isinstance(candidate, int):
            return candidate, None
    return None, None


def _retry_after_s(error: Exception) -> float | None:
    """Returns the pause that the service asks for. It may be in the cause: strands wraps the client's exception."""
    for candidate in (error, error.__cause__):
        response = getattr(candidate, "response", None)
        if isinstance(response, dict):
            headers = response.get("ResponseMetadata", {}).get("HTTPHeaders")
        else:
            headers = getattr(response, "headers", None)
        if isinstance(headers, Mapping):
            values = {str(name).lower(): str(value) for name, value in headers.items()}
            return parse_retry_after(values.get("retry-after"), values.get("date"))
    return None


def _refusal(error: Exception, status: int | None, code: str | None, quoted: str) -> GenerationError:
    reason = ", ".join(part for part in (code or type(error).__name__, f"HTTP {status}" if status else None) if part)
    if (code or "").lower() in _RETRYABLE_CODE or (
        status is not None and (status in _RETRYABLE_STATUS or status >= 500)
    ):
        return ModelUnavailable(
            f"the model's service cannot answer now ({reason})", retry_after_s=_retry_after_s(error)
        )
    if code == "AccessDeniedException":
        todo = "allow the worker's role bedrock:InvokeModelWithResponseStream on it, and enable it in this region"
        return ModelMisconfigured(f"no access to the model ({reason}): {todo}: {quoted}")
    if status in _CREDENTIALS_STATUS:
        return ModelMisconfigured(
            f"the model's service refused the credentials ({reason}): set RAYLANE_GENERATION__MODEL_API_KEY, or for "
            "Bedrock RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY"
        )
    return ModelMisconfigured(
        f"the model's service refused the request ({reason}): check RAYLANE_GENERATION__MODEL, "
        f"RAYLANE_GENERATION__MODEL_REGION and RAYLANE_GENERATION__MODEL_ENDPOINT_URL: {quoted}"
    )


def _quote(error: Exception, hide: str | None) -> str:
    text = " ".join(str(error).split())
    if hide:
        text = text.replace(hide, "***")
    text = redact_suspects(text)
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else text[:_MAX_QUOTED_CHARACTERS] + "…"
