"""Submits a job so that a lost answer never leads to a second job, or to one that nobody knows of."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from raylane_common import checks
from raylane_common.backoff import Backoff
from raylane_common.errors import InvalidRequest, RayError, RunExists, SubmitOutcomeUnknown
from raylane_common.limits import IN_WORDS, MAX_RUN_CPUS, MAX_RUN_MEMORY_BYTES, SUBMISSION_ID_PATTERN
from raylane_common.ray.answers import PathFault, check
from raylane_common.ray.calls import Deadline
from raylane_common.ray.models import RayRun, Submission
from raylane_common.ray.package import Package
from raylane_common.ray.parsing import read, unexpected
from raylane_common.ray.runtime_env import check_env_vars, check_requirements, check_shown
from raylane_common.ray.transport import Request
from raylane_common.secrets import names_credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import JsonValue

    from raylane_common.ray.calls import Calls
    from raylane_common.ray.observe import RayObserver

# The first one is lost to a broken path, the second one to its failover; a third one rarely changes anything.
MAX_SENDS: Final = 3

# With full jitter, so that many workers do not return to a restarted head at the same moment.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to submit. Ray accepts each submission id once, so sending it again is harmless."""

    submission_id: str
    entrypoint: str
    runtime_env: Mapping[str, JsonValue]
    metadata: Mapping[str, str]
    resources: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        submission_id: str,
        entrypoint: str,
        package: Package | None,
        env_vars: Mapping[str, str] | None,
        pip: Iterable[str],
        metadata: Mapping[str, str] | None,
        num_cpus: float | None,
        memory_bytes: int | None,
    ) -> Self:
        """Returns the run that the arguments of `RayClient.submit` describe. Raises `InvalidRequest` as it does."""
        if not checks.utf_8("entrypoint", entrypoint).strip():
            raise InvalidRequest.field("entrypoint", "must not be empty")
        listed = checks.listed("pip", pip, "requirements")
        requirements = [checks.utf_8(f"pip.{index}", each) for index, each in enumerate(listed)]
        variables = _texts("env_vars", env_vars)
        labels = _texts("metadata", metadata)
        check_env_vars(variables)
        check_requirements(requirements)
        check_shown("entrypoint", entrypoint)
        for name, value in labels.items():
            check_shown(f"metadata.{name}", value, named=names_credential(name))
        runtime_env: dict[str, JsonValue] = {}
        if variables:
            runtime_env["env_vars"] = dict(variables)
        if requirements:
            runtime_env["pip"] = list(requirements)
        if package is not None:
            runtime_env["working_dir"] = check_package(package).uri
        resources: dict[str, JsonValue] = {}
        if num_cpus is not None:
            resources["entrypoint_num_cpus"] = checks.within("num_cpus", MAX_RUN_CPUS, num_cpus)
        if memory_bytes is not None:
            whole = checks.at_least("memory_bytes", 0, memory_bytes)
            resources["entrypoint_memory"] = checks.within("memory_bytes", MAX_RUN_MEMORY_BYTES, whole)
        return cls(submission_id, entrypoint, runtime_env, labels, resources)

    def is_same_as(self, job: RayRun) -> bool:
        """Whether the job that Ray has under this id is this one."""
        return job.entrypoint == self.entrypoint and (job.metadata or {}) == self.metadata


def _texts(field: str, values: object) -> dict[str, str]:
    # Ray accepts nothing but text, so numbers are written as text.
    return {name: checks.utf_8(f"{field}.{name}", str(value)) for name, value in checks.mapping(field, values).items()}


def check_package(package: Package) -> Package:
    """Returns the package. Raises `InvalidRequest` for anything else."""
    return checks.instance("package", Package, package, "; build_package makes one")


def check_id(submission_id: str) -> str:
    """Returns the id if Ray accepts it. Raises `InvalidRequest`: Ray would store a run that nobody can look up."""
    if not isinstance(submission_id, str) or not re.fullmatch(SUBMISSION_ID_PATTERN, submission_id):
        raise InvalidRequest.field("submission_id", f"must be {IN_WORDS[SUBMISSION_ID_PATTERN]}")
    return submission_id


