"""Runs the jobs: one module per kind takes a typed request and a context, and returns a typed result or raises.

An attempt may be interrupted at any `await`: the worker stops or dies, the lease is lost, or the time is up. The job
then runs again, so a handler must only do what is safe to repeat. Each module says why that is so. There are two rules:

- The name of everything that a handler writes follows from the job: an S3 key, a session field, a submission id.
- What must not happen twice is written to the record before it begins, as a checkpoint or as progress.

A handler that is interrupted leaves its run on Ray to the next attempt. If the job was cancelled there is no next
attempt, and the kind's clean-up stops the run.

To add an action to a kind, change its module. To add a kind, add a module with its name and a `HANDLER`.
See docs/decisions/0010.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from raylane_common.wire.base import JobKind

if TYPE_CHECKING:
    from raylane_worker.context import Handlers

HANDLERS: Final[Handlers] = {kind: import_module(f"{__name__}.{kind}").HANDLER for kind in JobKind}
