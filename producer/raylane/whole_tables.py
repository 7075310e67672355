"""Gets all rows of a table of an answer as a frame of pandas: from the answer, or from its file on S3."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from raylane.transfer.threads import in_thread
from raylane_common.errors import InvalidRequest, MissingPackage, RaylaneError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    import pandas as pd

    from raylane.transfer.download import Downloader
    from raylane.transfer.progress import DownloadProgress
    from raylane_common.wire.answer import AnswerFile
    from raylane_common.wire.jobs import JobRecord


async def whole_table(
    record: JobRecord, number: int, downloader: Downloader, progress: Callable[[DownloadProgress], None] | None
) -> pd.DataFrame:
    """Returns a table of the answer of a job that has ended, counted from 1. Without tables, one row with the values.

    Raises the job's own error, `InvalidRequest` if it has no such table, `MissingPackage`, `InvalidAnswer` if the file
    is not the one that the answer describes, and what downloading raises.
    """
    if record.answer is None:
        if record.error is not None:
            raise RaylaneError.from_info(record.error)
        raise InvalidRequest.field("job", f"{record.kind} job {record.id} has no answer")
    tables = record.answer.tables
    file = tables[number - 1].file if number in range(1, len(tables) + 1) else None
    if file is None:
        return await in_thread(record.answer.to_pandas, number)
    frame_of = _reader()  # looked for before gigabytes are downloaded
    with tempfile.TemporaryFile(prefix="raylane-") as parquet:
        await downloader.download(record.id, file.name, parquet, progress)
        return await in_thread(frame_of, parquet, file)


def _reader() -> Callable[[IO[bytes], AnswerFile], pd.DataFrame]:
    try:
        from raylane.answers.parquet_frame import parquet_frame
    except ModuleNotFoundError as error:
        hint = "pip install 'raylane[pandas,parquet]'"
        raise MissingPackage(f"a frame of a table with a file needs pandas and pyarrow: {hint}") from error
    return parquet_frame
