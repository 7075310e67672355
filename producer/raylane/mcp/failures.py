"""Errors as results of tools: our code, what happened, and what to do. Never a traceback."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

from mcp.types import CallToolResult, TextContent

from raylane.mcp.untrusted import marked
from raylane_common.errors import (
    AccessError,
    InternalError,
    JobIdTaken,
    JobNotFound,
    MissingPackage,
    QueueUnavailable,
    RaylaneError,
)
from raylane_common.safe_text import safe_text

if TYPE_CHECKING:
    from pydantic import JsonValue

_REMEDY: Final = "What to do:"
_MAX_MESSAGE: Final = 4000
# What the library calls the id of a job, a client of a tool gives as a key.
_IN_WORDS: Final = {
    "`job_id` (`details.job_id`)": "`idempotency_key`",
    "`job_id`": "`idempotency_key`",
    "`raylane history`": "list_jobs",
    "`raylane remove NAME`": "remove_source",
    "`raylane rerun JOB`": "a new call of ask",
    "`raylane retry JOB`": "a new call",
    "`raylane sources`": "list_sources",
    "`raylane tables list DATABASE`": "list_tables",
    "`raylane tables select`": "add_tables",
}
# Their messages name ids and addresses, and nothing from a file.
_OWN: Final = (AccessError, JobIdTaken, JobNotFound, MissingPackage, QueueUnavailable)


def error_result(error: RaylaneError, job_id: str | None = None, *, is_own: bool = False) -> CallToolResult:
    """Returns the result of a call that failed. `job_id` is the job that it is about, if there is one.

    The message may quote data, so it is marked as such, unless it is Raylane's own (`is_own`).
    """
    info = error.info()
    message = safe_text(info.message)[:_MAX_MESSAGE]
    is_own = is_own or isinstance(error, _OWN)
    lines = [f"error [{info.code}]: {message}" if is_own else f"error [{info.code}]\n{marked(message)}"]
    if remedy := remedy_of(error):
        lines.append(f"What to do: {remedy}")
    if info.retryable:
        lines.append("The same call may succeed later.")
    if job_id is not None:
        lines.append(f"job_id: {job_id}")
    about: dict[str, JsonValue] = {"code": info.code, "retryable": info.retryable}
    if job_id is not None:
        about["job_id"] = job_id
    return CallToolResult(content=[TextContent(text="\n".join(lines))], is_error=True, _meta={"raylane/error": about})


def remedy_of(error: RaylaneError) -> str:
    """Returns what to do about an error, as docs/errors.md says it, in the words of clients; '' if it is not known."""
    text = inspect.cleandoc(type(error).__doc__ or "")
    remedy = " ".join(text.partition(_REMEDY)[2].partition("\n\n")[0].split())
    for ours, theirs in _IN_WORDS.items():
        remedy = remedy.replace(ours, theirs)
    return remedy


def defect(where: str) -> RaylaneError:
    """Returns the error for a bug of Raylane, whose traceback is in the log alone."""
    return InternalError(f"a bug in Raylane at {where}; the log of the server says where. Please report it")
