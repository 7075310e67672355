"""Finds callers by JWTs: signed by one issuer, for this gateway, for a time. See docs/decisions/0044."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import jwt
from jwt.algorithms import has_crypto

from raylane.gateway.access.caller import Caller
from raylane.gateway.access.entries import prefixes
from raylane.gateway.access.jwks import Keys
from raylane.gateway.access.rights import Right
from raylane_common.errors import MissingPackage, Unauthenticated
from raylane_common.limits import SESSION_PREFIX_PATTERN
from raylane_common.safe_text import safe_line

if TYPE_CHECKING:
    from raylane_common.settings import GatewaySettings

# With a shared secret, whoever checks tokens could make them.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
# The base64 of `{"`, with which the header of every JWT begins.
_START: Final = "eyJ"
# Far above any token. A header of JSON that is nested a thousand times does not fit.
_MAX_LENGTH: Final = 8192
_MAX_NAME: Final = 200
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]
_UNREADABLE: Final = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


def looks_like_jwt(token: str) -> bool:
    """Returns whether the token has the form of a signed JWT."""
    return token.startswith(_START) and token.count(".") == 2


class WebTokens:
    """The callers whose JWTs the issuer of the settings has signed."""

    def __init__(self, settings: GatewaySettings, url: str) -> None:
        """`url` is where the issuer's keys are. Raises `MissingPackage` if signatures cannot be verified here."""
        if not has_crypto:
            raise MissingPackage("JWTs need the package cryptography: pip install 'raylane[gateway]'")
        self._settings = settings
        self._keys = Keys(url)

    async def caller_of(self, token: str) -> Caller:
        """Returns the caller whom the claims describe.

        Raises `Unauthenticated` if the token is not valid, and `KeysUnavailable` if that cannot be found out now.
        """
        if len(token) > _MAX_LENGTH:
            raise Unauthenticated(f"the token is longer than {_MAX_LENGTH} characters")
        try:
            header = jwt.get_unverified_header(token)
        except _UNREADABLE as error:
            raise Unauthenticated("the token is not a JWT") from error
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in ALGORITHMS:
            raise Unauthenticated(f"the token must be signed with one of {', '.join(ALGORITHMS)}")
        if kid is not None and not isinstance(kid, str):
            raise Unauthenticated("the token names its key by something other than text")
        return self._caller(self._claims(token, await self._keys.key(kid, algorithm), algorithm))

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, object]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=self._settings.jwt_leeway_s,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired; get a new one from its issuer") from error
        except _UNREADABLE as error:
            reason = str(error) if isinstance(error, jwt.PyJWTError) else "its claims cannot be read"
            raise Unauthenticated(f"the token is not valid here: {reason}") from error

    def _caller(self, claims: dict[str, object]) -> Caller:
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject.strip():
            raise Unauthenticated("the claim sub of the token must be text")
        words = self._words(claims, self._settings.jwt_rights_claim)
        # The issuer may know rights of other services.
        rights = frozenset(right for right in Right if right in words)
        name = safe_line(subject) if len(subject) <= _MAX_NAME else ""
        if not name:
            raise Unauthenticated(f"the claim sub of the token is longer than {_MAX_NAME} characters")
        return Caller(f"jwt:{name}", rights, self._prefixes(claims))

    def _prefixes(self, claims: dict[str, object]) -> tuple[str, ...]:
        claim = self._settings.jwt_sessions_claim
        words = self._words(claims, claim)
        if not all(re.fullmatch(SESSION_PREFIX_PATTERN, word) for word in words):
            raise Unauthenticated(f"the claim {claim} of the token must hold prefixes of session ids, or * for all")
        return prefixes(words)

    def _words(self, claims: dict[str, object], claim: str) -> tuple[str, ...]:
        """Returns the words of a claim, which is a list of text or one text; none without the claim."""
        value = claims.get(claim, [])
        words = value.split() if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise Unauthenticated(f"the claim {claim} of the token must be text, or a list of text")
        return tuple(words)
