"""Errors of sources, object storage and the table catalog."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class SourceError(RaylaneError):
    """Something about a session's sources."""


class NoSources(SourceError):
    """The session has no source to read; upload a CSV or select a table first."""

    code = "no_sources"


class InvalidCsv(SourceError):
    """The file cannot be read as a CSV with a header."""

    code = "invalid_csv"


class StorageError(RaylaneError):
    """Object storage (S3)."""


class StorageUnavailable(StorageError):
    """Object storage did not answer, or asked to be tried again."""

    code = "storage_unavailable"
    retryable_by_default = True


class StorageRejected(StorageError):
    """Object storage refused: no such bucket, no permission, bad credentials."""

    code = "storage_rejected"


class CatalogError(RaylaneError):
    """The table catalog (Glue)."""


class CatalogUnavailable(CatalogError):
    """The catalog did not answer, or asked to be tried again."""

    code = "catalog_unavailable"
    retryable_by_default = True


class CatalogRejected(CatalogError):
    """The catalog refused: no permission, bad credentials, bad name."""

    code = "catalog_rejected"


class TableNotFound(CatalogError):
    """No such database or table in the catalog; `details["missing"]` lists the names."""

    code = "table_not_found"


class UnsupportedFormat(CatalogError):
    """The table's format or SerDe is not one that generated code can read."""

    code = "unsupported_format"
