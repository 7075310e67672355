"""The tools of the MCP server, called by a real client: arguments, results, errors and rights."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from mcp.shared.exceptions import MCPError

from raylane.gateway.access.caller import Caller, Right
from raylane.mcp.failures import remedy_of
from raylane.mcp.tools import TOOLS
from raylane_common.errors import NotUnderstood, QueueUnavailable, RaylaneError, RayUnreachable
from raylane_common.wire.jobs import JobStatus, Progress
from raylane_common.wire.tables import DatabasesResult, TablesResult, TableSummary
from tests.helpers.mcp_results import call, images, refused, said
from tests.helpers.waiting import until
from tests.unit.producer.samples import COLUMNS, CSV, GENERATED, RUN, TABLE, UPLOADED

if TYPE_CHECKING:
    from pathlib import Path

    from raylane.testing import MemoryProducer
    from tests.unit.mcp.conftest import Answers, Connect

pytestmark = pytest.mark.timeout(60)
READER = Caller("reader", frozenset({Right.READ}), ("ada",))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_question_is_answered_with_its_table_value_and_chart(
    connect: Connect, answers: Answers, producer: MemoryProducer, mode: str
) -> None:
    answers.by_kind = {"upload": UPLOADED, "generate": GENERATED}
    async with connect(mode=mode) as client:
        uploaded = await call(
            client, "upload_text", session_id="ada", filename="temps.csv", content="city,temp\nOslo,3"
        )
        assert uploaded["ended"]
        [source] = uploaded["data"]["sources"]
        assert [column["name"] for column in source["columns"]] == [column.name for column in COLUMNS]
        asked = await call(client, "ask", session_id="ada", question="average temp by city")
    assert asked["status"] == "succeeded"
    assert asked["data"]["read_as"] == "mean of temp"
    table, value, chart = asked["data"]["answer"]["items"]
    assert table["rows"] == [["Oslo", 3.0]]
    assert (value["name"], value["value"]) == ("rows", 1)
    assert (chart["kind"], chart["x"], chart["rows"]) == ("bar", "city", 1)
    assert asked["data"]["answer"]["notes"] == ["One row has no city."]
    job = producer.enqueued[-1]
    assert (job.request.execute, job.request.keep_sources) == (True, True)  # type: ignore[attr-defined]


async def test_a_call_tells_the_stages_and_gives_the_id_of_a_job_that_takes_longer(
    connect: Connect, producer: MemoryProducer
) -> None:
    told: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with connect() as client:
        asking = asyncio.create_task(
            client.call_tool("ask", {"session_id": "ada", "question": "count", "wait_s": 30}, progress_callback=note)
        )
        await until(lambda: bool(producer.enqueued))
        job_id = producer.enqueued[0].id
        await producer.tell(job_id, progress=Progress(stage="writing", message="version 1", done=1, total=3, unit="x"))
        await until(lambda: len(told) == 3)
        pending = await call(client, "wait", job_id=job_id, wait_s=0)
        assert (pending["ended"], pending["status"]) == (False, "running")
        assert f"wait with job_id {job_id}" in pending["next"]
        await producer.succeed(job_id, GENERATED)
        result = await asking
    assert result.structured_content["job_id"] == job_id
    assert told[:3] == [(1, "queued"), (2, "running"), (3, "writing: version 1, 1/3 x")]


async def test_a_job_without_a_worker_says_so(connect: Connect) -> None:
    async with connect() as client:
        asked = await call(client, "ask", session_id="ada", question="count", wait_s=0)
    assert "no worker takes jobs of the lane generate" in asked["next"]


async def test_the_same_key_makes_one_job_and_another_request_with_it_is_refused(
    connect: Connect, producer: MemoryProducer
) -> None:
    async with connect() as client:
        asked = {"session_id": "ada", "question": "count", "wait_s": 0, "idempotency_key": "k1"}
        first = await call(client, "ask", **asked)
        assert await call(client, "ask", **asked) == first
        assert len(producer.enqueued) == 1
        other = await call(client, "ask", **asked | {"session_id": "bob"})
        assert other["job_id"] != first["job_id"]
        code, text = await refused(client, "ask", **asked | {"question": "sum of temp"})
    assert code == "job_id_taken"
    assert "the idempotency_key 'k1' belongs to another call of ask in this session" in text
    assert "What to do: choose another `idempotency_key`." in text
    assert "`job_id`" not in text


async def test_an_answer_is_read_in_parts(connect: Connect, answers: Answers) -> None:
    [table, *_] = GENERATED.answer.items  # type: ignore[union-attr]
    rows = tuple((f"city {number}", float(number)) for number in range(1000))
    long = table.model_copy(update={"rows": rows, "total_rows": 5000})
    answer = GENERATED.answer.model_copy(update={"items": (long,)})  # type: ignore[union-attr]
    answers.by_kind = {"generate": GENERATED.model_copy(update={"answer": answer})}
    async with connect() as client:
        asked = await call(client, "ask", session_id="ada", question="temp by city")
        [first] = asked["data"]["answer"]["items"]
        assert (len(first["rows"]), first["total_rows"]) == (20, 5000)
        assert "from row 21: get_answer with table=1, first_row=21" in first["rest"]
        assert "rows 1001 to 5000" in first["rest"]
        read = await call(client, "get_answer", job_id=asked["job_id"], table=1, first_row=990, max_rows=100)
        [last] = read["data"]["items"]
        assert [row[1] for row in last["rows"]] == [float(number) for number in range(989, 1000)]
        code, text = await refused(client, "get_answer", job_id=asked["job_id"], table=2)
    assert (code, "table: there is no table 2: the answer has 1" in text) == ("invalid_request", True)


async def test_a_chart_is_a_picture_and_a_specification(connect: Connect, answers: Answers) -> None:
    answers.by_kind = {"generate": GENERATED}
    async with connect() as client:
        asked = await call(client, "ask", session_id="ada", question="average temp by city")
        result = await client.call_tool("get_chart", {"job_id": asked["job_id"]})
        [image] = images(result)
        specification = result.structured_content["data"]["vega_lite"]
        resource = await client.read_resource(result.structured_content["vega_lite_at"])
    assert base64.b64decode(image.data).startswith(b"\x89PNG")
    assert specification["mark"]["type"] == "bar"
    assert resource.contents[0].mime_type == "application/vnd.vegalite.v6+json"


async def test_code_and_log_of_a_job(connect: Connect, answers: Answers, producer: MemoryProducer) -> None:
    async with connect() as client:
        asked = await call(client, "ask", session_id="ada", question="count", wait_s=0)
        job_id = asked["job_id"]
        await producer.tell(job_id, line="first line\nsecond line")
        running = await call(client, "get_log", job_id=job_id, max_lines=1)
        assert (running["data"]["lines"], running["complete"]) == (["second line"], False)
        code, text = await refused(client, "get_code", job_id=job_id)
        assert (code, "has no code" in text) == ("invalid_request", True)
        await producer.succeed(job_id, GENERATED)
        listed = await call(client, "get_code", job_id=job_id)
        assert (listed["data"]["code"], listed["version"]) == (GENERATED.code, 1)
        printed = await call(client, "get_log", job_id=job_id)
    assert printed["data"]["lines"] == RUN.output_tail.splitlines()
    assert printed["complete"]


async def test_a_job_that_failed_is_an_error_with_its_code_and_what_to_do(connect: Connect, answers: Answers) -> None:
    answers.by_kind = {"generate": NotUnderstood("no column 'tmp'; did you mean 'temp'?")}
    async with connect() as client:
        result = await client.call_tool("ask", {"session_id": "ada", "question": "mean of tmp"})
    assert result.is_error
    text = said(result)
    assert text.startswith("error [not_understood]\n")
    assert "--- data MARK\nno column 'tmp'; did you mean 'temp'?\n--- end of data MARK" in text
    assert "What to do: " in text
    assert result.meta is not None
    assert f"job_id: {result.meta['raylane/error']['job_id']}" in text


async def test_what_other_sources_a_session_has_is_told_to_its_readers_alone(
    connect: Connect, producer: MemoryProducer
) -> None:
    await producer.put_sources("ada", CSV)
    for rights in ({Right.ASK}, {Right.ASK, Right.READ}):
        async with connect(caller=Caller("ada", frozenset(rights), ("ada",))) as client:
            code, text = await refused(client, "remove_source", session_id="ada", name="x")
        assert (code, CSV.name in text) == ("not_found", Right.READ in rights)


@pytest.mark.parametrize("is_operator", [True, False])
async def test_where_the_cluster_is_is_told_to_operators_alone(
    connect: Connect, answers: Answers, producer: MemoryProducer, is_operator: bool
) -> None:
    answers.by_kind = {"generate": RayUnreachable("no endpoint answered (private http://10.20.30.40:8265: not Ray)")}
    rights = {Right.ASK, Right.READ, *([Right.OPERATE] if is_operator else [])}
    async with connect(caller=Caller("ada", frozenset(rights), ("ada",))) as client:
        texts = [await refused(client, "ask", session_id="ada", question="count")]
        job_id = producer.enqueued[0].id
        texts += [await refused(client, tool, job_id=job_id) for tool in ("wait", "get_answer", "get_chart")]
        with pytest.raises(MCPError) as caught:
            await client.read_resource(f"raylane://jobs/{job_id}/answer")
        listed = await call(client, "list_jobs", session_id="ada")
    assert all(code == "ray_unreachable" and ("10.20.30.40" in text) is is_operator for code, text in texts)
    assert ("10.20.30.40" in str(caught.value)) is is_operator
    assert "10.20.30.40" not in str(listed)


async def test_cancel_stops_the_job_and_giving_up_a_call_does_not(connect: Connect, producer: MemoryProducer) -> None:
    async with connect() as client:
        asking = asyncio.create_task(client.call_tool("ask", {"session_id": "ada", "question": "count", "wait_s": 60}))
        await until(lambda: bool(producer.enqueued))
        job_id = producer.enqueued[0].id
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert (await producer.record(job_id)).status is JobStatus.QUEUED
        cancelled = await call(client, "cancel", job_id=job_id)
        assert cancelled["status"] == "cancelled"
        assert (await refused(client, "wait", job_id=job_id))[0] == "job_cancelled"


async def test_sources_are_listed_with_their_columns_and_removed(connect: Connect, producer: MemoryProducer) -> None:
    await producer.put_sources("ada", CSV, TABLE)
    async with connect() as client:
        listed = await call(client, "list_sources", session_id="ada")
        assert [source["name"] for source in listed["data"]["sources"]] == ["temps.csv", "shop.orders"]
        assert listed["data"]["sources"][0]["columns"][1] == {"name": "temp", "type": "integer"}
        await call(client, "remove_source", session_id="ada", name="temps.csv")
        listed = await call(client, "list_sources", session_id="ada")
    assert [source["name"] for source in listed["data"]["sources"]] == ["shop.orders"]


async def test_tables_are_named_in_a_list_also_if_the_client_writes_it_as_text(
    connect: Connect, producer: MemoryProducer
) -> None:
    async with connect() as client:
        for tables in (["shop.orders", "shop.items"], '["shop.orders", "shop.items"]'):
            await call(client, "add_tables", session_id="ada", tables=tables, wait_s=0)
        assert (await refused(client, "add_tables", session_id="ada", tables=["orders"]))[0] == "invalid_request"
    first, second = producer.enqueued
    assert first.request == second.request


async def test_a_server_of_one_session_takes_no_other(connect: Connect, producer: MemoryProducer) -> None:
    foreign = await producer.generate("count", session_id="bob")
    async with connect(session_id="ada") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert all("session_id" not in tool.input_schema["properties"] for tool in tools.values())
        asked = await call(client, "ask", question="count", wait_s=0)
        assert asked["session_id"] == "ada"
        code, text = await refused(client, "list_sources", session_id="bob")
        assert (code, "serves session ada alone" in text) == ("invalid_request", True)
        for tool in ("wait", "cancel", "get_answer", "get_chart", "get_code", "get_log"):
            assert (await refused(client, tool, job_id=foreign.id))[0] == "job_not_found"
        assert (await refused(client, "ask", question="only 2024", continues=foreign.id))[0] == "job_not_found"


async def test_a_caller_does_only_what_its_rights_allow(connect: Connect, producer: MemoryProducer) -> None:
    own = await producer.generate("count", session_id="ada")
    foreign = await producer.generate("count", session_id="bob")
    async with connect(caller=READER) as client:
        await call(client, "list_jobs", session_id="ada")
        await call(client, "wait", job_id=own.id, wait_s=0)
        assert (await refused(client, "list_jobs", session_id="bob"))[0] == "forbidden"
        assert (await refused(client, "ask", session_id="ada", question="count"))[0] == "forbidden"
        assert (await refused(client, "upload_text", session_id="ada", filename="a.csv", content="a\n1"))[
            0
        ] == "forbidden"
        assert (await refused(client, "cancel", job_id=own.id))[0] == "forbidden"
        _, unknown = await refused(client, "wait", job_id="unknown")
        for tool in ("wait", "cancel", "get_answer", "get_chart", "get_code", "get_log"):
            code, text = await refused(client, tool, job_id=foreign.id)
            assert code == "job_not_found"
            assert text.replace(foreign.id, "unknown") == unknown


@pytest.mark.parametrize(
    ("tool", "wrong", "field"),
    [
        ("ask", {"question": "count"}, "session_id"),
        ("ask", {"session_id": "../x", "question": "count"}, "session_id"),
        ("ask", {"session_id": "ada", "question": "  "}, "question"),
        ("ask", {"session_id": "ada", "question": "count", "engine": "fast"}, "engine"),
        ("ask", {"session_id": "ada", "question": "count", "wait_s": -1}, "wait_s"),
        ("ask", {"session_id": "ada", "question": "count", "prompt": "x"}, "prompt"),
        ("wait", {"job_id": "a/b"}, "job_id"),
        ("get_answer", {"job_id": "a", "first_row": 0}, "first_row"),
        ("upload_text", {"session_id": "ada", "filename": "../a.csv", "content": "a"}, "filename"),
        ("add_s3_object", {"session_id": "ada", "s3_uri": "/etc/passwd"}, "s3_uri"),
        ("add_s3_object", {"session_id": "ada", "s3_uri": "s3://b", "filename": "a.csv"}, "s3_uri"),
        ("add_s3_object", {"session_id": "ada", "s3_uri": "s3://b/folder/"}, "s3_uri"),
        ("add_tables", {"session_id": "ada", "tables": ["shop.orders", "orders"]}, "tables.1"),
    ],
)
async def test_a_wrong_argument_is_named(connect: Connect, tool: str, wrong: dict[str, Any], field: str) -> None:
    async with connect() as client:
        code, text = await refused(client, tool, **wrong)
    assert code == "invalid_request"
    assert re.search(rf"^(error \[invalid_request\]: )?{field}: ", text, re.MULTILINE), text


async def test_only_files_below_the_directories_are_uploaded(
    connect: Connect, producer: MemoryProducer, tmp_path: Path
) -> None:
    allowed, outside = tmp_path / "data", tmp_path / "secret.csv"
    allowed.mkdir()
    (allowed / "temps.csv").write_text("city,temp\nOslo,3\n")
    outside.write_text("key\n1\n")
    (allowed / "link.csv").symlink_to(outside)
    async with connect(directories=(allowed,)) as client:
        await call(client, "upload_file", session_id="ada", path="temps.csv", wait_s=0)
        await call(client, "upload_file", session_id="ada", path=str(allowed / "temps.csv"), wait_s=0)
        for path in ("../secret.csv", str(outside), "link.csv", "~/secret.csv", "a\0b"):
            code, text = await refused(client, "upload_file", session_id="ada", path=path)
            assert (code, "path: " in text) == ("invalid_request", True)
        (allowed / "empty.csv").write_text("")
        _, text = await refused(client, "upload_file", session_id="ada", path="empty.csv")
        assert "\npath: " in text
    assert len(producer.enqueued) == 2
    async with connect() as client:
        assert "upload_file" not in {tool.name for tool in (await client.list_tools()).tools}


def test_every_tool_has_a_schema_that_needs_no_other_document() -> None:
    for tool in TOOLS.values():
        listed = tool.listed(has_session=False)
        assert listed.input_schema["type"] == "object"
        assert listed.input_schema["additionalProperties"] is False
        assert listed.output_schema is not None
        assert listed.output_schema["type"] == "object"


async def test_the_catalog_is_listed(connect: Connect, producer: MemoryProducer, answers: Answers) -> None:
    table = TableSummary(database="shop", table="orders", location="s3://w/", columns=COLUMNS, supported=True)
    view = TableSummary(
        database="shop", table="v", location=None, columns=COLUMNS * 40, supported=False, reason="it is a view"
    )
    async with connect() as client:
        answers.by_kind = {"tables": DatabasesResult(databases=("shop",), next_cursor="2")}
        databases = await call(client, "list_tables", session_id="ada")
        assert (databases["data"]["databases"], databases["next_cursor"]) == (["shop"], "2")
        answers.by_kind = {"tables": TablesResult(tables=(table, view))}
        listed = await call(client, "list_tables", session_id="ada", database="shop", pattern="o*")
        answers.by_kind = {}
    async with connect(wait_timeout_s=0.01) as client:
        code, text = await refused(client, "list_tables", session_id="ada")
        assert (code, "no worker takes jobs of the lane upload now" in text) == ("wait_timeout", True)
    # Otherwise those of a client that tries again would pile up where no worker is.
    assert [job.expires_s for job in producer.enqueued] == [60, 60, 60]
    orders, other = listed["data"]["tables"]
    assert orders == {"name": "shop.orders", "columns": ["city string", "temp integer"]}
    assert (other["more_columns"], other["unsupported"]) == (30, "it is a view")


def test_what_to_do_about_an_error_names_tools_where_there_are_some() -> None:
    operators = ("`raylane upload", "`raylane reset`", "`raylane ray runs`")
    for error in all_errors(RaylaneError):
        if "What to do:" in (error.__doc__ or ""):
            remedy = remedy_of(error("message"))
            assert remedy
            for named in operators:
                remedy = remedy.replace(named, "")
            assert "`raylane " not in remedy, error.code
            # Clients give keys, and no ids of jobs of their own.
            assert "`job_id`" not in remedy, error.code


def all_errors(error: type[RaylaneError]) -> list[type[Any]]:
    return [error, *(found for child in error.__subclasses__() for found in all_errors(child))]


async def test_where_redis_is_is_told_to_operators_alone(connect: Connect, producer: MemoryProducer) -> None:
    ada = Caller("ada", frozenset({Right.ASK, Right.READ}), ("ada",))
    operator = Caller("operations", frozenset(Right), ("",))
    away = QueueUnavailable("Error 111 connecting to redis-1.internal:6379", details={"at": "redis-1.internal"})
    with patch.object(producer, "generate", side_effect=away):
        for caller, is_told in ((ada, False), (operator, True)):
            async with connect(caller=caller) as client:
                code, text = await refused(client, "ask", session_id="ada", question="count", wait_s=0)
            assert code == "queue_unavailable"
            assert ("redis-1.internal" in text) == is_told
