"""Makes the jobs of files: what a caller says about a file to upload, and the requests for it."""

from __future__ import annotations

import hashlib
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING

from raylane import arguments
from raylane.options import make_job
from raylane_common import checks
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.upload import PreviewRequest, ReadInPlaceRequest, UploadRequest

if TYPE_CHECKING:
    from typing import Unpack

    from raylane.options import JobOptions
    from raylane_common.wire.jobs import NewJob


def new_upload(
    data: bytes | str,
    *,
    filename: str,
    session_id: str,
    reading: ReadingOptions | None = None,
    **options: Unpack[JobOptions],
) -> NewJob:
    """Returns a validated upload of up to 8 MiB for `Producer.enqueue_many`.

    `data` is the content; text is encoded as UTF-8. `filename` is its name in the session `session_id`. `reading` says
    how the file is written; Raylane finds out the rest. Raises `InvalidRequest` that names the field.

    Example:
        jobs = [new_upload(data, filename=name, session_id="ada") for name in ("may.csv", "june.csv")]
        outcomes = await producer.enqueue_many(jobs)
        print([outcome.id for outcome in outcomes])
    """
    content = arguments.data(data)
    arguments.check_size("data", len(content), MAX_STAGED_BYTES)
    session_id = arguments.session_id(session_id)
    return GivenFile(options, session_id=session_id, filename=filename, reading=reading).staged(content)


@dataclass(frozen=True)
class GivenFile:
    """Everything that a caller says about a file to upload, except its bytes.

    `options` are those of the job. `filename` is the name in the session `session_id`; if it is None, the name comes
    with the data. `reading` says how the file is written. A preview only reads the file.
    """

    options: JobOptions
    _: KW_ONLY
    session_id: str | None
    filename: str | None
    reading: ReadingOptions | None = None
    is_preview: bool = False

    def named(self, name: str | None) -> GivenFile:
        """Returns this file with `name` if the caller gave none. Raises `InvalidRequest` if there is none either."""
        if self.filename is not None:
            return self
        if name is None:
            raise InvalidRequest.field("filename", "required, because bytes have no name; pass filename='sales.csv'")
        return replace(self, filename=name)

    def staged(self, content: bytes) -> NewJob:
        """Returns the job for `content` that is staged with it. Raises what `make_job` raises."""
        return self.job(len(content), hashlib.sha256(content).hexdigest(), body=content)

    def job(self, size_bytes: int, sha256: str, *, transfer_id: str | None = None, body: bytes = b"") -> NewJob:
        """Returns the job for content of this size and SHA-256. Raises what `make_job` raises.

        The bytes are the `body`, or the parts of the transfer `transfer_id`.
        """
        request_type = PreviewRequest if self.is_preview else UploadRequest
        reading = ReadingOptions() if self.reading is None else checks.instance("reading", ReadingOptions, self.reading)
        with invalid_requests():
            request = request_type.model_validate(
                {
                    "filename": self.filename,
                    "size_bytes": size_bytes,
                    "sha256": sha256,
                    "reading": reading,
                    "transfer_id": transfer_id,
                }
            )
        return make_job(request, self.options, session_id=self.session_id, body=body)


def in_place_request(s3_uri: str, filename: str | None, reading: ReadingOptions | None) -> ReadInPlaceRequest:
    """Returns the request for an object that is already on S3. Raises `InvalidRequest` that names the field.

    `filename` is its name in the session, by default the last part of its key, and `reading` says how it is written.
    """
    said = ReadingOptions() if reading is None else checks.instance("reading", ReadingOptions, reading)
    name = s3_uri.rpartition("/")[2] if filename is None else filename
    with invalid_requests():
        return ReadInPlaceRequest(s3_uri=s3_uri, filename=name, reading=said)
