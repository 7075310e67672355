"""Raylane for other services: enqueue jobs, wait for them, read back what happened.

Names are loaded when they are first used, so that `import raylane` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane.handle import (
        JobHandle,
    )
    from raylane.history import (
        HistoryEntry,
    )
    from raylane.options import (
        JobOptions,
        new_job,
        new_upload,
    )
    from raylane.producer import (
        Producer,
    )
    from raylane.queue import (
        Requeued,
    )
    from raylane_common.errors import (
        CatalogError,
        DependencyFailed,
        ErrorInfo,
        GenerationError,
        InvalidRequest,
        JobCancelled,
        JobError,
        JobExpired,
        JobIdTaken,
        JobNotFound,
        JobNotRequeued,
        JobTimeout,
        NoSources,
        NotUnderstood,
        QueueError,
        QueueUnavailable,
        RayError,
        RaylaneError,
        RunFailed,
        SourceError,
        StorageError,
        WaitTimeout,
        WorkerLost,
    )
    from raylane_common.jobs import (
        Attempt,
        Enqueued,
        EventType,
        JobEvent,
        JobRecord,
        JobStatus,
        LaneOverview,
        NewJob,
        Priority,
        Progress,
    )
    from raylane_common.ray.models import (
        Run,
    )
    from raylane_common.requests import (
        GenerateRequest,
        JobKind,
        ListDatabasesRequest,
        ListTablesRequest,
        RayClusterRequest,
        RayDeleteRequest,
        RayEndpointsRequest,
        RayJobRequest,
        RayJobsRequest,
        RayLogsRequest,
        RayStatusRequest,
        RayStopRequest,
        RaySubmitRequest,
        SelectTablesRequest,
        TableRef,
        UploadRequest,
    )
    from raylane_common.results import (
        DatabasesResult,
        GenerateResult,
        RayClusterResult,
        RayDeleteResult,
        RayEndpointsResult,
        RayJobResult,
        RayJobsResult,
        RayLogsResult,
        RayStatusResult,
        RayStopResult,
        RunResult,
        SelectedTablesResult,
        TablesResult,
        UploadResult,
    )
    from raylane_common.settings import (
        Settings,
    )
    from raylane_common.sources import (
        Column,
        CsvSource,
        TableSource,
    )

__version__ = metadata.version("raylane")

__all__ = [
    "Attempt",
    "CatalogError",
    "Column",
    "CsvSource",
    "DatabasesResult",
    "DependencyFailed",
    "Enqueued",
    "ErrorInfo",
    "EventType",
    "GenerateRequest",
    "GenerateResult",
    "GenerationError",
    "HistoryEntry",
    "InvalidRequest",
    "JobCancelled",
    "JobError",
    "JobEvent",
    "JobExpired",
    "JobHandle",
    "JobIdTaken",
    "JobKind",
    "JobNotFound",
    "JobNotRequeued",
    "JobOptions",
    "JobRecord",
    "JobStatus",
    "JobTimeout",
    "LaneOverview",
    "ListDatabasesRequest",
    "ListTablesRequest",
    "NewJob",
    "NoSources",
    "NotUnderstood",
    "Priority",
    "Producer",
    "Progress",
    "QueueError",
    "QueueUnavailable",
    "RayClusterRequest",
    "RayClusterResult",
    "RayDeleteRequest",
    "RayDeleteResult",
    "RayEndpointsRequest",
    "RayEndpointsResult",
    "RayError",
    "RayJobRequest",
    "RayJobResult",
    "RayJobsRequest",
    "RayJobsResult",
    "RayLogsRequest",
    "RayLogsResult",
    "RayStatusRequest",
    "RayStatusResult",
    "RayStopRequest",
    "RayStopResult",
    "RaySubmitRequest",
    "RaylaneError",
    "Requeued",
    "Run",
    "RunFailed",
    "RunResult",
    "SelectTablesRequest",
    "SelectedTablesResult",
    "Settings",
    "SourceError",
    "StorageError",
    "TableRef",
    "TableSource",
    "TablesResult",
    "UploadRequest",
    "UploadResult",
    "WaitTimeout",
    "WorkerLost",
    "__version__",
    "new_job",
    "new_upload",
]

# Searched in this order, cheapest first: asking for an error does not load redis.
_HOMES: Final = (
    "raylane_common.errors",
    "raylane_common.ray.models",
    "raylane_common.sources",
    "raylane_common.results",
    "raylane_common.requests",
    "raylane_common.jobs",
    "raylane.history",
    "raylane.handle",
    "raylane.options",
    "raylane.queue",
    "raylane_common.settings",
    "raylane.producer",
)

if not TYPE_CHECKING:  # a type checker would take any name for good

    def __getattr__(name: str) -> object:
        if name in __all__:
            for home in _HOMES:
                module = import_module(home)
                if hasattr(module, name):
                    return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module 'raylane' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(set(globals()) | set(__all__))
