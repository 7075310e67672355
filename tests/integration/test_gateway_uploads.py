"""Files over HTTP: with a real queue, a real worker, and S3 over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import io
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raylane_common.settings import Settings
from raylane_common.wire.answer import AnswerColumn, AnswerTable
from raylane_common.wire.names import CellType
from tests.helpers.answered import answered, delete, end, file_of, key_of, put
from tests.helpers.aws import own_bucket
from tests.helpers.door import PART_BYTES, csv_of, open_door
from tests.helpers.serving import serving
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey
    from tests.helpers.door import Door
    from tests.helpers.serving import Running

DATA = csv_of(6 * 1024 * 1024)
MOST_BYTES = 7 * 1024 * 1024


@pytest.fixture
async def door(valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis) -> AsyncIterator[Door]:
    async with open_door(valkey.url, moto.url, own_bucket()) as opened:
        yield opened


@pytest.fixture
async def gateway(door: Door, valkey: EmbeddedValkey) -> AsyncIterator[Running]:
    uploads = {"staged_bytes": 1024**2, "part_bytes": PART_BYTES}
    limits = {"max_upload_bytes": MOST_BYTES, "requests_per_minute": 0}
    settings = Settings.model_validate({"redis": {"url": valkey.url}, "uploads": uploads, "gateway": limits})
    async with serving(settings) as running:
        yield running


@pytest.fixture
async def client(gateway: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as opened:
        yield opened


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def ended(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, object]:
    """Returns the record of the job that was accepted, at its end."""
    assert answer.status_code == 202, answer.text
    record: dict[str, object] = (await client.get(answer.headers["location"], params={"wait_s": 90})).json()
    return record


async def test_a_large_file_arrives_byte_for_byte(client: httpx.AsyncClient, door: Door) -> None:
    record = await ended(client, await client.put("/v1/sessions/ada/files/large.csv", content=pieces(DATA)))
    assert record["status"] == "succeeded"
    objects = await door.objects()
    assert objects["sessions/ada/csv/large.csv"] == DATA
    assert await door.uploads() == []
    [source] = (await client.get("/v1/sessions/ada/sources")).json()["sources"]
    assert (source["filename"], source["size_bytes"]) == ("large.csv", len(DATA))
    key = {"Idempotency-Key": "k"}
    first = await client.put("/v1/sessions/ada/files/again.csv", content=pieces(DATA), headers=key)
    again = await client.put("/v1/sessions/ada/files/again.csv", content=pieces(DATA), headers=key)
    assert again.json() == first.json()
    other = await client.put("/v1/sessions/ada/files/again.csv", content=pieces(DATA[:-1]), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "job_id_taken")


async def test_a_client_that_stops_half_way_leaves_nothing_in_the_session(
    client: httpx.AsyncClient, door: Door, gateway: Running
) -> None:
    sent = asyncio.Event()

    async def half(announced: int) -> None:
        """Sends the head and half of the body, and closes the connection."""
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        length = f"Content-Length: {announced}" if announced else "Transfer-Encoding: chunked"
        head = f"PUT /v1/sessions/ada/files/x.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n\r\n"
        body = DATA[: len(DATA) // 2]
        writer.write(head.encode() + (body if announced else b"%x\r\n%s\r\n" % (len(body), body)))
        await writer.drain()
        sent.set()
        writer.transport.abort()

    tasks = len(asyncio.all_tasks())
    await asyncio.gather(half(len(DATA)), half(0), half(2 * len(DATA) // 3))
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert (await client.get("/v1/jobs", params={"session_id": "ada"})).json()["jobs"] == []
    assert (await client.get("/v1/sessions/ada/sources")).json() == {"sources": []}
    assert await door.objects() == {}


async def test_a_client_that_sends_too_much_or_no_file_can_read_why_it_is_refused(
    client: httpx.AsyncClient, door: Door
) -> None:
    data = bytes(MOST_BYTES + 1)
    for content in (data, pieces(data)):
        answer = await client.put("/v1/sessions/ada/files/x.csv", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await client.put("/v1/sessions/ada/files/x.csv", content=data, headers=form)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert (await client.get("/v1/jobs", params={"session_id": "ada"})).json()["jobs"] == []
    assert await door.objects() == {}


async def test_a_client_sends_parts_straight_to_s3(client: httpx.AsyncClient, door: Door) -> None:
    key, file = {"Idempotency-Key": "k"}, {"filename": "large.csv", "size_bytes": len(DATA)}
    begun = (await client.post("/v1/sessions/ada/uploads", json=file, headers=key)).json()
    assert (begun["part_bytes"], len(begun["urls"]), begun["stored"]) == (PART_BYTES, 2, [])
    parts = [DATA[start : start + PART_BYTES] for start in range(0, len(DATA), PART_BYTES)]
    async with httpx.AsyncClient() as s3:
        stored = await s3.put(begun["urls"][0]["url"], content=parts[0], headers=begun["urls"][0].get("headers"))
        assert stored.status_code == 200
        continued = (await client.post("/v1/sessions/ada/uploads", json=file, headers=key)).json()
        assert [part["number"] for part in continued["stored"]] == [1]
        assert continued["id"] == begun["id"]
        asked = {"upload_id": continued["upload_id"], "numbers": [2]}
        path = f"/v1/sessions/ada/uploads/{begun['id']}"
        signed = (await client.post(f"{path}/parts", json=asked)).json()
        for part in signed["urls"]:
            answer = await s3.put(part["url"], content=parts[part["number"] - 1], headers=part.get("headers"))
            assert answer.status_code == 200
    whole = file | {"sha256": hashlib.sha256(DATA).hexdigest()}
    preview = await client.put("/v1/sessions/ada/previews/large.csv", content=pieces(DATA), params={"wait_s": 90})
    assert (preview.status_code, preview.json()["rows"]) == (200, DATA.count(b"\n") - 1)
    assert await door.objects() == {}, "neither parts nor a preview are a file of the session"
    record = await ended(client, await client.post(f"{path}/complete", json=whole))
    assert record["status"] == "succeeded"
    assert (await door.objects())["sessions/ada/csv/large.csv"] == DATA
    # Another session does not reach the parts, although it knows all names.
    stolen = await client.post(f"/v1/sessions/bob/uploads/{begun['id']}/complete", json=whole)
    assert (await ended(client, stolen))["status"] == "failed"


async def test_all_rows_of_a_long_table_come_from_s3(client: httpx.AsyncClient, door: Door, redis: Redis) -> None:
    count, written = 40_000, io.BytesIO()
    pq.write_table(pa.table({"n": range(count), "text": [f"row {n}" for n in range(count)]}), written)
    job = await door.producer.generate("?", session_id="ada", execute=True)
    key = key_of(job.id, "table-1.parquet")
    await put(door, key, written.getvalue())
    columns = (AnswerColumn(name="n", type=CellType.INTEGER), AnswerColumn(name="text", type=CellType.STRING))
    file = file_of("table-1.parquet", f"s3://{door.bucket}/{key}", len(written.getvalue()))
    file = file.model_copy(update={"rows": count, "columns": columns})
    await end(redis, job.id, AnswerTable(columns=columns, rows=((0, "row 0"),), total_rows=count, file=file))
    path = f"/v1/jobs/{job.id}"
    csv = await client.get(f"{path}/answer", headers={"Accept": "text/csv"})
    assert csv.text == "n,text\n" + "".join(f"{n},row {n}\n" for n in range(count))
    parquet = await client.get(f"{path}/answer", headers={"Accept": "application/vnd.apache.parquet"})
    assert parquet.content == written.getvalue()
    assert "attachment" in parquet.headers["content-disposition"]
    async with client.stream("GET", f"{path}/answer", headers={"Accept": "text/csv"}) as left:
        await anext(left.aiter_bytes())
    await delete(door, key)
    gone = await client.get(f"{path}/answer", headers={"Accept": "text/csv"})
    assert (gone.status_code, gone.json()["code"]) == (410, "answer_file_gone")


async def test_files_of_an_answer(client: httpx.AsyncClient, door: Door, redis: Redis) -> None:
    large = bytes(5_000_000)
    files = {"größe & co.csv": b"a\n1\n", "empty.json": b"", "large.parquet": large}
    job_id = await answered(door, redis, files)
    path = f"/v1/jobs/{job_id}/files"
    assert [file["name"] for file in (await client.get(path)).json()["files"]] == list(files)
    for name, data in files.items():
        sent = await client.get(f"{path}/{name}")
        assert (sent.status_code, sent.content) == (200, data)
        led = await client.get(f"{path}/{name}", params={"redirect": True})
        assert (led.status_code, led.headers["location"].startswith(door.url)) == (307, True)
        async with httpx.AsyncClient() as s3:
            assert (await s3.get(led.headers["location"])).content == data
    missing = await client.get(f"{path}/large.csv")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "did you mean large.parquet?" in missing.json()["detail"]
    tasks = len(asyncio.all_tasks())
    async with client.stream("GET", f"{path}/large.parquet") as left:
        await anext(left.aiter_bytes())
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
