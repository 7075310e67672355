"""One job kind each: a typed request and a context in, a typed result or a typed error out.

An attempt may be cut at any `await` (a worker stops or dies, a lease or the time runs out), and then the job runs
again. So a handler repeats only what does no harm when repeated: what it writes has a name that follows from the job
(S3 key, field of the session, submission id), and what must not be done twice is noted in the record before it is
begun, in the checkpoint or as progress. A handler that is cut leaves its run on Ray to the next attempt; if there is
to be none, since the job itself was cancelled, the kind's cleanup stops the run. A cleanup may be cut and repeated
too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from raylane_common.wire.base import JobKind
from raylane_worker.handlers.generate import generate, stop_generate
from raylane_worker.handlers.ray import ray, stop_ray
from raylane_worker.handlers.tables import tables
from raylane_worker.handlers.upload import upload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raylane_common.wire.kinds import Result
    from raylane_worker.context import JobContext

# Each handler takes the request type of its kind; the table is where those types meet.
HANDLERS: Final[dict[JobKind, Callable[[Any, JobContext], Awaitable[Result]]]] = {
    JobKind.UPLOAD: upload,
    JobKind.TABLES: tables,
    JobKind.GENERATE: generate,
    JobKind.RAY: ray,
}

# What is left to stop of a cancelled job; the context holds the record as its last attempt left it.
CLEANUPS: Final[dict[JobKind, Callable[[Any, JobContext], Awaitable[None]]]] = {
    JobKind.GENERATE: stop_generate,
    JobKind.RAY: stop_ray,
}
