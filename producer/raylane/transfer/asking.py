"""Has a worker begin a transfer or sign addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import WaitTimeout

if TYPE_CHECKING:
    from raylane.options import Enqueuer, ResultT
    from raylane_common.wire.upload import SignFilesRequest, SignPartsRequest, StartTransferRequest


async def ask(
    jobs: Enqueuer,
    request: StartTransferRequest | SignPartsRequest | SignFilesRequest,
    result_type: type[ResultT],
    *,
    timeout_s: float,
) -> ResultT:
    """Has a worker carry out the request, and returns the result.

    Raises `WaitTimeout` if none has done so within `timeout_s` seconds, and the job's own error.
    """
    handle = await jobs.enqueue(request, result_type, {"priority": "high"})
    try:
        return await handle.result(timeout_s)
    except WaitTimeout as error:
        await handle.cancel()
        problem = f"no worker has started the transfer within {timeout_s:g} s"
        hint = "start a worker for the lane upload, or raise RAYLANE_UPLOADS__START_TIMEOUT_S"
        raise WaitTimeout(f"{problem}; {hint}", details=error.details) from error
