"""The public keys of an issuer of JWTs: fetched when they are needed, kept while they cannot be fetched."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

import aiohttp
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from raylane_common.errors import KeysUnavailable, Unauthenticated
from raylane_common.logs import get_logger

# So often at most, however many unknown keys tokens name; without any key, nobody can be let in, so it is tried sooner.
_PAUSE_S: Final = 60.0
_PAUSE_WITHOUT_KEYS_S: Final = 5.0
# After this time they are fetched again beside the requests, so that a key that was withdrawn is no longer accepted.
_FRESH_S: Final = 600.0
_TIMEOUT_S: Final = 5.0
_MAX_BYTES: Final = 1024 * 1024
# Packed keys could be much longer than they seem.
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_ASYMMETRIC: Final = ("RSA", "EC", "OKP")

_log: Final = get_logger(__name__)

Jwk = dict[str, object]


class Keys:
    """The keys behind one address. No request waits longer than five seconds for them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: list[Jwk] | None = None
        self._asked_s = float("-inf")
        self._problem: str | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._made: dict[tuple[str | None, str], PyJWK] = {}

    async def key(self, kid: str | None, algorithm: str) -> PyJWK:
        """Returns the key of this id for this algorithm. A token without an id means the only key that there is.

        Raises `Unauthenticated` if the issuer has no such key, and `KeysUnavailable` if that cannot be found out.
        """
        if self._find(kid) is None or self._age_s() > _FRESH_S:
            self._fetch_if_due()
        if self._find(kid) is None and self._fetching is not None:
            # The fetch is for all requests that wait for it, so it does not end with one of them.
            await asyncio.shield(self._fetching)
        found = self._find(kid)
        if found is not None:
            return self._usable(found, kid, algorithm)
        if self._problem is not None:
            raise KeysUnavailable(
                "the keys of the tokens' issuer cannot be read now; the log of the server says why",
                retry_after_s=max(1.0, self._pause_s() - self._age_s()),
            )
        named = "names no key" if kid is None else "is signed with a key that its issuer does not list"
        raise Unauthenticated(f"the token {named}")

    def _find(self, kid: str | None) -> Jwk | None:
        keys = self._keys or []
        if kid is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.get("kid") == kid), None)

    def _usable(self, jwk: Jwk, kid: str | None, algorithm: str) -> PyJWK:
        """Returns the key for the token's algorithm, which must fit the key: a token must not choose how it is read."""
        if (kid, algorithm) in self._made:
            return self._made[kid, algorithm]
        if jwk.get("alg", algorithm) != algorithm:
            raise Unauthenticated(f"the token is signed with {algorithm}, for which its key is not meant")
        try:
            key = PyJWK(jwk, algorithm)
        except (PyJWTError, ValueError, TypeError) as error:
            raise Unauthenticated(f"the token is signed with {algorithm}, which does not fit its key") from error
        self._made[kid, algorithm] = key
        return key

    def _age_s(self) -> float:
        return time.monotonic() - self._asked_s

    def _pause_s(self) -> float:
        return _PAUSE_S if self._keys is not None else _PAUSE_WITHOUT_KEYS_S

    def _fetch_if_due(self) -> None:
        if self._fetching is None and self._age_s() >= self._pause_s():
            self._asked_s = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            self._keys, self._problem = _signing_keys(await self._read()), None
            self._made.clear()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            self._problem = str(error) or type(error).__name__
            known = "; the known keys stay in use" if self._keys else ""
            _log.warning("cannot read the keys of JWTs at %s: %s%s", self._url, self._problem, known)
        finally:
            self._fetching = None

    async def _read(self) -> bytes:
        # No proxy or login of the environment, and no redirect: the keys come from the address that was set.
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), trust_env=False, auto_decompress=False
            ) as session,
            session.get(self._url, allow_redirects=False, headers=_HEADERS) as response,
        ):
            if response.status != 200:
                raise ValueError(f"it answers with status {response.status}")
            content = b""
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"the answer is longer than {_MAX_BYTES} bytes")
            return content


def _signing_keys(content: bytes) -> list[Jwk]:
    """Returns the keys that may sign. Raises `ValueError` if the content is no set of keys, or has no such key."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ValueError("the answer is not JSON") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the answer has no list of keys")
    keys = [key for key in listed if isinstance(key, dict) and _may_sign(key)]
    if not keys:
        raise ValueError("the answer has no public key for signatures")
    return keys


def _may_sign(key: Jwk) -> bool:
    return key.get("kty") in _ASYMMETRIC and key.get("use", "sig") == "sig"