async def submit(
    calls: Calls, new: NewRun, deadline: Deadline, *, look_timeout_s: float, observer: RayObserver
) -> Submission:
    """Submits the run. If the answer is lost, looks the run up, and sends it again if Ray does not have it.

    `deadline` bounds all of it, `look_timeout_s` each look-up. Raises `RunExists`, `SubmitOutcomeUnknown`,
    `RayUnreachable` (nothing was sent), and the error for what Ray answers. See docs/decisions/0007.
    """
    request = Request(
        "submit",
        "POST",
        "/api/jobs/",
        key="submission_id",
        json={
            "submission_id": new.submission_id,
            "entrypoint": new.entrypoint,
            "runtime_env": dict(new.runtime_env),
            "metadata": dict(new.metadata),
            **new.resources,
        },
    )
    problem = ""
    retry_after_s: float | None = None
    pauses = _pauses()
    for sends in range(MAX_SENDS):
        if sends:
            observer.happened("submit_resend")
            await _pause(pauses, deadline)
        # Half of the time is left for the look-up.
        sending = Deadline(deadline.left_s / 2)
        try:
            answer = await calls.exchange(request, sending, repeatable=False)
        except PathFault as fault:
            problem, retry_after_s = fault.reason, fault.retry_after_s
        except RayError as error:
            # Nothing was sent now, but the request before this one may have arrived.
            if not problem:
                raise
            problem, retry_after_s = error.message, error.retry_after_s
        else:
            if not answer.is_taken_id:
                check(answer, f"run {new.submission_id}")
                if not isinstance(answer.data, dict) or answer.data.get("submission_id") != new.submission_id:
                    raise unexpected(answer, "`submission_id`")
                observer.happened("submit", answer.endpoint)
                return Submission(submission_id=new.submission_id, endpoint=answer.endpoint)
            problem, retry_after_s = "Ray says that the submission id exists, but does not know such a run", None
        job = await _look_up(calls, new.submission_id, deadline, problem, look_timeout_s)
        if job is not None:
            if not new.is_same_as(job):
                raise RunExists(
                    f"Ray already has another run with the id {new.submission_id}; choose a new id",
                    details={"submission_id": new.submission_id, "status": job.status},
                )
            observer.happened("submit", job.endpoint)
            return Submission(submission_id=new.submission_id, endpoint=job.endpoint)
    observer.happened("submit_unknown")
    raise _unknown(new.submission_id, problem, retry_after_s)


async def _look_up(
    calls: Calls, submission_id: str, deadline: Deadline, problem: str, timeout_s: float
) -> RayRun | None:
    """Returns the job if Ray has it, and None if it does not. Asks until Ray answers.

    Raises `SubmitOutcomeUnknown` if the deadline has passed, or if another look-up cannot help.
    """
    request = Request("job", "GET", f"/api/jobs/{submission_id}", key="status")
    pauses = _pauses()
    first_error = ""
    retry_after_s: float | None = None
    while deadline.left_s > 0:
        try:
            answer = await calls.exchange(request, Deadline(min(timeout_s, deadline.left_s)))
            if answer.is_missing_job:
                return None
            check(answer, f"find {submission_id}")
            return read(RayRun, answer)
        except RayError as error:
            first_error = first_error or f"; then: {error.message}"
            retry_after_s = error.retry_after_s
            if not error.retryable or (retry_after_s or 0.0) >= deadline.left_s:
                break
        await _pause(pauses, deadline)
    raise _unknown(submission_id, problem + first_error, retry_after_s)


def _pauses() -> Backoff:
    return Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, jitter=1.0)


async def _pause(pauses: Backoff, deadline: Deadline) -> None:
    await asyncio.sleep(min(pauses.next_s(), deadline.left_s))


def _unknown(submission_id: str, problem: str, retry_after_s: float | None) -> SubmitOutcomeUnknown:
    return SubmitOutcomeUnknown(
        f"Ray may or may not run {submission_id} ({problem}); look it up later, or submit it again under the same id",
        retry_after_s=retry_after_s,
        details={"submission_id": submission_id, "cause": problem},
    )
