"""One job kind each: a typed request and a context in, a typed result or a typed error out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from raylane_common.requests import JobKind
from raylane_worker.handlers.generate import generate
from raylane_worker.handlers.ray import ray
from raylane_worker.handlers.tables import tables
from raylane_worker.handlers.upload import upload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raylane_common.results import Result
    from raylane_worker.context import JobContext

# Each handler takes the request type of its kind; the table is where those types meet.
HANDLERS: Final[dict[JobKind, Callable[[Any, JobContext], Awaitable[Result]]]] = {
    JobKind.UPLOAD: upload,
    JobKind.TABLES: tables,
    JobKind.GENERATE: generate,
    JobKind.RAY: ray,
}
