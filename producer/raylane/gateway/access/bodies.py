"""Limits the bodies of requests while they arrive, and refuses what two programs may read in two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

from raylane_common.errors import InvalidRequest, RequestTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Scope

    from raylane_common.settings import GatewaySettings

EndpointT = TypeVar("EndpointT", bound="Callable[..., Any]")  # Any: endpoints take and return what they like

_UPLOADS: Final[set[object]] = set()


def takes_uploads(endpoint: EndpointT) -> EndpointT:
    """Marks an endpoint whose body may have `gateway.max_upload_bytes`. It must not hold the whole body in memory."""
    _UPLOADS.add(endpoint)
    return endpoint


def check_framing(scope: Scope) -> None:
    """Raises `InvalidRequest` if a proxy may have seen another end of the body than this server does."""
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise InvalidRequest.field("Content-Length", "must not be sent together with Transfer-Encoding")


def check_encoding(scope: Scope) -> None:
    """Raises `InvalidRequest` if the address is not UTF-8. The server would put the same sign in place of each byte.

    So files with different names, as a client in another encoding writes them, would replace each other.
    """
    for name, written in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        try:
            unquote_to_bytes(written).decode()
        except UnicodeDecodeError as error:
            problem = "must be UTF-8 before it is percent-encoded; as the client wrote it, it is in another encoding"
            raise InvalidRequest.field(name, problem) from error


class BodyLimit:
    """The limit of one request's body."""

    def __init__(self, scope: Scope, settings: GatewaySettings) -> None:
        self._scope = scope
        self._settings = settings
        self._received = 0

    def __call__(self, message: Message) -> None:
        """Counts a piece of the body. Raises `RequestTooLarge`, before the rest is read.

        The router has chosen the endpoint by now, because it reads nothing before.
        """
        is_upload = self._scope.get("endpoint") in _UPLOADS
        most = self._settings.max_upload_bytes if is_upload else self._settings.max_body_bytes
        self._received += len(message.get("body", b""))
        if max(self._received, _announced(self._scope)) > most:
            name = "MAX_UPLOAD_BYTES" if is_upload else "MAX_BODY_BYTES"
            raise RequestTooLarge(
                f"the body of the request is larger than {most} bytes (RAYLANE_GATEWAY__{name})",
                details={"max_bytes": most},
            )


def _announced(scope: Scope) -> int:
    """Returns the announced length of the body; 0 if there is none, or if the server has not refused a wrong one."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) < 20:
            return int(value)
    return 0
