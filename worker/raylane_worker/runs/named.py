"""Names the run of a version of code, and finds in the job's record how far an earlier attempt came with it.

The name follows from the job, so that each attempt finds the run that an earlier one started. The code may also be
given to a warm run, whose name the record then has. See docs/decisions/0007 and 0040.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from raylane_common.wire.jobs import RUNNING as RUNNING
from raylane_common.wire.jobs import SUBMITTING as SUBMITTING

if TYPE_CHECKING:
    from raylane_worker.context import JobContext

_FOR: Final = "for"


def submission_id(job_id: str, number: int, round: int) -> str:
    """Returns the run's id on the cluster. It is the same in every attempt, but different in each `round`.

    `number` distinguishes the runs of one job. `round` is how many times the job was requeued to start over.
    """
    return f"rl-{job_id}-{number}r{round}" if round else f"rl-{job_id}-{number}"


@dataclass(frozen=True)
class NamedRun:
    """A run. `own_id` follows from the job; `run_id` is the same, or that of the warm run that has or gets the code.

    `was_sent` says that an earlier attempt may have started the run, and `was_accepted` that it certainly has.
    """

    own_id: str
    run_id: str
    was_sent: bool = False
    was_accepted: bool = False

    @classmethod
    def of(cls, own_id: str, ctx: JobContext) -> Self:
        """Returns the run that the job's record names for the version with this id."""
        progress = ctx.record.progress
        stage, words = ("", [""]) if progress is None else (progress.stage, progress.message.split(" "))
        run_id = words[0] if words[1:3] == [_FOR, own_id] else own_id
        is_named = words[0] == run_id
        return cls(own_id, run_id, is_named and stage == SUBMITTING, is_named and stage == RUNNING)

    @property
    def is_warm(self) -> bool:
        """Whether the run was submitted before the job needed it."""
        return self.run_id != self.own_id

    @property
    def label(self) -> str:
        """How a job's progress names the run, at its beginning."""
        return f"{self.run_id} {_FOR} {self.own_id}" if self.is_warm else self.run_id
