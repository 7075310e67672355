"""Raylane for other services: enqueue jobs, wait for them, read back what happened.

Names are loaded when they are first used, so that `import raylane` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane.handle import JobHandle
    from raylane.history import HistoryEntry
    from raylane.producer import Producer
    from raylane_common.errors import (
        CatalogError,
        ErrorInfo,
        GenerationError,
        InvalidRequest,
        JobError,
        JobIdTaken,
        JobNotFound,
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
    )
    from raylane_common.jobs import JobEvent, JobRecord, JobStatus, Progress
    from raylane_common.ray.models import Run
    from raylane_common.results import (
        DatabasesResult,
        GenerateResult,
        RayDeleteResult,
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
    from raylane_common.settings import Settings
    from raylane_common.sources import Column, CsvSource, TableSource

__version__ = metadata.version("raylane")

__all__ = [
    "CatalogError",
    "Column",
    "CsvSource",
    "DatabasesResult",
    "ErrorInfo",
    "GenerateResult",
    "GenerationError",
    "HistoryEntry",
    "InvalidRequest",
    "JobError",
    "JobEvent",
    "JobHandle",
    "JobIdTaken",
    "JobNotFound",
    "JobRecord",
    "JobStatus",
    "NoSources",
    "NotUnderstood",
    "Producer",
    "Progress",
    "QueueError",
    "QueueUnavailable",
    "RayDeleteResult",
    "RayError",
    "RayJobResult",
    "RayJobsResult",
    "RayLogsResult",
    "RayStatusResult",
    "RayStopResult",
    "RaylaneError",
    "Run",
    "RunFailed",
    "RunResult",
    "SelectedTablesResult",
    "Settings",
    "SourceError",
    "StorageError",
    "TableSource",
    "TablesResult",
    "UploadResult",
    "WaitTimeout",
    "__version__",
]

# Searched in this order, cheapest first: asking for an error does not load redis.
_HOMES: Final = (
    "raylane_common.errors",
    "raylane_common.ray.models",
    "raylane_common.sources",
    "raylane_common.results",
    "raylane_common.jobs",
    "raylane.history",
    "raylane.handle",
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
