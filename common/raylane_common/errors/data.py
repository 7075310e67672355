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
    """The file cannot be read without a doubt; the message names the line or column.

    What to do: say how the file is written (see `raylane upload --help`), or correct it, and upload it again.
    """

    code = "invalid_file"


class StorageError(RaylaneError):
    """A problem with object storage (S3)."""


class StorageUnavailable(StorageError):
    """Object storage did not answer, or asked us to try again later.

    What to do: check `RAYLANE_AWS__ENDPOINT_URL` and the service.
    """

    code = "storage_unavailable"
    retryable_by_default = True


class StorageRejected(StorageError):
    """Object storage refused the request: no such bucket, no permission, or bad credentials.

    What to do: check `RAYLANE_STORAGE__BUCKET` and the worker's role.
    """

    code = "storage_rejected"


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


class UnsupportedFormat(CatalogError):
    """Generated code cannot read the source's format or SerDe.

    What to do: choose another table, or upgrade the worker if a newer version added the source.
    """

    code = "unsupported_format"
