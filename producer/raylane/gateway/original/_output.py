"""Removes from the output of a run the lines that Ray adds, and nothing else."""

from __future__ import annotations

import re
from typing import Final

NO_OUTPUT: Final = "Code executed successfully (no output)"
"""What the original app says of a script that prints nothing."""

# The whole of Ray's own format, with the tab that separates the time: a line that only quotes it stays.
_LOGGED: Final = (
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\tINFO "
    r"(?:job_manager|worker|dataset|logging|logging_progress|streaming_executor|streaming_executor_state|plan"
    r"|usage_lib|packaging|set_read_parallelism|util)\.py:\d+ -- .*"
)
_ENTRYPOINT: Final = r"Running entrypoint for job [A-Za-z0-9_-]+: .*"
_RAYS: Final = re.compile(f"(?:{_LOGGED}|{_ENTRYPOINT})")


def without_rays_lines(output: str) -> str:
    """Returns what the script printed, with its blank lines, but without the last line break."""
    kept = (line for line in output.split("\n") if not _RAYS.fullmatch(line.removesuffix("\r")))
    return "\n".join(kept).removesuffix("\n")
