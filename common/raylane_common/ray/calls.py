"""One call over all endpoints, within one deadline."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, RayAuth, RayError, RayInsecure, RayUnreachable, WrongCluster
from raylane_common.ray.addresses import configured
from raylane_common.ray.answers import FaultKind, PathFault, check, read
from raylane_common.ray.endpoints import Endpoints
from raylane_common.ray.health import Endpoint
from raylane_common.ray.models import RayVersion
from raylane_common.ray.security import NO_AUTHENTICATION
from raylane_common.ray.transport import Request, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pydantic import JsonValue

    from raylane_common.ray.answers import Answer
    from raylane_common.ray.models import EndpointReport
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.settings import RaySettings

VERSION: Final = Request("version", "GET", "/api/version")
_AUTHENTICATION: Final = Request("version", "GET", "/api/authentication_mode")
_HANDSHAKE_S: Final = 5.0


class Deadline:
    """A point in time that everything belonging to one call shares."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds until then; not below 0."""
        return max(0.0, self._end - time.monotonic())


class Calls:
    """Sends requests to whichever endpoint works. The constructor raises `InvalidRequest` for an invalid address."""

    def __init__(self, settings: RaySettings, observer: RayObserver) -> None:
        self._transport = Transport()
        self._observer = observer
        self._endpoints = self._of(settings)

    def reports(self) -> tuple[EndpointReport, ...]:
        """Every endpoint as it stands now."""
        return self._endpoints.reports()

    async def use(self, settings: RaySettings) -> None:
        """Takes other addresses from now on; calls under way go on with them. Raises `InvalidRequest`."""
        before, self._endpoints = self._endpoints, self._of(settings)
        await before.aclose()

    async def exchange(self, request: Request, deadline: Deadline, *, repeatable: bool = True) -> Answer:
        """Ray's answer, whatever its status.

        Raises `InvalidRequest` if no address is configured, `RayUnreachable` if no endpoint gave an answer, and
        `PathFault` if a request that is not `repeatable` was sent and its answer lost: only the caller knows how to
        find out what became of it.
        """
        endpoints, faults = self._endpoints, dict[str, PathFault]()
        while (left_s := deadline.left_s) > 0:
            if endpoints is not self._endpoints:
                endpoints, faults = self._endpoints, {}
            if not endpoints.all:
                raise InvalidRequest.field("ray.private_url", "set RAYLANE_RAY__PRIVATE_URL or RAYLANE_RAY__PUBLIC_URL")
            endpoint = await endpoints.choose(faults, left_s)
            left_s = deadline.left_s
            if endpoint is None and endpoints is not self._endpoints:
                continue
            if endpoint is None or left_s <= 0:
                break
            if faults:
                self._observer.happened("fallback", endpoint.name)
            # A request that nobody may repeat has no use for time left to the next endpoint.
            timeout_s = endpoints.share_s(faults, left_s) if repeatable else left_s
            try:
                answer = await self._send(endpoints, endpoint, request, timeout_s)
            except PathFault as fault:
                faults[endpoint.name] = fault
                endpoints.health.failed(endpoint, fault)
                if not (repeatable or fault.nothing_sent):
                    raise
            else:
                endpoints.health.outlived(faults)
                return answer
        raise _unreachable(endpoints, faults)

    async def make_sure(self) -> None:
        """Before code is sent: an address that came to lead to another cluster is not used any more."""
        await self._endpoints.make_sure()

    async def frames(self, path: str, deadline: Deadline) -> AsyncGenerator[str, None]:
        """The text frames of a websocket at whichever endpoint works; ends when Ray closes it in order.

        Raises `PathFault` if the connection breaks, and as `exchange` if there is none.
        """
        endpoints, faults = self._endpoints, dict[str, PathFault]()
        endpoint = await endpoints.choose(faults, deadline.left_s)
        if endpoint is None:
            raise _unreachable(endpoints, faults)
        dead = asyncio.Event()
        watch = endpoints.watch(endpoint, dead.set)
        started, outcome = time.monotonic(), "cancelled"
        try:
            handshake_s = min(_HANDSHAKE_S, deadline.left_s)
            async with aclosing(self._transport.frames(endpoint, path, handshake_s, dead)) as frames:
                async for frame in frames:
                    yield frame
            outcome = "ok"
        except PathFault as fault:
            outcome = fault.kind.value
            # What lets no websocket through, as some proxies do, may be fine for every other request.
            if fault.nothing_sent:
                endpoints.health.failed(endpoint, fault)
            raise
        finally:
            if watch is not None:
                watch.close()
            self._observer.request(endpoint.name, "tail", outcome, time.monotonic() - started)

    async def aclose(self) -> None:
        """Ends the probes, then closes the connections."""
        await self._endpoints.aclose()
        await self._transport.aclose()

    def _of(self, settings: RaySettings) -> Endpoints:
        endpoints = [Endpoint(address) for address in configured(settings)]
        return Endpoints(endpoints, self._ask, settings, self._observer)

    async def _send(self, endpoints: Endpoints, endpoint: Endpoint, request: Request, timeout_s: float) -> Answer:
        """One exchange, given up as soon as the path to the endpoint is known to be broken."""
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(min(timeout_s, endpoint.address.answer_timeout_s or timeout_s))
        # One that is just expiring can no more be moved.
        watch = endpoints.watch(endpoint, lambda: None if limit.expired() else limit.reschedule(loop.time()))
        started, outcome = loop.time(), "cancelled"
        try:
            answer = await self._transport.send(endpoint, request, limit)
            outcome = "ok" if answer.is_ok else "refused"
            if request.is_small:
                endpoint.took(loop.time() - started)
            return answer
        except PathFault as fault:
            outcome = fault.kind.value
            raise
        finally:
            if watch is not None:
                watch.close()
            self._observer.request(endpoint.name, request.operation, outcome, loop.time() - started)

    async def _ask(self, endpoint: Endpoint, timeout_s: float) -> RayVersion:
        try:
            answer = await self._transport.send(endpoint, VERSION, asyncio.timeout(timeout_s))
            check(answer, "tell its version")
            version = read(RayVersion, answer)
            if not endpoint.address.is_private and endpoint.session_name != version.session_name:
                mode = await self._authentication_mode(endpoint, timeout_s)
                version = version.model_copy(update={"authentication_mode": mode})
            return version
        except RayAuth:
            raise
        except RayError as error:
            problem = error
        raise PathFault(FaultKind.NOT_RAY, f"not Ray: {problem.message}", retry_after_s=problem.retry_after_s)

    async def _authentication_mode(self, endpoint: Endpoint, timeout_s: float) -> str:
        answer = await self._transport.send(endpoint, _AUTHENTICATION, asyncio.timeout(timeout_s))
        said = answer.data.get("authentication_mode") if isinstance(answer.data, dict) else None
        # A Ray without this route is older than authentication itself.
        return said if isinstance(said, str) else NO_AUTHENTICATION


