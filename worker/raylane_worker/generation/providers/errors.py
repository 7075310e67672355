"""What a model's client raised, as one of our errors.

Ten clients have ten families of exceptions, most of them not installed: they are told by name and HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from raylane_common.errors import GenerationError, GenerationRefused, ModelMisconfigured, ModelUnavailable, RaylaneError
from raylane_common.retry_after import parse_retry_after

_SHOWN_CHARACTERS: Final = 300
_RETRYABLE_STATUS: Final = frozenset({408, 409, 424, 425, 429})
_SECRET_STATUS: Final = frozenset({401, 403})

_BROKEN_PATH: Final = frozenset(
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
# In the middle of a stream Bedrock names the error and has no status.
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
_LOOKS_SECRET: Final = re.compile(
    r"\b(?:sk|pk)-[\w-]{6,}|\bBearer\s+\S+|\b(?:AKIA|ASIA)[A-Z0-9]{8,}|[A-Za-z0-9+/=_]{32,}", re.IGNORECASE
)


def explain(error: Exception, hide: str | None = None) -> Exception:
    """The typed error for an exception of a model or its client; one that is not known is returned as it is.

    Throttling, deadlines, broken connections and 5xx are `ModelUnavailable`; credentials and other 4xx are
    `ModelMisconfigured`; an answer or a request that is too long is `GenerationRefused`. The service's own words
    are quoted, but not about credentials, and without `hide` (the key in use) and what looks like one.
    """
    while (inner := getattr(error, "original_exception", None)) is not None:  # strands wraps what a later turn raises
        error = inner
    if isinstance(error, RaylaneError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ModelThrottledException" in names:
        return ModelUnavailable(
            "the model's service throttles; try again later, or raise the account's quota",
            retry_after_s=_retry_after_s(error),
        )
    if "MaxTokensReachedException" in names:
        return GenerationRefused("the model's answer was cut off at its longest; ask for less in one request")
    if "ContextWindowOverflowException" in names:
        return GenerationRefused("the request and its sources do not fit the model's context window")
    if names & _NO_CREDENTIALS:
        return ModelMisconfigured(
            f"no usable AWS credentials for Bedrock ({type(error).__name__}): set RAYLANE_AWS__ACCESS_KEY_ID and "
            "RAYLANE_AWS__SECRET_ACCESS_KEY, or give the worker a role or a profile"
        )
    if names & _BROKEN_PATH:
        return ModelUnavailable(f"the model's service did not answer, or broke off ({type(error).__name__})")
    status, code = _answer(error)
    if status is None and code is None:
        return error
    return _refusal(error, status, code, _quote(error, hide))


def _answer(error: Exception) -> tuple[int | None, str | None]:
    """HTTP status and the service's code, where the exception has them."""
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
    """What the service's answer says of when to come back; strands keeps the client's exception as the cause."""
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


def _refusal(error: Exception, status: int | None, code: str | None, words: str) -> GenerationError:
    told = ", ".join(part for part in (code or type(error).__name__, f"HTTP {status}" if status else None) if part)
    if (code or "").lower() in _RETRYABLE_CODE or (
        status is not None and (status in _RETRYABLE_STATUS or status >= 500)
    ):
        return ModelUnavailable(f"the model's service cannot answer now ({told})", retry_after_s=_retry_after_s(error))
    if code == "AccessDeniedException":
        todo = "allow the worker's role bedrock:InvokeModelWithResponseStream on it, and enable it in this region"
        return ModelMisconfigured(f"no access to the model ({told}): {todo}: {words}")
    if status in _SECRET_STATUS:
        return ModelMisconfigured(
            f"the model's service refused the credentials ({told}): set RAYLANE_GENERATION__MODEL_API_KEY, or for "
            "Bedrock RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY"
        )
    return ModelMisconfigured(
        f"the model's service refused the request ({told}): check RAYLANE_GENERATION__MODEL, MODEL_REGION and "
        f"MODEL_ENDPOINT_URL: {words}"
    )


def _quote(error: Exception, hide: str | None) -> str:
    text = " ".join(str(error).split())
    if hide:
        text = text.replace(hide, "***")
    text = _LOOKS_SECRET.sub("***", text)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
