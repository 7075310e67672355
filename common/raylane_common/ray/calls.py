"""One call over all endpoints, within one deadline."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, RayInsecure, RayUnreachable, WrongCluster
from raylane_common.ray.addresses import configured
from raylane_common.ray.answers import FaultKind, PathFault, no_answer, shorten
from raylane_common.ray.endpoints import Endpoints
from raylane_common.ray.health import Endpoint, Health
from raylane_common.ray.probing import Pin, Prober
from raylane_common.ray.rounds import Rounds
from raylane_common.ray.transport import Transport
from raylane_common.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pydantic import JsonValue

    from raylane_common.ray.answers import Answer
    from raylane_common.ray.models import EndpointReport
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.settings import RaySettings
    from raylane_common.ray.transport import Request

# A proxy that swallows websocket handshakes costs this much for each try, so less than a call's whole deadline.
_HANDSHAKE_S: Final = 5.0
# A run is looked at several times a second, for all its followers at once: that is no step of any trace.
_LOOKS: Final = ("job", "tasks", "cluster")


class Deadline:
    """The point in time by which one call must end, with everything that belongs to it."""

    def __init__(self, timeout_s: float) -> None:
        self._end_s = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 afterwards."""
        return max(0.0, self._end_s - time.monotonic())


class Calls:
    """Sends requests to an endpoint that works. The constructor raises `InvalidRequest` for an invalid address."""

    def __init__(self, settings: RaySettings, observer: RayObserver) -> None:
        self._transport = Transport()
        self._observer = observer
        self._pin = Pin()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._endpoints = self._build(settings)

    def reports(self) -> tuple[EndpointReport, ...]:
        """Returns the current state of every endpoint."""
        return self._endpoints.health.reports()

    async def use(self, settings: RaySettings) -> None:
        """Uses other addresses from now on; calls under way continue with them. Raises `InvalidRequest`.

        They must lead to the same cluster, unless `ray.new_cluster` names another one.
        """
        before, self._endpoints = self._endpoints, self._build(settings)
        await before.aclose()

    async def exchange(self, request: Request, deadline: Deadline, *, repeatable: bool = True) -> Answer:
        """Returns Ray's answer, whatever its status, from the first endpoint that gives one before the deadline.

        `repeatable` is False for a submission, which must not be sent again while it is unknown whether Ray has it.
        Raises `RayUnreachable` if no endpoint answered or none is configured, `RayAuth` if Ray refuses the token, and
        `PathFault` if a request that is not `repeatable` was sent and its answer was lost.

        Each endpoint gets one try, in order of preference. There are further rounds while the cluster may still answer.
        See docs/decisions/0007 and 0017.
        """
        self._enter_loop()
        if request.operation in _LOOKS:
            return await self._exchange(request, deadline, repeatable=repeatable)
        attributes = {"http.request.method": request.method, "raylane.ray.operation": request.operation}
        with tracing.span(f"ray {request.operation}", attributes, kind="client", detail=True) as span:
            answer = await self._exchange(request, deadline, repeatable=repeatable)
            span.set({"raylane.ray.endpoint": answer.endpoint, "http.response.status_code": answer.status})
            if not answer.is_ok:
                span.failed(str(answer.status))
            return answer

    async def _exchange(self, request: Request, deadline: Deadline, *, repeatable: bool) -> Answer:
        endpoints, rounds, started_s = self._endpoints, Rounds(), time.monotonic()
        refusal: Answer | None = None
        while (left_s := deadline.left_s) > 0:
            # `use` has replaced the addresses since the last try. The faults of the old ones say nothing about the new.
            if endpoints is not self._endpoints:
                endpoints, rounds = self._endpoints, Rounds()
            if not endpoints.all:
                # Whoever asked has no say in it, and another attempt would find the same.
                raise RayUnreachable(
                    "no address of a Ray cluster is set; set RAYLANE_RAY__PRIVATE_URL or RAYLANE_RAY__PUBLIC_URL "
                    "on the workers",
                    retryable=False,
                    details={"endpoints": []},
                )
            endpoint = await endpoints.choose(rounds.faults, left_s)
            left_s = deadline.left_s
            # The old endpoints were closed while this call waited for their probes. The new ones may answer.
            if endpoint is None and endpoints is not self._endpoints:
                continue
            if endpoint is None or left_s <= 0:
                # No other address has answered, so Ray's refusal of the token is the answer.
                if refusal is not None:
                    return refusal
                if await rounds.again(endpoints.health, left_s):
                    continue
                break
            if rounds.faults:
                self._observer.happened("fallback", endpoint.name)
            # One silent endpoint must not use up the time of the next. A request that may not be sent again has no next
            # endpoint, so it gets all the time that is left.
            timeout_s = endpoints.share_s(rounds.faults, left_s) if repeatable else left_s
            try:
                answer = await self._send(endpoints, endpoint, request, timeout_s)
                if repeatable and answer.is_refusal and endpoints.health.is_identified(endpoint):
                    refusal = answer
                    raise PathFault(FaultKind.REFUSED, f"refused the token it had accepted ({shorten(answer.body)})")
                # Another cluster answers 404 for all our runs, so make sure that this is ours.
                if answer.status == 404 and not endpoints.health.is_identified(endpoint, since_s=started_s):
                    await self._confirm(endpoints, endpoint, deadline)
            except PathFault as fault:
                rounds.faults[endpoint.name] = fault
                if request.operation not in _LOOKS:
                    tracing.event("path fault", {"raylane.ray.endpoint": endpoint.name, "error.type": fault.kind.value})
                endpoints.health.failed(endpoint, fault)
                # Sent, and the answer lost: Ray may have taken it. Only the caller can find out, by the submission id.
                if not (repeatable or fault.nothing_sent):
                    raise
            else:
                endpoints.health.answered()
                # The request got an answer here, so the paths on which it failed before are broken.
                endpoints.health.outlived(rounds.faults)
                return answer
        raise _unreachable(endpoints, rounds.faults)

    async def confirm_identity(self) -> None:
        """Makes sure, before code is sent, that the endpoint in use still leads to the cluster first seen."""
        self._enter_loop()
        await self._endpoints.confirm_identity()

    @property
    def session_name(self) -> str | None:
        """The session of the cluster at the addresses in use; None before they answer, or if Ray does not name it."""
        return self._endpoints.session_name

    async def frames(self, path: str, deadline: Deadline) -> AsyncGenerator[str, None]:
        """Yields the text frames of a websocket at an endpoint that works, until Ray closes it in order.

        Raises `PathFault` if the connection breaks, and what `exchange` raises if there is none.
        """
        self._enter_loop()
        endpoints, faults = self._endpoints, dict[str, PathFault]()
        endpoint = await endpoints.choose(faults, deadline.left_s)
        if endpoint is None:
            raise _unreachable(endpoints, faults)
        broken = asyncio.Event()
        watch = endpoints.watch(endpoint, broken.set)
        started, outcome = time.monotonic(), "cancelled"
        try:
            handshake_s = min(_HANDSHAKE_S, deadline.left_s)
            async with aclosing(self._transport.frames(endpoint.address, path, handshake_s, broken)) as frames:
                async for frame in frames:
                    yield frame
            outcome = "ok"
        except PathFault as fault:
            outcome = fault.kind.value
            # Some proxies let no websocket through and are fine for every other request.
            if fault.nothing_sent:
                endpoints.health.failed(endpoint, fault)
            raise
        finally:
            if watch is not None:
                watch.close()
            self._observer.request(endpoint.name, "tail", outcome, time.monotonic() - started)

    async def aclose(self) -> None:
        """Ends the probes, then closes the connections. Does nothing in another event loop than that of the calls."""
        if self._loop not in (None, asyncio.get_running_loop()):
            return
        await self._endpoints.aclose()
        await self._transport.aclose()

    def _enter_loop(self) -> None:
        """Raises `InvalidRequest` in another event loop than that of the first call: connections belong to a loop."""
        running = asyncio.get_running_loop()
        if self._loop not in (None, running):
            problem = "it belongs to the event loop of its first call, and this is another one"
            raise InvalidRequest.field("client", f"{problem}; make one RayClient for each event loop")
        self._loop = running

    def _build(self, settings: RaySettings) -> Endpoints:
        endpoints = [Endpoint(address) for address in configured(settings)]
        prober = Prober(
            self._transport,
            self._observer,
            self._pin,
            refuse_insecure=settings.insecure_cluster == "refuse",
            new_cluster=settings.new_cluster,
        )
        health = Health(
            endpoints,
            prober,
            self._observer,
            reprobe_min_s=settings.reprobe_min_s,
            reprobe_max_s=settings.reprobe_max_s,
        )
        return Endpoints(health, self._observer, head_start_s=settings.failover_delay_s)

    async def _confirm(self, endpoints: Endpoints, endpoint: Endpoint, deadline: Deadline) -> None:
        """Raises `PathFault` unless our cluster answers behind the endpoint now."""
        left_s = deadline.left_s
        try:
            async with asyncio.timeout(left_s):
                await endpoints.health.probe(endpoint)
        except TimeoutError:
            raise no_answer(left_s) from None

    async def _send(self, endpoints: Endpoints, endpoint: Endpoint, request: Request, timeout_s: float) -> Answer:
        """Makes one exchange, and gives it up as soon as the path to the endpoint is known to be broken."""
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(min(timeout_s, endpoint.address.answer_timeout_s or timeout_s))
        # A limit that is already expiring cannot be moved.
        watch = endpoints.watch(endpoint, lambda: None if limit.expired() else limit.reschedule(loop.time()))
        started, outcome = loop.time(), "cancelled"
        try:
            answer = await self._transport.send(endpoint.address, request, limit)
            outcome = "ok" if answer.is_ok else "refused"
            if request.is_small:
                endpoint.add_latency(loop.time() - started)
            return answer
        except PathFault as fault:
            outcome = fault.kind.value
            raise
        finally:
            if watch is not None:
                watch.close()
            self._observer.request(endpoint.name, request.operation, outcome, loop.time() - started)


def _unreachable(endpoints: Endpoints, faults: Mapping[str, PathFault]) -> RayUnreachable:
    causes: list[JsonValue] = []
    shown: list[str] = []
    kinds: set[FaultKind | None] = set()
    for endpoint in endpoints.all:
        fault = faults.get(endpoint.name) or endpoint.last_fault
        error = fault.reason if fault else "no time was left to try it"
        elapsed_s = round(faults[endpoint.name].elapsed_s, 3) if endpoint.name in faults else 0.0
        kinds.add(fault.kind if fault else None)
        causes.append({"name": endpoint.name, "url": endpoint.shown_url, "error": error, "elapsed_s": elapsed_s})
        shown.append(f"{endpoint.name} {endpoint.shown_url}: {error}")
    details: dict[str, JsonValue] = {"endpoints": causes}
    what = "; ".join(shown)
    if FaultKind.WRONG_CLUSTER in kinds:
        return WrongCluster(
            f"no endpoint leads to the Ray cluster first seen ({what}); check RAYLANE_RAY__PRIVATE_URL and "
            "RAYLANE_RAY__PUBLIC_URL; if a new cluster has replaced it, `raylane settings set ray.new_cluster SESSION`",
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
