"""Errors of sources, object storage and the table catalog."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class SourceError(RaylaneError):
    """A problem with a session's sources."""


class NoSources(SourceError):
    """The session has no sources.

    What to do: upload a file or select a table first.
    """

    code = "no_sources"


class InvalidFile(SourceError):
    """The file cannot be read, or could be read in more than one way; the message names the line or the column.

    What to do: say how the file is written (see `raylane upload --help`), or correct it, and upload it again.
    """

    code = "invalid_file"


class SourceReplaced(SourceError):
    """A newer upload has replaced the file, or a purge has deleted it; `details["job_id"]` names the job that did.

    What to do: use the newer source, or upload the file again.
    """

    code = "source_replaced"


class SessionFull(SourceError):
    """The session would have more sources or more bytes than it may; the message says how many and what to remove.

    What to do: `raylane remove NAME`, `raylane reset`, or a higher limit in `RAYLANE_SESSIONS__…`.
    """

    code = "session_full"


class StorageError(RaylaneError):
    """A problem with object storage (S3)."""


class StorageUnavailable(StorageError):
    """Object storage did not answer, or asked us to try again later.

    What to do: check `RAYLANE_AWS__ENDPOINT_URL` and the service.
    """

    code = "storage_unavailable"
    retryable_by_default = True


class StorageRejected(StorageError):
    """Object storage refused the request; the message says why, such as a wrong region, clock or key.

    What to do: do what the message says.
    """

    code = "storage_rejected"


class StorageThrottled(StorageUnavailable):
    """Object storage asked for fewer requests; `retry_after_s` is the pause that it asked for, if it named one.

    What to do: nothing, the job is tried again. If it lasts, lower `RAYLANE_LANES__UPLOAD__CONCURRENCY`.
    """

    code = "storage_throttled"


class BucketNotFound(StorageRejected):
    """The bucket does not exist.

    What to do: correct `RAYLANE_STORAGE__BUCKET`, create the bucket, or set `RAYLANE_STORAGE__CREATE_BUCKET`.
    """

    code = "bucket_not_found"


class StorageDenied(StorageRejected):
    """The worker may not do this in object storage; the message names the permission.

    What to do: grant the permission to the worker's role; docs/security.md has the whole policy.
    """

    code = "storage_denied"


class StorageCredentials(StorageRejected):
    """The worker has no credentials for object storage, or they are wrong or have expired.

    What to do: set `RAYLANE_AWS__ACCESS_KEY_ID` and `RAYLANE_AWS__SECRET_ACCESS_KEY`, or give the worker a role.
    """

    code = "storage_credentials"


class AnswerFileGone(StorageError):
    """A file of an answer is no longer on S3 as the run wrote it: it was deleted or replaced.

    What to do: `raylane rerun JOB`, which computes the answer again.
    """

    code = "answer_file_gone"


class DiskFull(RaylaneError):
    """The machine of the producer has too little disk space for a file that is downloaded.

    What to do: free some, or download the file to another place.
    """

    code = "disk_full"


class CatalogError(RaylaneError):
    """A problem with the table catalog (Glue)."""


class CatalogUnavailable(CatalogError):
    """The catalog did not answer, or asked us to try again later.

    What to do: check `RAYLANE_AWS__ENDPOINT_URL`, the region and the service.
    """

    code = "catalog_unavailable"
    retryable_by_default = True


class CatalogRejected(CatalogError):
    """The catalog refused the request: no permission, bad credentials, or a bad name.

    What to do: check the worker's role and `RAYLANE_AWS__REGION`.
    """

    code = "catalog_rejected"


class TableNotFound(CatalogError):
    """The catalog has no such database or table; `details["missing"]` lists the names.

    What to do: `raylane tables list DATABASE` shows the names.
    """

    code = "table_not_found"


class TableChanged(CatalogError):
    """The table has changed in the catalog since it was selected.

    What to do: select the table again with `raylane tables select`.
    """

    code = "table_changed"


class UnsupportedFormat(CatalogError):
    """Generated code cannot read the source's format or SerDe.

    What to do: choose another table, or upgrade the worker if a newer version added the source.
    """

    code = "unsupported_format"
