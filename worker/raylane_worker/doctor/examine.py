"""Makes all checks of a lane at once, so that one that hangs keeps none of the others."""

from __future__ import annotations

import asyncio
import time
from importlib import metadata
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RaylaneError
from raylane_common.logs import get_logger
from raylane_common.wire.base import Lane
from raylane_common.wire.checks import Check, ChecksResult, problem
from raylane_worker.doctor.aws import check_catalog, check_identity, check_storage
from raylane_worker.doctor.cluster import check_cluster
from raylane_worker.doctor.model import check_model

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from raylane_common.wire.checks import ChecksRequest
    from raylane_worker.context import JobContext

    Look = Callable[[JobContext, float], Awaitable[list[Check]]]

logger = get_logger("raylane.worker")

_S3, _GLUE, _STS, _MODEL, _RAY = "S3", "Glue", "STS", "model", "Ray"
# What the jobs of each lane use. S3 is used by all: runs get scripts from it, and write answers to it.
_LOOKS: Final[Mapping[str, Mapping[str, Look]]] = {
    Lane.UPLOAD: {_S3: check_storage, _GLUE: check_catalog, _STS: check_identity},
    Lane.GENERATE: {_S3: check_storage, _GLUE: check_catalog, _MODEL: check_model, _RAY: check_cluster},
    Lane.RAY: {_S3: check_storage, _RAY: check_cluster},
}


async def examine(request: ChecksRequest, ctx: JobContext) -> ChecksResult:
    """Returns what the checks of the job's lane have found. Raises nothing: what fails is a problem that was found."""
    looks = _LOOKS[ctx.record.lane]
    found = await asyncio.gather(*(_bounded(area, look, ctx, request.limit_s) for area, look in looks.items()))
    return ChecksResult(
        worker=ctx.record.worker or "",
        version=metadata.version("raylane"),
        at_ms=int(time.time() * 1000),
        checks=tuple(check for checks in found for check in checks),
    )


async def _bounded(area: str, look: Look, ctx: JobContext, limit_s: float) -> list[Check]:
    try:
        async with asyncio.timeout(limit_s):
            return await look(ctx, limit_s)
    except TimeoutError:
        return [problem(area, f"no answer within {limit_s:g} s", "check its address and the network of the worker")]
    except RaylaneError as error:
        return [problem(area, error.message)]
    except Exception as error:  # a bug in one check must not hide what the others have found
        logger.exception("job %s: bug in the check of %s", ctx.job_id, area)
        return [problem(area, f"{type(error).__name__} in the check; the worker's log has the traceback")]
