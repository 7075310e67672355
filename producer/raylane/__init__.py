"""Raylane for other services: enqueue jobs, wait for them, and read what happened.

Names are loaded when they are first used, so that `import raylane` is fast. `__init__.pyi` lists the same names for
type checkers.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from raylane_common import showing

_HOMES: Final = {
    "raylane.given_files": ("new_upload",),
    "raylane.handle": ("JobHandle",),
    "raylane.history": ("HistoryEntry",),
    "raylane.operator": ("Requeued",),
    "raylane.options": ("JobOptions", "new_job"),
    "raylane.producer": ("Producer",),
    "raylane.transfer.progress": ("DownloadProgress", "UploadProgress"),
    "raylane_common.errors": (
        *("CatalogError", "DependencyFailed", "ErrorInfo", "GenerationError", "InvalidRequest", "JobCancelled"),
        *("JobError", "JobExpired", "JobIdTaken", "JobNotFound", "JobNotRequeued", "JobTimeout", "NoSources"),
        *("NotUnderstood", "QueueError", "QueueUnavailable", "RayError", "RaylaneError", "RunFailed", "SourceError"),
        *("StorageError", "WaitTimeout", "WorkerLost"),
    ),
    "raylane_common.ray.models": ("RunStatus", "Run"),
    "raylane_common.settings": ("Settings",),
    "raylane_common.wire.answer": (
        *("Answer", "AnswerChart", "AnswerColumn", "AnswerFile", "AnswerTable", "AnswerValue", "CellType", "ChartKind"),
        "OpaqueItem",
    ),
    "raylane_common.wire.checks": ("Check", "CheckState"),
    "raylane_common.wire.jobs": (
        *("Attempt", "ClusterRuns", "EndedJobs", "Enqueued", "EventType", "JobEvent", "JobList", "JobRecord"),
        *("JobStatus", "JobSummary", "LaneOverview", "LaneWorkers", "NewJob", "Priority", "Progress"),
        *("WorkerAbout", "WorkerOverview"),
    ),
    "raylane_common.wire.sources": ("Column", "ColumnType", "FileSource", "OpaqueSource", "TableFormat", "TableSource"),
}
# Requests and results are not listed here: each kind exports its own.
_KINDS: Final = "raylane_common.wire.kinds"
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def _show(value: object) -> showing.Bundle:
    # Only a notebook calls it.
    from raylane.notebook import bundle_of

    return bundle_of(value)


showing.show_with(_show)


def __getattr__(name: str) -> object:
    if name == "__all__":
        return sorted([*_HOME_OF, *import_module(_KINDS).__all__, "__version__"])
    if name == "__version__":
        from importlib import metadata  # here, because it takes as long as all the rest

        return globals().setdefault(name, metadata.version("raylane"))
    # Python asks for a module of this package as well, such as `raylane.sync`, before it looks for its file.
    is_class = name[:1].isupper()
    home = import_module(_HOME_OF.get(name, _KINDS)) if is_class or name in _HOME_OF else None
    if home is None or name not in (_HOME_OF if name in _HOME_OF else home.__all__):
        raise AttributeError(f"module 'raylane' has no attribute {name!r}")
    return globals().setdefault(name, getattr(home, name))


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__getattr__("__all__")))
