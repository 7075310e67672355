"""Keeps a gateway without tokens to this machine: where it may listen, and which requests a browser may have sent.

A page of any site can make a browser send requests to 127.0.0.1, and with a name that it resolves to 127.0.0.1 it can
read the answers too ("DNS rebinding"). The `Host` and `Origin` of such requests tell. See docs/decisions/0044.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.errors import ForeignRequest, InvalidRequest
from raylane_common.settings.gateway import is_loopback

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from raylane_common.settings import GatewaySettings

# A name, or an IPv6 address in brackets, and a port.
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]*)?")
READING_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""


def check_listening(settings: GatewaySettings) -> None:
    """Raises `InvalidRequest` if everybody could reach a gateway that asks for no token."""
    if settings.authenticates:
        return
    if not is_loopback(settings.host):
        raise InvalidRequest.field(
            "gateway.host",
            f"must be a loopback address such as 127.0.0.1, not {settings.host or 'all addresses'}, because the "
            "gateway asks for no token; to listen elsewhere, set RAYLANE_GATEWAY__TOKENS_FILE or "
            "RAYLANE_GATEWAY__JWKS_URL",
        )
    if "*" in settings.cors_origins:
        raise InvalidRequest.field(
            "gateway.cors_origins",
            "must name the origins, because the gateway asks for no token: with *, every page could use it",
        )


class ForeignRequests:
    """Refuses what web pages of other origins may have sent to a gateway without tokens."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._applies = not settings.authenticates
        self._origins = frozenset(origin.lower() for origin in settings.cors_origins)

    def check(self, connection: HTTPConnection) -> None:
        """Raises `ForeignRequest` if the request came from elsewhere, through a foreign name, or wrote from a page.

        It comes from elsewhere also if a proxy on this machine says so. A page of the gateway's own origin, or of one
        that the settings name, may write.
        """
        if not self._applies:
            return
        if connection.client is not None and not is_loopback(connection.client.host):
            raise ForeignRequest(
                "this gateway has no tokens, so it takes requests of this machine only; "
                "set RAYLANE_GATEWAY__TOKENS_FILE to let others in"
            )
        hosts = connection.headers.getlist("host")
        host = hosts[0].strip().lower() if len(hosts) == 1 else ""
        if not is_loopback(_name_of(host)):
            raise ForeignRequest(
                f"this gateway has no tokens, so it takes requests to a loopback name only, not to {host or 'none'}; "
                "use http://127.0.0.1"
            )
        if connection.scope["method"] in READING_METHODS:
            return
        for origin in connection.headers.getlist("origin"):
            own = f"{connection.scope['scheme']}://{host}"
            if origin.strip().lower() not in {own, *self._origins}:
                raise ForeignRequest(
                    f"pages of {origin} may not change anything here; name the origin in RAYLANE_GATEWAY__CORS_ORIGINS"
                )


def _name_of(host: str) -> str:
    """Returns a `Host` without its port, and without the brackets of an IPv6 address."""
    found = _HOST.fullmatch(host)
    return found[1] or found[2] if found else ""
