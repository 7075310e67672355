"""Submitting a job so that a lost answer never means a second job or a job that nobody knows of."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayServerError, RayUnreachable, RunExists, SubmitOutcomeUnknown
from raylane_common.ray.answers import PathFault, check, read, unexpected
from raylane_common.ray.calls import Deadline
from raylane_common.ray.models import RayJob, Submission
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from raylane_common.ray.calls import Calls
    from raylane_common.ray.observe import RayObserver

MAX_SENDS: Final = 3

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class NewRun:
    """What Ray is asked to run. Ray takes a submission id once, so sending this again is harmless."""

    submission_id: str
    entrypoint: str
    runtime_env: Mapping[str, JsonValue]
    metadata: Mapping[str, str]

    def is_same_as(self, job: RayJob) -> bool:
        """Whether a job that Ray has under this id is ours."""
        return job.entrypoint == self.entrypoint and (job.metadata or {}) == self.metadata


async def submit(
    calls: Calls, new: NewRun, deadline: Deadline, *, look_timeout_s: float, observer: RayObserver
) -> Submission:
    """Submits, and finds out what became of it if the answer is lost: looks the job up, else sends it again.

    Raises `RunExists`, `SubmitOutcomeUnknown`, `RayUnreachable` (then nothing was sent), and what Ray answers.
    """
    request = Request(
        "submit",
        "POST",
        "/api/jobs/",
        json={
            "submission_id": new.submission_id,
            "entrypoint": new.entrypoint,
            "runtime_env": dict(new.runtime_env),
            "metadata": dict(new.metadata),
        },
    )
    problem = ""
    retry_after_s: float | None = None
    for sends in range(MAX_SENDS):
        if sends:
            observer.happened("submit_resend")
        # The other half is for finding out what became of it.
        sending = Deadline(deadline.left_s / 2)
        try:
            answer = await calls.exchange(request, sending, repeatable=False)
        except PathFault as fault:
            problem, retry_after_s = fault.reason, fault.retry_after_s
        except RayUnreachable as error:
            if not problem:
                raise
            problem, retry_after_s = error.message, error.retry_after_s
        else:
            if not answer.is_taken_id:
                check(answer, f"run {new.submission_id}")
                if not isinstance(answer.data, dict) or answer.data.get("submission_id") != new.submission_id:
                    raise unexpected(answer, "`submission_id`")
                return Submission(submission_id=new.submission_id, endpoint=answer.endpoint)
            problem, retry_after_s = "Ray says that the submission id is taken, yet knows no such job", None
        job = await _look_up(calls, new.submission_id, deadline, problem, look_timeout_s)
        if job is not None:
            if not new.is_same_as(job):
                raise RunExists(
                    f"Ray already has another job under the id {new.submission_id}; choose a new id",
                    details={"submission_id": new.submission_id, "status": job.status},
                )
            return Submission(submission_id=new.submission_id, endpoint=job.endpoint)
        if sends < MAX_SENDS - 1:
            await _pause(sends, deadline)
    observer.happened("submit_unknown")
    raise _unknown(new.submission_id, problem, retry_after_s)


async def _look_up(
    calls: Calls, submission_id: str, deadline: Deadline, problem: str, timeout_s: float
) -> RayJob | None:
    """The job as Ray has it now, None if it has none. Asks until it knows or the deadline has passed."""
    looks = 0
    retry_after_s: float | None = None
    while deadline.left_s > 0:
        try:
            answer = await calls.exchange(
                Request("job", "GET", f"/api/jobs/{submission_id}"), Deadline(min(timeout_s, deadline.left_s))
            )
            if answer.is_missing_job:
                return None
            check(answer, f"find {submission_id}")
            return read(RayJob, answer)
        except (RayUnreachable, RayServerError) as error:
            problem = f"{problem}; then: {error.message}" if looks == 0 else problem
            retry_after_s = error.retry_after_s
        await _pause(looks, deadline)
        looks += 1
    raise _unknown(submission_id, problem, retry_after_s)


async def _pause(tries: int, deadline: Deadline) -> None:
    longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**tries)
    await asyncio.sleep(min(random.uniform(0.0, longest_s), deadline.left_s))  # noqa: S311  # spreads load, hides nothing


def _unknown(submission_id: str, problem: str, retry_after_s: float | None) -> SubmitOutcomeUnknown:
    return SubmitOutcomeUnknown(
        f"Ray may or may not run {submission_id} ({problem}); look it up later, or submit it again under the same id",
        retry_after_s=retry_after_s,
        details={"submission_id": submission_id, "cause": problem},
    )
