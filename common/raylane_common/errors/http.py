"""Errors of HTTP itself: a method or a format that the gateway does not have."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class HttpError(RaylaneError):
    """The gateway has no answer to a request of this form. Nothing was enqueued."""


class MethodNotAllowed(HttpError):
    """The address does not take this method; the header `Allow` lists those that it takes.

    What to do: use one of them.
    """

    code = "method_not_allowed"


class NotAcceptable(HttpError):
    """The answer cannot be given in any of the formats that the request accepts.

    What to do: name one of `details["available"]` in the header `Accept`.
    """

    code = "not_acceptable"


class UnsupportedMediaType(HttpError):
    """The body of the request has another type than the address takes.

    What to do: send what the message names, and say so in the header `Content-Type`.
    """

    code = "unsupported_media_type"
