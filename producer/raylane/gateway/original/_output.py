"""Removes from the output of a run what Ray adds to it, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.wire.jobs import EventType

if TYPE_CHECKING:
    from raylane.handle import JobHandle
    from raylane_common.ray.models import Run

NO_OUTPUT: Final = "Code executed successfully (no output)"
"""What the original app says of a script that prints nothing."""
_GAP: Final = "… (some lines are no longer kept)"

# The whole of Ray's own format, with the tab after the time: a line that only quotes it stays.
_LOGGED: Final = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\tINFO "
    r"(?:dataset|job_manager|logging|logging_progress|packaging|plan|set_read_parallelism|streaming_executor"
    r"|streaming_executor_state|usage_lib|util|worker)\.py:\d+ -- .*"
)


def printed_by(run: Run) -> str:
    """Returns what the script printed, with its blank lines, but without the last line break."""
    return _cleaned(run.output_tail, run)


async def all_printed_by(run: Run, job: JobHandle[object]) -> str:
    """Returns the same, but all of it that is kept: the job's events have more than the run. Raises `JobNotFound`."""
    if not run.output_truncated:
        return printed_by(run)
    lines: list[str] = []
    async for event in job.follow():
        if event.line is not None:
            lines.append(event.line)
        elif event.type == EventType.GAP:
            lines.append(_GAP)
    streamed, tail = "\n".join(lines).rstrip("\n"), run.output_tail.rstrip("\n")
    # Only the beginning of a long output is in the events.
    return _cleaned(streamed if streamed.endswith(tail) else f"{streamed}\n{tail}", run)


def _cleaned(output: str, run: Run) -> str:
    # Ray writes this while the script prints, so it may be in the middle of a line.
    begun = re.compile(rf"Running entrypoint for job {re.escape(run.submission_id)}: .*\n?")
    kept = (line for line in begun.sub("", output).split("\n") if not _LOGGED.fullmatch(line.removesuffix("\r")))
    return "\n".join(kept).removesuffix("\n")
