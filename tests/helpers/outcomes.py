"""What a worker that has nothing to work with returns for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidFile
from raylane_common.ray.models import RayHealth, RayRun, RayVersion, RunStatus
from raylane_common.wire import ray, tables, upload
from raylane_common.wire.checks import ChecksRequest, ChecksResult
from raylane_common.wire.generate import GenerateRequest
from tests.unit.producer.samples import GENERATED, PREVIEWED, RUN, TABLE, UPLOADED

if TYPE_CHECKING:
    from raylane_common.wire.base import BaseRequest
    from raylane_common.wire.kinds import Result
    from raylane_worker.context import JobContext

_RUN: Final = RayRun(submission_id="rl-1", status=RunStatus.STOPPED)
_URLS: Final = (upload.PartUrl(number=1, url="https://s3.example/1", headers={"x-amz-acl": "private"}),)
_RESULTS: Final[dict[type[BaseRequest], Result]] = {
    GenerateRequest: GENERATED,
    upload.UploadRequest: UPLOADED,
    upload.ReadInPlaceRequest: UPLOADED,
    upload.PreviewRequest: PREVIEWED,
    upload.PurgeRequest: upload.PurgeResult(sources=1, objects=2, bytes=2048, uploads=0),
    upload.StartTransferRequest: upload.TransferResult(upload_id="u", part_bytes=5_242_880, urls=_URLS, valid_s=60),
    upload.SignPartsRequest: upload.SignedPartsResult(urls=_URLS, valid_s=60),
    tables.ListDatabasesRequest: tables.DatabasesResult(databases=("shop",)),
    tables.ListTablesRequest: tables.TablesResult(tables=()),
    tables.SelectTablesRequest: tables.SelectedTablesResult(sources=(TABLE,)),
    tables.DeselectTablesRequest: tables.DeselectedTablesResult(tables=()),
    ray.RayStatusRequest: ray.RayStatusResult(
        version=RayVersion(ray_version="2.60.0"), endpoint="private", endpoints=()
    ),
    ray.RayEndpointsRequest: ray.RayEndpointsResult(endpoints=()),
    ray.RayClusterRequest: ray.RayClusterResult(
        health=RayHealth(ray_version="2.60.0", gcs_ok=True), nodes=(), status=""
    ),
    ray.RayRunsRequest: ray.RayRunsResult(runs=(_RUN,), total=1),
    ray.RayRunRequest: ray.RayRunResult(run=_RUN),
    ray.RayLogsRequest: ray.RayLogsResult(submission_id="rl-1", logs="", truncated=False),
    ray.RayStopRequest: ray.RayStopResult(stopped=True, run=_RUN),
    ray.RayDeleteRequest: ray.RayDeleteResult(deleted=True),
    ray.RaySubmitRequest: ray.RaySubmitResult(run=RUN),
}


async def usual_outcome(request: BaseRequest, ctx: JobContext) -> Result:
    """Returns a result that fits the request. Raises `InvalidFile` if there is none."""
    if isinstance(request, ChecksRequest):
        return ChecksResult(worker="w1", version="0.1.0", at_ms=ctx.record.enqueued_at, checks=())
    if type(request) not in _RESULTS:
        raise InvalidFile(f"nothing fits {type(request).__name__}")
    return _RESULTS[type(request)]
