"""Files as the worker reads them, and the sources that they become."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import FileSource, PreparedCopy
from raylane_worker.data.layout import original_key, prepared_key
from raylane_worker.data.prepare import read_file


def uploaded(
    filename: str,
    data: bytes,
    *,
    bucket: str,
    session_id: str,
    options: ReadingOptions | None = None,
    share_samples: bool = False,
) -> tuple[FileSource, dict[str, bytes]]:
    """Returns the source that an upload of the file makes, and the objects that it writes, by their keys."""
    key, copy_key = original_key(session_id, filename), prepared_key(session_id, filename)
    with TemporaryDirectory() as directory:
        path, copy = Path(directory, "file"), Path(directory, "copy")
        path.write_bytes(data)
        options = options or ReadingOptions()
        found = read_file(path, filename, options, copy_to=copy, share_samples=share_samples)
        objects = {key: data} | ({copy_key: copy.read_bytes()} if found.reasons else {})
    prepared = PreparedCopy(
        s3_uri=f"s3://{bucket}/{copy_key}", size_bytes=len(objects.get(copy_key, b"")), reasons=found.reasons
    )
    source = FileSource(
        filename=filename,
        s3_uri=f"s3://{bucket}/{key}",
        size_bytes=len(data),
        rows=found.rows,
        reading=found.reading,
        prepared=prepared if found.reasons else None,
        columns=found.columns,
        warnings=found.warnings,
        job_id="j",
    )
    return source, objects
