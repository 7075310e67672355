"""What a caller is told of an error: where Redis, S3 and the cluster are is for operators, and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.gateway.access.caller import Right
from raylane_common import errors
from raylane_common.logs import get_logger

if TYPE_CHECKING:
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
}
# What a client needs, and what says nothing about the deployment.
_TOLD: Final = frozenset({"job_id", "retry_after_s", "submission_id"})


def told(error: errors.RaylaneError, caller: Caller | None) -> errors.RaylaneError:
    """Returns the error as the caller may see it, and logs what it may not; None is somebody who needs no token.

    The code, and whether it is retryable, stay.
    """
    part = next((_PART_OF[kind] for kind in type(error).__mro__ if kind in _PART_OF), None)
    if part is None or (caller is not None and caller.may(Right.OPERATE, None)):
        return error
    info = error.info()
    logger.warning("%s cannot be used: %s", part, info.message)
    details = {name: value for name, value in info.details.items() if name in _TOLD}
    message = f"{part} cannot be used now; the log of the server says why"
    return errors.RaylaneError.from_info(info.model_copy(update={"message": message, "details": details}))
