"""The three clients that are measured. Each asks for the version and returns the name of the address that answered.

`raylane` is our client with two addresses and default settings. `naive` does what the app that Raylane replaces did:
it uses requests, and tries the private address first at every call, with 5 s for each address. `aiohttp` does the same
with one aiohttp session, which reuses connections; its 5 s are up to 6, since aiohttp rounds them up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, Self

import aiohttp
import requests
from pydantic import SecretStr

from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from tests.bench.ray.cases import AIOHTTP, NAIVE, OURS, TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable

PATH: Final = "/api/version"


class Client(Protocol):
    """A client of one cluster, as an async context manager. It opens no connection before its first call."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def version(self) -> str:
        """Returns the name of the address that answered. Raises what the client raises if none did."""


class Ours:
    """`RayClient`."""

    def __init__(self, private: str, public: str | None) -> None:
        self._client = RayClient(settings(private, public))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def version(self) -> str:
        return (await self._client.version()).endpoint


class Aiohttp:
    """One session, and no memory of broken addresses."""

    def __init__(self, private: str, public: str | None) -> None:
        self._addresses = _named(private, public)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def version(self) -> str:
        for name, url in self._addresses.items():
            try:
                async with self._session.get(url + PATH) as response:
                    if response.status == 200:
                        await response.json()
                        return name
            except (aiohttp.ClientError, TimeoutError):
                continue
        raise ConnectionError("no address answered")


class Naive:
    """A new connection for every call, which blocks the event loop, as in that app."""

    def __init__(self, private: str, public: str | None) -> None:
        self._addresses = _named(private, public)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def version(self) -> str:
        for name, url in self._addresses.items():
            if _ask(url):
                return name
        raise ConnectionError("no address answered")


BY_NAME: Final[dict[str, Callable[[str, str | None], Client]]] = {OURS: Ours, AIOHTTP: Aiohttp, NAIVE: Naive}


def settings(private: str, public: str | None = None, token: str | None = None) -> RaySettings:
    """Returns settings with these addresses and all defaults."""
    return RaySettings(
        private_url=private,
        public_url=public,
        token=SecretStr(token) if token is not None else None,
        # The benchmark's public address is one of its own network and never leaves this machine.
        allow_insecure_public=True,
    )


def _ask(url: str) -> bool:
    try:
        response = requests.get(url + PATH, timeout=TIMEOUT_S)
    except requests.RequestException:
        return False
    if response.status_code == 200:
        response.json()
    return response.status_code == 200


def _named(private: str, public: str | None) -> dict[str, str]:
    return {"private": private} | ({"public": public} if public is not None else {})
