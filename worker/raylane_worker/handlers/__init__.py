"""Runs the jobs: one module per kind takes a typed request and a context, and returns a typed result or raises.

An attempt may be cut off at any `await`: the worker stops or dies, the lease is lost, or the time is up. The job then
runs again, so a handler repeats only what is safe to repeat; each module says what that is. Two rules make it safe:

- What a handler writes has a name that follows from the job: an S3 key, a field of the session, a submission id.
- What must not happen twice is noted in the record before it begins, as a checkpoint or as progress.

A handler that is cut off leaves its run on Ray to the next attempt. If the job was cancelled there is no next attempt,
and the kind's clean-up stops the run instead.

To add an action to a kind, change its module. To add a kind, add a module with its name and a `HANDLER`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from raylane_common.wire.base import JobKind

if TYPE_CHECKING:
    from raylane_worker.context import Handlers

HANDLERS: Final[Handlers] = {kind: import_module(f"{__name__}.{kind}").HANDLER for kind in JobKind}