def _unreachable(endpoints: Endpoints, faults: Mapping[str, PathFault]) -> RayUnreachable:
    causes: list[JsonValue] = []
    words: list[str] = []
    kinds: set[FaultKind | None] = set()
    for endpoint in endpoints.all:
        fault = faults.get(endpoint.name) or endpoint.last_fault
        error = fault.reason if fault else "no time was left to try it"
        elapsed_s = round(faults[endpoint.name].elapsed_s, 3) if endpoint.name in faults else 0.0
        kinds.add(fault.kind if fault else None)
        causes.append({"name": endpoint.name, "url": endpoint.shown_url, "error": error, "elapsed_s": elapsed_s})
        words.append(f"{endpoint.name} {endpoint.shown_url}: {error}")
    details: dict[str, JsonValue] = {"endpoints": causes}
    what = "; ".join(words)
    if FaultKind.WRONG_CLUSTER in kinds:
        return WrongCluster(
            f"no endpoint leads to the Ray cluster first seen ({what}); check RAYLANE_RAY__PRIVATE_URL and "
            "RAYLANE_RAY__PUBLIC_URL",
            retryable=kinds != {FaultKind.WRONG_CLUSTER},
            details=details,
        )
    if FaultKind.INSECURE in kinds:
        return RayInsecure(
            f"no endpoint leads to a Ray cluster that is safe to use ({what})",
            retryable=kinds != {FaultKind.INSECURE},
            details=details,
        )
    asked_s = [fault.retry_after_s for fault in faults.values() if fault.retry_after_s is not None]
    return RayUnreachable(
        f"no endpoint of the Ray cluster answered ({what}); check that the cluster is up, and "
        "RAYLANE_RAY__PRIVATE_URL and RAYLANE_RAY__PUBLIC_URL",
        retry_after_s=min(asked_s, default=None),
        details=details,
    )
