"""Errors of the HTTP gateway: who may do what, how often, and how much at once."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class AccessError(RaylaneError):
    """The gateway refused the caller's request. Nothing was enqueued or read."""


class Unauthenticated(AccessError):
    """The request has no token, or one that the gateway does not know or that has expired.

    What to do: send `Authorization: Bearer TOKEN` with a token of the gateway.
    """

    code = "unauthenticated"


class Forbidden(AccessError):
    """The caller does not have the right that the request needs, or not for this session.

    What to do: use a token with the right that the message names, or ask the operator for it.
    """

    code = "forbidden"


class TooManyRequests(AccessError):
    """The caller makes more requests than it may, in a minute or at once. `details` holds `retry_after_s`.

    What to do: send the request again after that time.
    """

    code = "too_many_requests"
    retryable_by_default = True


class RequestTooLarge(AccessError):
    """The body of the request is larger than the gateway takes.

    What to do: upload a large file straight to S3, as `raylane upload` does, or raise the limit that the message names.
    """

    code = "request_too_large"


class RequestTimeout(AccessError):
    """The body of the request did not arrive: nothing of it came for a minute.

    What to do: send the request again over a better connection.
    """

    code = "request_timeout"
    retryable_by_default = True


class GatewayBusy(AccessError):
    """The bodies of the requests that the gateway serves now take all the memory that it gives to them.

    What to do: send the request again after `retry_after_s` (in `details`). The operator starts more gateways, or
    raises `RAYLANE_GATEWAY__MAX_BODIES_BYTES`.
    """

    code = "gateway_busy"
    retryable_by_default = True


class ForeignRequest(AccessError):
    """The request came through a name or a web page that the gateway does not serve.

    A gateway without tokens takes requests to a loopback name (`localhost`, `127.0.0.1`) only, and no writes from pages
    of other origins: such a page could reach it through the browser of somebody on this machine.

    What to do: use `http://127.0.0.1:PORT`; name the page's origin in `RAYLANE_GATEWAY__CORS_ORIGINS`; or set
    `RAYLANE_GATEWAY__TOKENS_FILE`, so that callers need a token.
    """

    code = "foreign_request"


class KeysUnavailable(AccessError):
    """The keys that sign JWTs cannot be read, so it is not known whether the token is right. Known keys still work.

    What to do: send the request again; the operator checks `RAYLANE_GATEWAY__JWKS_URL`.
    """

    code = "keys_unavailable"
    retryable_by_default = True
