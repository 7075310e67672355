"""Finds the caller of a request by its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.gateway.access.caller import ANYONE, Caller
from raylane.gateway.access.tokens import Tokens
from raylane_common.errors import MissingPackage, Unauthenticated

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from raylane.gateway.access.web_tokens import WebTokens
    from raylane_common.settings import GatewaySettings

# Where the middleware leaves the caller in the ASGI scope of a request; None if the request needs none.
CALLER: Final = "raylane.caller"
_HOW: Final = "send a bearer token in the Authorization header"


class Authentication:
    """Knows the callers of one gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Raises `InvalidRequest` if the file of callers is wrong, and `MissingPackage` if JWTs cannot be verified."""
        self._open = not settings.authenticates
        self._tokens = None if settings.tokens_file is None else Tokens(settings.tokens_file)
        self._jwts = None if settings.jwks_url is None else _web_tokens(settings, settings.jwks_url)

    @property
    def is_open(self) -> bool:
        """Whether callers need no token."""
        return self._open

    async def caller_of(self, connection: HTTPConnection) -> Caller:
        """Returns who sends the request. Raises `Unauthenticated`; `KeysUnavailable` if that cannot be found out."""
        if self._open:
            return ANYONE
        known = connection.scope.get(CALLER)
        if isinstance(known, Caller):
            return known
        if CALLER in connection.scope:
            # Nobody counts wrong tokens here, so none is looked at.
            raise Unauthenticated(f"this needs a caller, and the request has no token; {_HOW}")
        return await self.holder_of(bearer_token(connection))

    async def caller_now(self, connection: HTTPConnection) -> Caller:
        """Returns who sends a request, whose token was right at its beginning. Raises what `caller_of` raises."""
        return await (self.caller_of(connection) if self._open else self.holder_of(bearer_token(connection)))

    async def holder_of(self, token: str) -> Caller:
        """Returns whose token this is. Raises what `caller_of` raises."""
        found = await self._tokens.caller_of(token) if self._tokens is not None else None
        if found is not None:
            return found
        if self._jwts is not None:
            from raylane.gateway.access.web_tokens import looks_like_jwt

            if looks_like_jwt(token):
                return await self._jwts.caller_of(token)
        raise Unauthenticated("the gateway does not know this token; ask the operator for one")


def bearer_token(connection: HTTPConnection) -> str:
    """Returns the token in the header of the request. Raises `Unauthenticated` if there is none, or not just one."""
    headers = connection.headers.getlist("authorization")
    if not headers:
        raise Unauthenticated(f"the request has no token; {_HOW}")
    if len(headers) > 1:
        raise Unauthenticated(f"the request has more than one Authorization header; {_HOW}")
    scheme, _, token = headers[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(f"the Authorization header has no bearer token; {_HOW}")
    return token.strip()


def _web_tokens(settings: GatewaySettings, url: str) -> WebTokens:
    try:
        from raylane.gateway.access.web_tokens import WebTokens
    except ImportError as error:
        raise MissingPackage("JWTs need more packages: pip install 'raylane[gateway]'") from error
    return WebTokens(settings, url)
