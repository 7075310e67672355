"""Names in an error the run that may continue without its job, so that nobody has to search for it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from raylane_common.errors import (
    InvalidRequest,
    RayError,
    RaylaneError,
    RunExists,
    RunLost,
    RunNotFound,
    SubmitOutcomeUnknown,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue

MAY_BE_RUNNING: Final = "may_be_running"
"""A key of an error's details: the run in `details["submission_id"]` may continue."""


@asynccontextmanager
async def naming(run_id: str, *, was_sent: bool) -> AsyncIterator[None]:
    """Names the run in an error about Ray that the block raises, if the run may continue after it.

    `was_sent` says that the run may have been submitted before the block.
    """
    try:
        yield
    except (RunExists, RunLost, RunNotFound):
        # Ray has no such run, or the run is not ours.
        raise
    except (RayError, InvalidRequest) as error:
        if was_sent or isinstance(error, SubmitOutcomeUnknown):
            error.details |= left(run_id)
        raise


def left(run_id: str) -> dict[str, JsonValue]:
    """Returns the details of an error after which this run may continue."""
    return {"submission_id": run_id, MAY_BE_RUNNING: True}


def is_left(error: RaylaneError) -> bool:
    """Whether a run may continue after this error."""
    return error.details.get(MAY_BE_RUNNING) is True


def name_left_run(error: RaylaneError, problem: Exception) -> None:
    """Adds to an error that a run may continue, how to stop it, and the `problem` that prevented that."""
    details = problem.details if isinstance(problem, RaylaneError) else {}
    run_id = error.details.get("submission_id") or details.get("submission_id")
    cause = str(problem) if isinstance(problem, RaylaneError) else type(problem).__name__
    error.details |= (left(str(run_id)) if run_id else {}) | {"cleanup": cause}
    what, command = (f"run {run_id}", f"ray stop {run_id}") if run_id else ("what it started on Ray", "ray runs")
    error.message = f"{error.message}, but {what} may still be running; see `raylane {command}`"


def note_stopped_run(error: RaylaneError) -> None:
    """Adds to an error that its run has been stopped, or had ended."""
    if error.details.pop(MAY_BE_RUNNING, False):
        error.message = f"{error.message}; run {error.details['submission_id']} no longer runs"
