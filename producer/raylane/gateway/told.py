"""What a caller is told of an error: where Redis, S3 and the cluster are is for operators, and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from raylane.gateway.access.caller import Right
from raylane_common import errors
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from raylane.gateway.access.caller import Caller

logger: Final = get_logger("raylane.gateway")

# The text of these may name hosts, paths, roles and users of the deployment.
_PART_OF: Final[dict[type[errors.RaylaneError], str]] = {
    errors.QueueUnavailable: "Redis",
    errors.StorageUnavailable: "object storage",
    errors.StorageRejected: "object storage",
    errors.CatalogUnavailable: "the catalog",
    errors.CatalogRejected: "the catalog",
    errors.RayUnreachable: "the cluster",
    errors.RayAuth: "the cluster",
    errors.RayRejected: "the cluster",
    errors.RayServerError: "the cluster",
    errors.SubmitOutcomeUnknown: "the cluster",
    errors.DiskFull: "the disk of the gateway",
    errors.ScratchFull: "the disk of the worker",
    errors.ModelMisconfigured: "the model",
}
# What a client needs, and what says nothing about the deployment.
_TOLD: Final = frozenset({"job_id", "retry_after_s", "submission_id"})


class _OfJob(Protocol):
    """A record, a summary, an event, an attempt, or an entry of the history."""

    @property
    def error(self) -> errors.ErrorInfo | None: ...

    def model_copy(self, *, update: Mapping[str, object]) -> Self: ...


FoundT = TypeVar("FoundT", bound=_OfJob)


def told(error: errors.RaylaneError, caller: Caller | None) -> errors.RaylaneError:
    """Returns the error as the caller may see it, and logs what it may not; None is somebody who needs no token.

    The code, and whether it is retryable, stay.
    """
    part = _hidden_part(error, caller)
    if part is None:
        return error
    info = error.info()
    logger.warning("%s cannot be used: %s", part, info.message)
    message = f"{part} cannot be used now; the log of the server says why"
    return errors.RaylaneError.from_info(_without_addresses(info, message))


def told_of_job(found: FoundT, caller: Caller) -> FoundT:
    """Returns what was found of a job, with its error as the caller may see it. The worker has logged the error."""
    part = None if found.error is None else _hidden_part(errors.RaylaneError.from_info(found.error), caller)
    if found.error is None or part is None:
        return found
    message = f"{part} could not be used; the log of the worker says why"
    return found.model_copy(update={"error": _without_addresses(found.error, message)})


def _hidden_part(error: errors.RaylaneError, caller: Caller | None) -> str | None:
    """Returns the part of the deployment that the error is about; None if the caller may know all of it."""
    if caller is not None and caller.may(Right.OPERATE, None):
        return None
    return next((_PART_OF[kind] for kind in type(error).__mro__ if kind in _PART_OF), None)


def _without_addresses(info: errors.ErrorInfo, message: str) -> errors.ErrorInfo:
    details = {name: value for name, value in info.details.items() if name in _TOLD}
    return info.model_copy(update={"message": message, "details": details})
