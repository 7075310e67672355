"""Limits the bodies of requests while they arrive, and refuses what two programs may read in two ways."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

from raylane_common.errors import InvalidRequest, RequestTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Scope

    from raylane.gateway.access.body_room import Place
    from raylane_common.settings import GatewaySettings

EndpointT = TypeVar("EndpointT", bound="Callable[..., Any]")  # Any: endpoints take and return what they like

# Headers with one value. Others are lists, which may come in pieces (RFC 9110, 5.3); `Authorization` is refused later.
_SINGLE: Final = {
    name.lower().encode(): name
    for name in (
        *("Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Host"),
        *("Idempotency-Key", "Last-Event-ID", "Origin"),
    )
}
_UPLOADS: Final[set[object]] = set()
# The connection has read as much before anybody asks for it. A question is never larger, so it never waits for room.
_UNCOUNTED_BYTES: Final = 64 * 1024


def takes_uploads(endpoint: EndpointT) -> EndpointT:
    """Marks an endpoint whose body may have `gateway.max_upload_bytes`. It must not hold the whole body in memory."""
    _UPLOADS.add(endpoint)
    return endpoint


def check_framing(scope: Scope) -> None:
    """Raises `InvalidRequest` if a proxy may have seen another end of the body, or another header, than we do."""
    names = Counter(name for name, _ in scope["headers"])
    if {b"content-length", b"transfer-encoding"} <= names.keys():
        raise InvalidRequest.field("Content-Length", "must not be sent together with Transfer-Encoding")
    for name, shown in _SINGLE.items():
        if names[name] > 1:
            raise InvalidRequest.field(shown, "must be sent once; which of them is meant, nobody knows")


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
    """The limit of one request's body, and its place in the memory for all bodies."""

    def __init__(self, scope: Scope, settings: GatewaySettings, place: Place, upload_bytes: int) -> None:
        """`upload_bytes` is what an endpoint of uploads holds at most, since it passes on what it has read."""
        self._scope = scope
        self._settings = settings
        self._place = place
        self._upload_bytes = upload_bytes
        self._received = 0

    async def before(self) -> None:
        """Waits until there is room for the body. Raises `RequestTooLarge` before it is read, and `GatewayBusy`.

        The router has chosen the endpoint by now, because it reads nothing before.
        """
        announced = announced_bytes(self._scope)
        self._check(announced)
        # How much comes without an announcement is not known, so it may be the most.
        size_bytes = announced if announced is not None else self._most
        if (self._received if announced is None else announced) > _UNCOUNTED_BYTES:
            await self._place.take(min(size_bytes, self._upload_bytes) if self._is_upload else size_bytes)

    def after(self, message: Message) -> None:
        """Counts a piece of the body. Raises `RequestTooLarge`, before the rest is read."""
        self._received += len(message.get("body", b""))
        self._check(self._received)

    @property
    def _is_upload(self) -> bool:
        return self._scope.get("endpoint") in _UPLOADS

    @property
    def _most(self) -> int:
        return self._settings.max_upload_bytes if self._is_upload else self._settings.max_body_bytes

    def _check(self, size_bytes: int | None) -> None:
        if size_bytes is not None and size_bytes > self._most:
            name = "MAX_UPLOAD_BYTES" if self._is_upload else "MAX_BODY_BYTES"
            raise RequestTooLarge(
                f"the body of the request is larger than {self._most} bytes (RAYLANE_GATEWAY__{name})",
                details={"max_bytes": self._most},
            )


def announced_bytes(scope: Scope) -> int | None:
    """Returns the announced length of the body; None if it comes in chunks of which nobody knows how many."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    value = headers.get(b"content-length", b"0")
    # The server has refused any other text already.
    return int(value) if value.isdigit() and len(value) < 20 else 0
