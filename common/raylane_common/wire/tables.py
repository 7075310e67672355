"""`tables` jobs: list the Glue catalog, and select or deselect tables as sources of the session."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args

from pydantic import ConfigDict, Field

from raylane_common.model import Model
from raylane_common.rules import CatalogName
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.sources import AnySource, Column

__all__ = [
    "DatabasesResult",
    "DeselectTablesRequest",
    "DeselectedTablesResult",
    "ListDatabasesRequest",
    "ListTablesRequest",
    "SelectTablesRequest",
    "SelectedTablesResult",
    "TableRef",
    "TableSummary",
    "TablesResult",
]


_LIMIT: Final = 100
_MAX_LIMIT: Final = 1000


class Listing(BaseRequest):
    """What the listings of databases and tables have in common."""

    kind: ClassVar[JobKind] = JobKind.TABLES
    needs_session: ClassVar[bool] = False
    is_look: ClassVar[bool] = True

    pattern: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        exclude_if=lambda pattern: pattern is None,
        description="Which names to list: `*` matches any text, `?` any character; case does not matter",
    )
    limit: int = Field(default=_LIMIT, ge=1, le=_MAX_LIMIT, description="Maximum number of names in the result")
    cursor: str | None = Field(
        default=None,
        max_length=65_536,
        exclude_if=lambda cursor: cursor is None,
        description="`next_cursor` of the page before",
    )


class ListDatabasesRequest(Listing):
    """List the catalog's databases."""

    action: Literal["databases"] = "databases"


class ListTablesRequest(Listing):
    """List the tables of one database."""

    action: Literal["list"] = "list"
    database: CatalogName


class TableRef(Model):
    """Names one catalog table."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    database: CatalogName
    table: CatalogName


class SelectTablesRequest(BaseRequest):
    """Add tables to the session's sources: all of them, or none."""

    kind: ClassVar[JobKind] = JobKind.TABLES

    action: Literal["select"] = "select"
    tables: tuple[TableRef, ...] = Field(min_length=1, max_length=100)


class DeselectTablesRequest(BaseRequest):
    """Remove tables from the session's sources: all of them, or none."""

    kind: ClassVar[JobKind] = JobKind.TABLES

    action: Literal["deselect"] = "deselect"
    tables: tuple[TableRef, ...] = Field(min_length=1, max_length=100)


class DatabasesResult(BaseResult):
    """One page of the names of the catalog's databases, sorted."""

    type: Literal["databases"] = "databases"
    databases: tuple[str, ...]
    next_cursor: str | None = Field(default=None, description="For the next page; None after the last")


class TableSummary(Model):
    """One table in a listing. `supported` says whether it can be selected; if not, `reason` says why."""

    database: str
    table: str
    location: str | None
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    supported: bool
    reason: str | None = None


class TablesResult(BaseResult):
    """One page of the tables of one database, sorted by name.

    It may have fewer tables than the limit, because tables of many columns fill a page.
    """

    type: Literal["tables"] = "tables"
    tables: tuple[TableSummary, ...]
    next_cursor: str | None = Field(default=None, description="For the next page; None after the last")


class SelectedTablesResult(BaseResult):
    """The sources that a selection added to the session."""

    type: Literal["selected"] = "selected"
    sources: tuple[AnySource, ...]


class DeselectedTablesResult(BaseResult):
    """The tables that are no longer sources of the session."""

    type: Literal["deselected"] = "deselected"
    tables: tuple[TableRef, ...]


TablesRequest = ListDatabasesRequest | ListTablesRequest | SelectTablesRequest | DeselectTablesRequest
AnyTablesResult = DatabasesResult | TablesResult | SelectedTablesResult | DeselectedTablesResult


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
