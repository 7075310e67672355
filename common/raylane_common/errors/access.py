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
