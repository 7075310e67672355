"""The Ray client on its own, for programs that do not use Raylane's queue and workers.

async with RayClient(RaySettings(private_url="http://10.0.0.5:8265", public_url="https://ray.example.org")) as ray:
    package = build_package({"main.py": code})
    await ray.submit(submission_id="report-7", entrypoint="python main.py", package=package)
    async for piece in ray.follow_logs("report-7"):
        print(piece.text, end="")
    job = await ray.wait("report-7")
"""

from __future__ import annotations

from raylane_common.errors import (
    RayAuth,
    RayError,
    RayInsecure,
    RayRejected,
    RayServerError,
    RayUnreachable,
    RunExists,
    RunLost,
    RunNotFound,
    RunNotStarted,
    SubmitOutcomeUnknown,
    WaitTimeout,
    WrongCluster,
)
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import (
    ClusterStatus,
    EndpointReport,
    EndpointState,
    LogPiece,
    RayHealth,
    RayLogs,
    RayNode,
    RayRun,
    RayStop,
    RayVersion,
    RunStatus,
    Submission,
)
from raylane_common.ray.observe import Happening, RayCounters, RayObserver
from raylane_common.ray.package import Package, build_package
from raylane_common.ray.settings import RayEndpointSettings, RaySettings

__all__ = [
    "ClusterStatus",
    "EndpointReport",
    "EndpointState",
    "Happening",
    "LogPiece",
    "Package",
    "RayAuth",
    "RayClient",
    "RayCounters",
    "RayEndpointSettings",
    "RayError",
    "RayHealth",
    "RayInsecure",
    "RayLogs",
    "RayNode",
    "RayObserver",
    "RayRejected",
    "RayRun",
    "RayServerError",
    "RaySettings",
    "RayStop",
    "RayUnreachable",
    "RayVersion",
    "RunExists",
    "RunLost",
    "RunNotFound",
    "RunNotStarted",
    "RunStatus",
    "Submission",
    "SubmitOutcomeUnknown",
    "WaitTimeout",
    "WrongCluster",
    "build_package",
]
