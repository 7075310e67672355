"""Chapter 2. A session holds what one user works with: its sources and its history."""

from pathlib import Path

import pytest

from raylane import FileSource, GenerateResult, GeneratorName, Run
from raylane.errors import InvalidRequest
from raylane.ray import RunStatus
from raylane.testing import MemoryProducer

SALES = FileSource(
    filename="sales.csv",
    s3_uri="s3://raylane/sessions/ada/csv/sales.csv",
    size_bytes=20,
    rows=2,
    columns=(),
    job_id="upload-1",
)
ANSWER = GenerateResult(
    generator=GeneratorName.TEMPLATE,
    code="print(2)",
    interpreted_as="the number of rows in sales.csv",
    sources_used=(SALES,),
    versions=(),
    run=Run(submission_id="rl-1", status=RunStatus.SUCCEEDED, endpoint="private", output_tail="2\n"),
)


async def test_you_choose_the_session_id(producer: MemoryProducer) -> None:
    """A session exists as soon as something names it. Raylane never invents an id, and rejects one it cannot store."""
    job = await producer.generate("count", session_id="ada")
    assert (await job.record()).session_id == "ada"

    with pytest.raises(InvalidRequest, match="session_id"):
        await producer.generate("count", session_id="ada/lovelace")


async def test_an_upload_carries_the_file(producer: MemoryProducer, tmp_path: Path) -> None:
    """`upload` sends the bytes of a CSV file with the job. The worker stores them on S3 and adds a source."""
    (tmp_path / "sales.csv").write_text("region,amount\nnorth,3\n")
    job = await producer.upload(tmp_path / "sales.csv", session_id="ada")

    assert producer.body(job.id) == b"region,amount\nnorth,3\n"


async def test_tables_are_selected_together(producer: MemoryProducer) -> None:
    """Tables of the catalog are sources, too. A selection adds all of its tables to the session, or none."""
    job = await producer.tables.select("ada", [("shop", "orders"), ("shop", "customers")])

    assert (await job.record()).payload["tables"] == [
        {"database": "shop", "table": "orders"},
        {"database": "shop", "table": "customers"},
    ]


async def test_a_prompt_sees_only_the_sources_of_its_session(producer: MemoryProducer) -> None:
    """Sessions do not share data: what one user uploads, no other user's prompt can read."""
    await producer.put_sources("ada", SALES)

    assert await producer.sources("ada") == [SALES]
    assert await producer.sources("grace") == []


async def test_a_session_has_a_history(producer: MemoryProducer) -> None:
    """`history` lists what the session did, newest first, each with its outcome."""
    await producer.upload_bytes("a,b\n1,2\n", filename="sales.csv", session_id="ada")
    answer = await producer.generate("count", session_id="ada", execute=True)
    await producer.succeed(answer.id, ANSWER)

    generated, uploaded = await producer.history("ada")
    assert (generated.what, generated.status, generated.output_tail) == ("count", "succeeded", "2\n")
    assert (uploaded.what, uploaded.status) == ("sales.csv", "queued")


async def test_sources_can_be_put_back(producer: MemoryProducer) -> None:
    """A run clears the sources it used from the session. `restore` puts them back for another prompt."""
    await producer.put_sources("ada", SALES)
    job = await producer.generate("count", session_id="ada", execute=True)
    await producer.succeed(job.id, ANSWER)
    assert await producer.sources("ada") == []

    assert await producer.restore(job.id) == [SALES]
    assert await producer.sources("ada") == [SALES]


async def test_a_session_can_be_reset(producer: MemoryProducer) -> None:
    """`reset` forgets a session's sources and history. The records of its jobs stay readable by id."""
    await producer.put_sources("ada", SALES)
    job = await producer.generate("count", session_id="ada")

    assert await producer.reset("ada") == 1
    assert await producer.history("ada") == []
    assert (await job.record()).session_id == "ada"
