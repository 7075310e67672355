"""Looks at each address of the cluster by itself: what answers there, how fast, and whether it takes the token.

The client only knows the addresses that it needed. This asks all of them at once, and changes nothing that it knows.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, RayAuth, RayError
from raylane_common.ray.addresses import configured
from raylane_common.ray.answers import PathFault, check
from raylane_common.ray.models import RayVersion
from raylane_common.ray.parsing import read
from raylane_common.ray.probing import AUTHENTICATION, VERSION, mode_of
from raylane_common.ray.security import NO_AUTHENTICATION, weaknesses
from raylane_common.ray.transport import Transport

if TYPE_CHECKING:
    from raylane_common.ray.addresses import Address
    from raylane_common.ray.settings import RaySettings


@dataclass(frozen=True)
class Examined:
    """What answers at one address. `problem` is None if it is a Ray cluster that takes the token.

    `elapsed_s` is how long that took, in seconds. `asks_for_token` says whether the cluster has authentication switched
    on; None if that is not known. `weaknesses` are sentences for the operator.
    """

    name: str
    url: str
    elapsed_s: float
    version: RayVersion | None = None
    problem: str | None = None
    is_refused: bool = False
    asks_for_token: bool | None = None
    has_token: bool = False
    weaknesses: tuple[str, ...] = ()


_SHORTEST_S: Final = 0.1


async def examine(settings: RaySettings, limit_s: float) -> list[Examined]:
    """Asks all addresses at once, each for at most `limit_s` seconds. Raises `InvalidRequest` for a wrong address."""
    # How long that takes is a finding here, and a worker that loads its libraries meanwhile is slow.
    addresses = [replace(address, connect_timeout_s=limit_s) for address in configured(settings)]
    transport = Transport()
    try:
        return list(await asyncio.gather(*(_examine(transport, each, limit_s) for each in addresses)))
    finally:
        await transport.aclose()


async def _examine(transport: Transport, address: Address, limit_s: float) -> Examined:
    started_s = time.monotonic()
    has_token, version, problem, is_refused = False, None, None, False
    mode: str | None = None
    try:
        has_token = address.token.header() is not None
        version = await _version(transport, address, limit_s)
        elapsed_s = time.monotonic() - started_s
        mode = await _mode(transport, address, max(_SHORTEST_S, limit_s - elapsed_s))
    except RayAuth as error:
        elapsed_s, problem, is_refused = time.monotonic() - started_s, error.message, True
    except PathFault as fault:
        elapsed_s, problem = time.monotonic() - started_s, fault.reason
    except (RayError, InvalidRequest) as error:
        elapsed_s, problem = time.monotonic() - started_s, error.message
    return Examined(
        name=address.name,
        url=address.shown_url,
        elapsed_s=elapsed_s,
        version=version,
        problem=problem,
        is_refused=is_refused,
        asks_for_token=None if mode is None else mode != NO_AUTHENTICATION,
        has_token=has_token,
        weaknesses=() if version is None else tuple(weaknesses(address, _outside(address, version, mode))),
    )


def _outside(address: Address, version: RayVersion, mode: str | None) -> RayVersion:
    """Returns the version with the way of authentication if that matters: at an address that is not private."""
    return version if address.is_private else version.model_copy(update={"authentication_mode": mode})


async def _version(transport: Transport, address: Address, limit_s: float) -> RayVersion:
    answer = await transport.send(address, VERSION, asyncio.timeout(limit_s))
    check(answer, "tell its version")
    return read(RayVersion, answer)


async def _mode(transport: Transport, address: Address, limit_s: float) -> str | None:
    """Returns how the cluster authenticates callers; None if it does not say."""
    try:
        return mode_of(await transport.send(address, AUTHENTICATION, asyncio.timeout(limit_s)))
    except (PathFault, RayError):
        return None
