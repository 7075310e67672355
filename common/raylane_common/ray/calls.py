"""One call over all endpoints, within one deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from raylane_common.errors import InvalidRequest, RayAuth, RayError, RayUnreachable
from raylane_common.ray.answers import FaultKind, PathFault, check, read
from raylane_common.ray.endpoints import Endpoints
from raylane_common.ray.health import Endpoint
from raylane_common.ray.models import RayVersion
from raylane_common.ray.transport import Request, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from raylane_common.ray.answers import Answer
    from raylane_common.settings import RaySettings

VERSION: Final = Request("GET", "/api/version")


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

    def __init__(self, settings: RaySettings) -> None:
        self._transport = Transport(settings)
        self._endpoints = Endpoints(_configured(settings), self._ask, settings)
        self.reports = self._endpoints.reports

    async def exchange(self, request: Request, deadline: Deadline, *, repeatable: bool = True) -> Answer:
        """Ray's answer, whatever its status.

        Raises `InvalidRequest` if no address is configured, `RayUnreachable` if no endpoint gave an answer, and
        `PathFault` if a request that is not `repeatable` was sent and its answer lost: only the caller knows how to
        find out what became of it.
        """
        if not self._endpoints.all:
            raise InvalidRequest.field("ray.private_url", "set RAYLANE_RAY__PRIVATE_URL or RAYLANE_RAY__PUBLIC_URL")
        faults: dict[str, PathFault] = {}
        while (left_s := deadline.left_s) > 0:
            endpoint = await self._endpoints.choose(faults, left_s)
            left_s = deadline.left_s
            if endpoint is None or left_s <= 0:
                break
            # A request that nobody may repeat has no use for time left to the next endpoint.
            timeout_s = self._endpoints.share_s(faults, left_s) if repeatable else left_s
            try:
                answer = await self._transport.send(endpoint, request, timeout_s)
            except PathFault as fault:
                faults[endpoint.name] = fault
                self._endpoints.health.failed(endpoint, fault)
                if not (repeatable or fault.nothing_sent):
                    raise
            else:
                self._endpoints.health.outlived(faults)
                return answer
        raise self._unreachable(faults)

    async def aclose(self) -> None:
        """Ends the probes, then closes the connections."""
        await self._endpoints.aclose()
        await self._transport.aclose()

    async def _ask(self, endpoint: Endpoint, timeout_s: float) -> RayVersion:
        try:
            answer = await self._transport.send(endpoint, VERSION, timeout_s)
            check(answer, "tell its version")
            return read(RayVersion, answer)
        except RayAuth:
            raise
        except RayError as error:
            problem = error
        raise PathFault(FaultKind.NOT_RAY, f"not Ray: {problem.message}", retry_after_s=problem.retry_after_s)

    def _unreachable(self, faults: Mapping[str, PathFault]) -> RayUnreachable:
        causes: list[JsonValue] = []
        words: list[str] = []
        for endpoint in self._endpoints.all:
            fault = faults.get(endpoint.name)
            known = endpoint.last_fault.reason if endpoint.last_fault else "no time was left to try it"
            error = fault.reason if fault else known
            elapsed_s = round(fault.elapsed_s, 3) if fault else 0.0
            causes.append({"name": endpoint.name, "url": endpoint.shown_url, "error": error, "elapsed_s": elapsed_s})
            words.append(f"{endpoint.name} {endpoint.shown_url}: {error}")
        asked_s = [fault.retry_after_s for fault in faults.values() if fault.retry_after_s is not None]
        return RayUnreachable(
            f"no endpoint of the Ray cluster answered ({'; '.join(words)}); check that the cluster is up, and "
            "RAYLANE_RAY__PRIVATE_URL and RAYLANE_RAY__PUBLIC_URL",
            retry_after_s=min(asked_s, default=None),
            details={"endpoints": causes},
        )


def _configured(settings: RaySettings) -> list[Endpoint]:
    endpoints = []
    for name, url in (("private", settings.private_url), ("public", settings.public_url)):
        if url is None:
            continue
        field = f"ray.{name}_url"
        try:
            parts = urlsplit(url)
            valid = bool(parts.hostname) and parts.port != 0 and not parts.query and not parts.fragment
        except ValueError:
            valid = False
        if not valid:
            raise InvalidRequest.field(field, "must be like http://host:8265")
        if "@" in parts.netloc and settings.token is not None:
            raise InvalidRequest.field(field, "must not carry a user and password together with RAYLANE_RAY__TOKEN")
        endpoints.append(Endpoint(name, url))
    return endpoints
