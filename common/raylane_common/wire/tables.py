"""`tables` jobs: list the Glue catalog, and select tables as sources of the session."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from raylane_common.rules import CatalogName
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.sources import AnySource, Column

__all__ = [
    "DatabasesResult",
    "ListDatabasesRequest",
    "ListTablesRequest",
    "SelectTablesRequest",
    "SelectedTablesResult",
    "TableRef",
    "TableSummary",
    "TablesResult",
]


class ListDatabasesRequest(BaseRequest):
    """List the catalog's databases."""

    kind: ClassVar[JobKind] = JobKind.TABLES
    needs_session: ClassVar[bool] = False

    action: Literal["databases"] = "databases"


class ListTablesRequest(BaseRequest):
    """List the tables of one database."""

    kind: ClassVar[JobKind] = JobKind.TABLES
    needs_session: ClassVar[bool] = False

    action: Literal["list"] = "list"
    database: CatalogName


class TableRef(BaseModel):
    """Names one catalog table."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    database: CatalogName
    table: CatalogName


class SelectTablesRequest(BaseRequest):
    """Add tables to the session's sources: all of them, or none."""

    kind: ClassVar[JobKind] = JobKind.TABLES

    action: Literal["select"] = "select"
    tables: tuple[TableRef, ...] = Field(min_length=1, max_length=100)


class DatabasesResult(BaseResult):
    """The names of the catalog's databases, sorted."""

    type: Literal["databases"] = "databases"
    databases: tuple[str, ...]


class TableSummary(BaseModel):
    """One table in a listing. `supported` says whether it can be selected; if not, `reason` says why."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    database: str
    table: str
    location: str | None
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    supported: bool
    reason: str | None = None


class TablesResult(BaseResult):
    """The tables of one database, sorted by name."""

    type: Literal["tables"] = "tables"
    tables: tuple[TableSummary, ...]


class SelectedTablesResult(BaseResult):
    """The sources that a selection added to the session."""

    type: Literal["selected"] = "selected"
    sources: tuple[AnySource, ...]


TablesRequest = ListDatabasesRequest | ListTablesRequest | SelectTablesRequest
AnyTablesResult = DatabasesResult | TablesResult | SelectedTablesResult


def _describe(payload: Payload) -> str:
    tables = payload.get("tables")
    if isinstance(tables, list):
        return ", ".join(f"{ref.get('database')}.{ref.get('table')}" for ref in tables if isinstance(ref, dict))
    return text(payload, "database")


KIND: Final = Kind(
    name=JobKind.TABLES,
    lane=Lane.UPLOAD,
    requests=get_args(TablesRequest),
    results=get_args(AnyTablesResult),
    describe=_describe,
)
