"""What a caller is told of an error: where Redis, S3 and the cluster are is for operators, and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from raylane.gateway.access.caller import Right
from raylane_common import errors
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from pydantic import JsonValue

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
_TOLD: Final = frozenset({"job_id", "may_be_running", "retry_after_s", "submission_id"})
# Details of any error that hold the text of another one: why its run could not be stopped.
_OTHER_ERRORS: Final = frozenset({"cleanup"})


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
    info = error.info()
    shown = _shown(info, caller, "cannot be used now; the log of the server says why")
    if shown is info:
        return error
    logger.warning("%s: %s", info.code, "; ".join([info.message, *map(str, _causes(info).values())]))
    return errors.RaylaneError.from_info(shown)


def told_of_job(found: FoundT, caller: Caller) -> FoundT:
    """Returns what was found of a job, with its error as the caller may see it. The worker has logged the error."""
    if found.error is None:
        return found
    shown = _shown(found.error, caller, "could not be used; the log of the worker says why")
    return found if shown is found.error else found.model_copy(update={"error": shown})


def _shown(info: errors.ErrorInfo, caller: Caller | None, problem: str) -> errors.ErrorInfo:
    """Returns what the caller may see, which is `info` itself if that is all. `problem` follows the part's name."""
    if caller is not None and caller.may(Right.OPERATE, None):
        return info
    kinds = type(errors.RaylaneError.from_info(info)).__mro__
    part = next((_PART_OF[kind] for kind in kinds if kind in _PART_OF), None)
    if part is not None:
        details = {name: value for name, value in info.details.items() if name in _TOLD}
        return info.model_copy(update={"message": f"{part} {problem}", "details": details})
    if causes := _causes(info):
        details = {name: value for name, value in info.details.items() if name not in causes}
        return info.model_copy(update={"details": details})
    return info


def _causes(info: errors.ErrorInfo) -> dict[str, JsonValue]:
    return {name: value for name, value in info.details.items() if name in _OTHER_ERRORS}
