"""Signs the addresses of files of an answer. It changes nothing, so it is safe to repeat. See docs/decisions/0037."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import AnswerFileGone, InvalidRequest, JobNotFound
from raylane_common.rules import is_s3_uri
from raylane_common.wire.base import JobKind
from raylane_common.wire.upload import SignedFilesResult
from raylane_worker.data.layout import run_prefix

if TYPE_CHECKING:
    from raylane_common.wire.answer import AnswerFile
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.upload import FileUrl, SignFilesRequest
    from raylane_worker.context import JobContext


async def sign(request: SignFilesRequest, ctx: JobContext) -> SignedFilesResult:
    """Returns an address for each of the files.

    Raises `JobNotFound` if the session has no such job, `NotFound` if the answer has no such file, `InvalidRequest` if
    it names an object that is not one of its run, `AnswerFileGone`, and a `StorageError`.
    """
    record = await ctx.record_of(request.job_id)
    if record.session_id != request.of_session:
        # As for a job that does not exist: what other sessions have is nobody's business.
        problem = f"session {request.of_session} has no job {request.job_id}"
        raise JobNotFound(problem, details={"job_id": request.job_id})
    valid_s = ctx.resources.settings.uploads.url_ttl_s
    # All names are checked before the first address is signed.
    places = [(file, _place(file, record, ctx)) for file in map(record.answer_file, request.names)]
    files = [await _signed(file, *place, record, valid_s, ctx) for file, place in places]
    return SignedFilesResult(files=tuple(files), valid_s=valid_s)


async def _signed(file: AnswerFile, bucket: str, key: str, record: JobRecord, valid_s: int, ctx: JobContext) -> FileUrl:
    signed = await (await ctx.storage()).at(bucket).downloads.sign(file.name, key, valid_s)
    if signed is None:
        raise _gone(record, file, "has been deleted from S3, by a purge or a rule of the bucket")
    if file.size_bytes and signed.size_bytes != file.size_bytes:
        raise _gone(record, file, f"has been replaced: it had {file.size_bytes} bytes, and has {signed.size_bytes}")
    return signed


def _place(file: AnswerFile, record: JobRecord, ctx: JobContext) -> tuple[str, str]:
    """Returns the bucket and the key of the file.

    An address is signed with the worker's own rights, and the script has written the answer. So nothing but an object
    directly below the prefix of the record's own run is taken, in a bucket of the deployment.
    """
    storage = ctx.resources.settings.storage
    bucket, _, key = file.s3_uri.removeprefix("s3://").partition("/")
    run = record.run
    is_own = (
        run is not None
        and record.session_id is not None
        and bucket in (storage.bucket, *storage.allowed_buckets)
        and "/" not in file.name
        and key == f"{run_prefix(record.session_id, run.submission_id)}{file.name}"
    )
    if not is_own or not is_s3_uri(file.s3_uri):
        raise InvalidRequest.field("name", f"{file.s3_uri!r} is not a file of the run of job {record.id}")
    return bucket, key


def _gone(record: JobRecord, file: AnswerFile, what: str) -> AnswerFileGone:
    again = (
        f"`raylane rerun {record.id}` computes it again" if record.kind == JobKind.GENERATE else "run the script again"
    )
    message = f"{file.name} of job {record.id} {what}; {again}"
    return AnswerFileGone(message, details={"job_id": record.id, "name": file.name})
