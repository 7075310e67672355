"""The tools that bring data into a session, and that say what it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BeforeValidator, Field

from raylane.gateway.access.caller import Right
from raylane.gateway.access.sources import remove
from raylane.mcp.keys import job_id_for
from raylane.mcp.local_files import allowed, sending
from raylane.mcp.outcomes import outcome_of
from raylane.mcp.results import Removed, SourceList, SourceOutcome
from raylane.mcp.source_data import sources_data
from raylane.mcp.tool import DEFAULT_WAIT_S, Arguments, IdempotencyKey, Reply, SessionId, Tool, WaitSeconds
from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from raylane.mcp.call import Call

MAX_INLINE_CHARACTERS: Final = 1024 * 1024
"""The longest content that a call may hold: more than a model writes."""
_MAX_TABLES: Final = 100

Filename = Annotated[
    str, Field(min_length=1, max_length=255, description="The name of the file in the session, such as sales.csv")
]

OtherName = Annotated[
    str | None, Field(min_length=1, max_length=255, description="Its name in the session; default: its own name")
]


def _listed(value: object) -> object:
    """Returns the list that a client has written as text: some do that with every list."""
    if isinstance(value, str):
        try:
            return json.loads(value) if value.lstrip().startswith("[") else [value]
        except ValueError:
            return [value]
    return value


class TextArguments(Arguments):
    """A small file, as text."""

    session_id: SessionId
    filename: Filename
    content: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_INLINE_CHARACTERS,
            description="The whole content: CSV with a line of names, JSON or JSON lines",
        ),
    ]
    idempotency_key: IdempotencyKey = None
    wait_s: WaitSeconds = DEFAULT_WAIT_S


class FileArguments(Arguments):
    """A file on this machine."""

    session_id: SessionId
    path: Annotated[str, Field(min_length=1, max_length=4096, description="The path of the file on this machine")]
    filename: OtherName = None
    idempotency_key: IdempotencyKey = None
    wait_s: WaitSeconds = DEFAULT_WAIT_S


class S3Arguments(Arguments):
    """An object on S3."""

    session_id: SessionId
    s3_uri: Annotated[str, Field(max_length=2048, description="s3://bucket/key of a file that Raylane may read there")]
    filename: OtherName = None
    idempotency_key: IdempotencyKey = None
    wait_s: WaitSeconds = DEFAULT_WAIT_S


class TablesArguments(Arguments):
    """Tables of the catalog."""

    session_id: SessionId
    tables: Annotated[
        list[Annotated[str, Field(min_length=3, max_length=511)]],
        BeforeValidator(_listed),
        Field(min_length=1, max_length=_MAX_TABLES, description="Names of Glue tables: database.table"),
    ]
    idempotency_key: IdempotencyKey = None
    wait_s: WaitSeconds = DEFAULT_WAIT_S


class ListArguments(Arguments):
    """Whose sources to list."""

    session_id: SessionId


class RemoveArguments(Arguments):
    """The source to remove."""

    session_id: SessionId
    name: Annotated[str, Field(min_length=1, max_length=1024, description="The name of the source in list_sources")]


async def _upload_text(call: Call, given: TextArguments) -> Reply[SourceOutcome]:
    session_id = call.session(given.session_id, Right.ASK, Right.READ)
    with job_id_for("upload_text", session_id, given.idempotency_key) as job_id:
        job = await call.producer.upload_bytes(
            given.content, filename=given.filename, session_id=session_id, job_id=job_id
        )
    return await outcome_of(call, job.id, given.wait_s, SourceOutcome)


async def _upload_file(call: Call, given: FileArguments) -> Reply[SourceOutcome]:
    session_id = call.session(given.session_id, Right.ASK, Right.READ)
    path = allowed(call.scope.directories, given.path)
    with job_id_for("upload_file", session_id, given.idempotency_key) as job_id:
        async with sending(call, path.name) as progress:
            job = await call.producer.upload(
                path, session_id=session_id, filename=given.filename, progress=progress, job_id=job_id
            )
    return await outcome_of(call, job.id, given.wait_s, SourceOutcome)


async def _add_s3_object(call: Call, given: S3Arguments) -> Reply[SourceOutcome]:
    session_id = call.session(given.session_id, Right.ASK, Right.READ)
    if not given.s3_uri.startswith("s3://"):
        raise InvalidRequest.field("s3_uri", "must look like s3://bucket/key")
    with job_id_for("add_s3_object", session_id, given.idempotency_key) as job_id:
        job = await call.producer.upload(given.s3_uri, session_id=session_id, filename=given.filename, job_id=job_id)
    return await outcome_of(call, job.id, given.wait_s, SourceOutcome)


async def _add_tables(call: Call, given: TablesArguments) -> Reply[SourceOutcome]:
    session_id = call.session(given.session_id, Right.ASK, Right.READ)
    names = []
    for index, name in enumerate(given.tables):
        database, dot, table = name.partition(".")
        if not (database and dot and table):
            raise InvalidRequest.field(f"tables.{index}", "must look like database.table")
        names.append((database, table))
    with job_id_for("add_tables", session_id, given.idempotency_key) as job_id:
        job = await call.producer.tables.select(session_id, names, job_id=job_id)
    return await outcome_of(call, job.id, given.wait_s, SourceOutcome)


async def _list_sources(call: Call, given: ListArguments) -> Reply[SourceList]:
    session_id = call.session(given.session_id, Right.READ)
    sources = await call.producer.sources(session_id)
    said = f"Session {session_id} has {counted(len(sources), 'source')}."
    return Reply(said, SourceList(session_id=session_id, data=sources_data(sources)))


async def _remove_source(call: Call, given: RemoveArguments) -> Reply[Removed]:
    session_id = call.session(given.session_id, Right.ASK)
    await remove(call.producer, call.caller, session_id, given.name)
    return Reply("The source was removed.", Removed(session_id=session_id, removed=given.name))


TOOLS: Final = (
    Tool(
        "upload_text",
        "Upload a small file",
        "Puts a small file into a session: its content is an argument of the call. A file of the same name is "
        "replaced. Returns the columns that were found.",
        TextArguments,
        SourceOutcome,
        _upload_text,
        words={"data": "content"},
    ),
    Tool(
        "upload_file",
        "Upload a file of this machine",
        "Puts a file of this machine into a session: CSV, JSON, Parquet, Excel or Arrow, also compressed, of any size. "
        "A file of the same name is replaced. An upload that was interrupted continues with the same call.",
        FileArguments,
        SourceOutcome,
        _upload_file,
        is_local=True,
        words={"data": "path"},
    ),
    Tool(
        "add_s3_object",
        "Add a file on S3",
        "Adds a file that is already on S3 to a session. It is read where it is.",
        S3Arguments,
        SourceOutcome,
        _add_s3_object,
        words={"data": "s3_uri"},
    ),
    Tool(
        "add_tables",
        "Add tables of the catalog",
        "Adds tables of the AWS Glue catalog to a session: all of them, or none.",
        TablesArguments,
        SourceOutcome,
        _add_tables,
    ),
    Tool(
        "list_sources",
        "List the data of a session",
        "Lists the files and tables that a session may ask about: their columns with types, and what is known of the "
        "values.",
        ListArguments,
        SourceList,
        _list_sources,
        reads=True,
    ),
    Tool(
        "remove_source",
        "Remove a source from a session",
        "Removes a file or table from the sources of a session. The file itself stays on S3.",
        RemoveArguments,
        Removed,
        _remove_source,
        destroys=True,
    ),
)
