"""Collects the answer of a run from S3, with the places and sizes of its files.

A run may write anything below its output prefix, so what it wrote is checked before anybody gets it.
See docs/decisions/0039.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raylane_common.errors import StorageError, StorageRejected
from raylane_common.logs import get_logger
from raylane_common.wire.answer import Answer, AnswerFile, AnswerItem, AnswerTable
from raylane_worker.runs.answer_document import ANSWER_NAME, MAX_BYTES, invalid_answer, read_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane_common.ray.models import Run
    from raylane_worker.context import JobContext
    from raylane_worker.data.storage.outputs import Outputs, SmallObject

logger = get_logger("raylane.worker")

# Checking more takes longer than other jobs should wait for the event loop.
_BYTES_ON_THE_LOOP: Final = 16 * 1024
# The clocks of S3 and of the cluster may differ by this much. A record, with the id of its run, is kept for longer.
_CLOCKS_DIFFER_MS: Final = 10 * 60 * 1000


async def collect_answer(run: Run, ctx: JobContext) -> Answer | None:
    """Returns the answer of a run that succeeded; None if it gave none, or had no place for it.

    Raises `InvalidAnswer` for what is not an answer, or names files that the run did not write, and a `StorageError`.
    After the latter, another attempt or `raylane retry` finds the same run and collects its answer.
    """
    if run.output_uri is None:
        return None
    try:
        return await _collect(run, run.output_uri, ctx)
    except StorageError as error:
        # The run has succeeded, so a job that starts over would run its code again.
        error.outside_job = True
        raise


async def _collect(run: Run, output_uri: str, ctx: JobContext) -> Answer | None:
    bucket, _, prefix = output_uri.removeprefix("s3://").partition("/")
    place = await _find(bucket, prefix, ctx)
    if place is None:
        return None
    bucket, outputs, found = place
    if run.started_at_ms is not None and found.written_at_ms < run.started_at_ms - _CLOCKS_DIFFER_MS:
        # An earlier job of the session had the same id, and its run wrote it.
        return None
    if found.data is None:
        raise invalid_answer(f"it has {found.size_bytes:,} bytes; at most {MAX_BYTES:,} are allowed")
    if len(found.data) <= _BYTES_ON_THE_LOOP:
        answer = read_answer(found.data)
    else:
        answer = await asyncio.to_thread(read_answer, found.data)
    if not answer.files:
        return answer
    names = {file.name for file in answer.files}
    return _with_files(answer, f"s3://{bucket}/{prefix}", await outputs.sizes(prefix, names))


async def _find(bucket: str, prefix: str, ctx: JobContext) -> tuple[str, Outputs, SmallObject] | None:
    """Returns the bucket in which the answer is, the outputs of runs there, and the answer; None if there is none.

    Raises a `StorageError`. An earlier bucket that refuses is left out with a warning.
    """
    storage, key = await ctx.storage(), f"{prefix}{ANSWER_NAME}"
    outputs = storage.at(bucket).outputs
    found = await outputs.read(key, MAX_BYTES)
    if found is not None:
        return bucket, outputs, found
    # An earlier attempt may have started the run before `storage.bucket` was changed.
    for other in ctx.resources.settings.storage.allowed_buckets:
        outputs = storage.at(other).outputs
        try:
            found = None if other == bucket else await outputs.read(key, MAX_BYTES)
        except StorageRejected as error:
            logger.warning("%s may be in bucket %s, which cannot be read: %s", key, other, error)
            continue
        if found is not None:
            return other, outputs, found
    return None


def _with_files(answer: Answer, uri: str, sizes: Mapping[str, int]) -> Answer:
    """Returns the answer with the place and the size of each file. Raises `InvalidAnswer` if one does not exist."""

    def placed(file: AnswerFile) -> AnswerFile:
        if file.name not in sizes:
            raise invalid_answer(f"it names a file that the run did not write: {file.name[:100]!r}")
        return file.model_copy(update={"s3_uri": f"{uri}{file.name}", "size_bytes": sizes[file.name]})

    def with_file(item: AnswerItem) -> AnswerItem:
        if isinstance(item, AnswerTable) and item.file is not None:
            return item.model_copy(update={"file": placed(item.file)})
        return placed(item) if isinstance(item, AnswerFile) else item

    return answer.model_copy(update={"items": tuple(map(with_file, answer.items))})
