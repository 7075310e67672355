"""Idempotency keys of clients as ids of jobs."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from raylane_common.errors import JobIdTaken

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID_DIGITS: Final = 32


@contextmanager
def job_id_for(tool: str, session_id: str, key: str | None) -> Iterator[str | None]:
    """Yields the id of the job that a call with this key makes; None without a key.

    Ids of jobs are shared by all sessions. This one is a hash with the session, so that with the keys of its own
    sessions a caller neither meets the jobs of others nor learns which there are. In the block, `JobIdTaken` is raised
    in the words of whoever sent the key.
    """
    if key is None:
        yield None
        return
    digest = hashlib.sha256("\0".join(("mcp", tool, session_id, key)).encode("utf-8", "surrogatepass")).hexdigest()
    try:
        yield digest[:_ID_DIGITS]
    except JobIdTaken as error:
        problem = f"the idempotency_key {key!r} belongs to another call of {tool} in this session; use another one"
        raise JobIdTaken(problem, details=error.details) from error
