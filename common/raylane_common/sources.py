"""Sources: what a session may read, and the store that holds them (one Redis hash per session)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal, cast
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from raylane_common import keys
from raylane_common.connection import queue_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from redis.asyncio import Redis

SESSION_TTL_S: Final = 30 * 24 * 3600

# Deletes a field only while it still holds the value that was snapshotted: a newer upload is not touched.
_CLEAR_UNCHANGED: Final = """
local cleared = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    cleared = cleared + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return cleared
"""


class ColumnType(StrEnum):
    """What can be done with a column, whatever its reader calls the type."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    OTHER = "other"

    @property
    def is_numeric(self) -> bool:
        """Whether sums and means make sense."""
        return self in (ColumnType.INTEGER, ColumnType.NUMBER)


class Column(BaseModel):
    """One column: its name as the reader spells it, and its type."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: ColumnType
    native_type: str = Field(description="The type's name in its own system: Arrow for a CSV, Hive for a table")


class CsvSource(BaseModel):
    """One CSV object on S3. `size_bytes` and `rows` are exact: the whole file was read when it was uploaded."""

    model_config = ConfigDict(frozen=True)

    type: Literal["csv"] = "csv"
    filename: str
    s3_uri: str
    size_bytes: int
    rows: int
    columns: tuple[Column, ...]
    job_id: str = Field(description="The upload that wrote it; makes two uploads of one file distinct")

    @property
    def name(self) -> str:
        """What a prompt calls it."""
        return self.filename

    @property
    def location(self) -> str:
        """Where generated code reads it: the URI as Ray's reader takes it."""
        return readable_uri(self.s3_uri)

    @property
    def format(self) -> TableFormat:
        """How generated code reads it."""
        return TableFormat.CSV


class TableFormat(StrEnum):
    """The file formats that generated code can read."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


class TableSource(BaseModel):
    """One Glue table, resolved when it was selected. Partition keys are columns too, kept apart as Glue does."""

    model_config = ConfigDict(frozen=True)

    type: Literal["table"] = "table"
    database: str
    table: str
    location: str = Field(description="s3:// prefix that ends in '/'")
    format: TableFormat
    delimiter: str = Field(default=",", description="Field separator; only for format csv")
    has_header: bool = Field(default=True, description="Whether each file starts with a header; only for format csv")
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    size_bytes: int | None = Field(default=None, description="Total size where the catalog knows it")
    job_id: str

    @property
    def name(self) -> str:
        """What a prompt calls it."""
        return f"{self.database}.{self.table}"


Source = Annotated[CsvSource | TableSource, Field(discriminator="type")]
_source: TypeAdapter[CsvSource | TableSource] = TypeAdapter(Source)


def readable_uri(s3_uri: str) -> str:
    """The URI as Arrow, and so Ray, reads it: percent-encoded where a character is not an ordinary one.

    Arrow decodes the path of an S3 URI. A literal blank, '%', '#' or 'é' would lead to another key or to none.
    """
    return quote(s3_uri, safe="/!$&'()*+,-.:;=@_~")


class SourceStore:
    """The sources of all sessions. Every method raises `QueueUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, session_id: str, sources: Sequence[CsvSource | TableSource]) -> None:
        """Adds the sources, or replaces those of the same name: all of them in one step, or none."""
        if not sources:
            return
        key = keys.session_sources(session_id)
        with queue_errors("store sources"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping=_dump(sources))
                pipe.expire(key, SESSION_TTL_S)
                await pipe.execute()

    async def all(self, session_id: str) -> list[CsvSource | TableSource]:
        """Exactly what the session's hash holds, by name. An empty session is an empty list; a failure raises."""
        with queue_errors("read sources"):
            found = await cast("Awaitable[Mapping[str, str]]", self._redis.hgetall(keys.session_sources(session_id)))
        return [_source.validate_json(found[field]) for field in sorted(found)]

    async def clear(self, session_id: str, snapshot: Sequence[CsvSource | TableSource]) -> int:
        """Removes the snapshotted sources that are still the same ones; returns how many were removed."""
        if not snapshot:
            return 0
        arguments = [part for item in _dump(snapshot).items() for part in item]
        with queue_errors("clear sources"):
            removed = await cast(
                "Awaitable[int]",
                self._redis.eval(_CLEAR_UNCHANGED, 1, keys.session_sources(session_id), *arguments),
            )
        return int(removed)

    async def reset(self, session_id: str) -> int:
        """Forgets the session: its sources and its history. Records stay readable by id; returns sources removed."""
        with queue_errors("reset session"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hlen(keys.session_sources(session_id))
                pipe.delete(keys.session_sources(session_id), keys.session_jobs(session_id))
                count, _ = await pipe.execute()
        return int(count)


def _dump(sources: Sequence[CsvSource | TableSource]) -> dict[str, str]:
    # The type is part of the field: a file may be called like a table.
    return {f"{source.type}:{source.name}": source.model_dump_json() for source in sources}
