"""Probes of an address: `GET /api/version` shows whether it leads to Ray, and to our cluster.

Ray answers this route even when its control store hangs, so a probe tells about the path and not about Ray's health.
See docs/decisions/0007 and 0020.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayAuth, RayError
from raylane_common.logs import get_logger
from raylane_common.ray.answers import FaultKind, PathFault, check, no_answer
from raylane_common.ray.models import RayVersion
from raylane_common.ray.parsing import read
from raylane_common.ray.security import NO_AUTHENTICATION, weaknesses
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from raylane_common.ray.addresses import Address
    from raylane_common.ray.answers import Answer
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.transport import Transport

# Ray answers this request within milliseconds; three seconds leave room for a busy head and a slow line.
PROBE_TIMEOUT_S: Final = 3.0
# How long an answer proves who an address leads to. Asking before every submission would cost a round trip each time.
IDENTITY_TRUST_S: Final = 10.0

VERSION: Final = Request("version", "GET", "/api/version", key="ray_version")
AUTHENTICATION: Final = Request("version", "GET", "/api/authentication_mode", key="authentication_mode")

logger = get_logger("raylane.ray")


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock and the random numbers in use. Tests replace them."""

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


@dataclass(slots=True)
class Pin:
    """Which cluster is ours, by its session, and which session each URL last led to. Outlives a change of addresses.

    `session_name` is None if no cluster has answered yet, or if its head does not name its session.
    """

    session_name: str | None = None
    by_url: dict[str, str] = field(default_factory=dict)


class Prober:
    """Probes addresses and compares their identity: the first good answer decides which cluster is ours."""

    def __init__(
        self,
        transport: Transport,
        observer: RayObserver,
        pin: Pin,
        *,
        refuse_insecure: bool,
        new_cluster: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        """`new_cluster` is the session of a cluster that may replace the one in `pin`.

        With `refuse_insecure`, a known weakness of the cluster is a fault of the address, and not only a warning.
        """
        self._transport = transport
        self._observer = observer
        self._pin = pin
        self._refuse_insecure = refuse_insecure
        self._new_cluster = new_cluster
        self._now_s = (timing or Timing()).now_s
        self._identified_at_s: dict[str, float] = {}

    @property
    def session_name(self) -> str | None:
        """The session of our cluster, as far as it is known."""
        return self._pin.session_name

    def trusts(self, address: Address) -> bool:
        """Whether the address showed a moment ago that it leads to our cluster."""
        return self._now_s() - self.identified_at_s(address) < IDENTITY_TRUST_S

    def identified_at_s(self, address: Address) -> float:
        """When the address last showed that it leads to our cluster, which accepted the token then."""
        return self._identified_at_s.get(address.url, float("-inf"))

    async def probe(self, address: Address, others: Sequence[Address]) -> None:
        """Returns if our cluster answers within 3 s. Raises `PathFault`, or `RayAuth` if the token is refused.

        `others` are addresses that may tell whether a new session is a restart of our head or another cluster.
        """
        started_s = self._now_s()
        self._observer.happened("probe", address.name)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._identify(address, await self._version(address), others)
            self._identified_at_s[address.url] = self._now_s()
            return
        except PathFault as error:
            fault = error
        except TimeoutError:
            fault = no_answer(PROBE_TIMEOUT_S)
        fault.elapsed_s = self._now_s() - started_s
        # Outside of the except block, or the exception above would travel along as its context.
        raise fault

    async def _identify(self, address: Address, version: RayVersion, others: Sequence[Address]) -> None:
        pin, seen = self._pin, version.session_name
        ours = pin.session_name
        if ours is not None and seen != ours and not await self._is_successor(address, seen, ours, others):
            raise PathFault(
                FaultKind.WRONG_CLUSTER,
                f"WrongCluster: answered for {seen or 'no session'}, but the cluster first seen is {ours}",
            )
        if seen is None or pin.by_url.get(address.url) != seen:
            self._inspect(address, version)
        if seen is not None:
            pin.session_name = pin.by_url[address.url] = seen

    async def _is_successor(self, address: Address, seen: str | None, ours: str, others: Sequence[Address]) -> bool:
        """Whether another session is that of our restarted head, or of the cluster that an operator has named."""
        if seen is None:
            return False
        if seen == self._new_cluster:
            logger.warning("%s takes the place of the Ray cluster %s (ray.new_cluster)", seen, ours)
        elif await self._is_restart(address, seen, ours, others):
            logger.warning("the Ray head was restarted: %s is now %s; its former runs are lost", ours, seen)
        else:
            return False
        return True

    def _inspect(self, address: Address, version: RayVersion) -> None:
        for weakness in weaknesses(address, version):
            if self._refuse_insecure:
                raise PathFault(FaultKind.INSECURE, f"refused (ray.insecure_cluster): {weakness}")
            logger.warning("Ray endpoint %s (%s) is insecure: %s", address.name, address.shown_url, weakness)

    async def _is_restart(self, address: Address, seen: str, ours: str, others: Sequence[Address]) -> bool:
        """Whether a new session name means that our head was restarted; if not, another cluster has answered.

        Only an address that led to our cluster before can show that. New ones may all lead to another cluster.
        """
        led_to = self._pin.by_url
        for other in others:
            try:
                version = await self._version(other)
            except (PathFault, RayAuth):
                continue
            if version.session_name == ours:
                return False
            if version.session_name == seen and led_to.get(other.url) == ours:
                return True
        return led_to.get(address.url) == ours

    async def _version(self, address: Address) -> RayVersion:
        try:
            answer = await self._transport.send(address, VERSION, asyncio.timeout(PROBE_TIMEOUT_S))
            check(answer, "tell its version")
            version = read(RayVersion, answer)
            if not address.is_private and self._pin.by_url.get(address.url) != version.session_name:
                mode = await self._authentication_mode(address)
                version = version.model_copy(update={"authentication_mode": mode})
            return version
        except RayAuth:
            raise
        except RayError as error:
            problem = error
        raise PathFault(FaultKind.NOT_RAY, f"not Ray: {problem.message}", retry_after_s=problem.retry_after_s)

    async def _authentication_mode(self, address: Address) -> str:
        answer = await self._transport.send(address, AUTHENTICATION, asyncio.timeout(PROBE_TIMEOUT_S))
        return mode_of(answer)


def mode_of(answer: Answer) -> str:
    """Returns how a cluster authenticates callers, from its answer to `AUTHENTICATION`."""
    mode = answer.data.get("authentication_mode") if isinstance(answer.data, dict) else None
    # A Ray without this route is older than authentication itself.
    return mode if isinstance(mode, str) else NO_AUTHENTICATION
