"""Chapter 10. The tests of your own service need no Redis, no worker and no Ray: `pip install 'raylane[testing]'`."""

import pytest

from raylane import DatabasesResult, ListDatabasesRequest, NewJob, Producer
from raylane.errors import CatalogUnavailable, RayAuth
from raylane.ray import RayClient, RaySettings
from raylane.testing import Address, FakeRay, MemoryProducer


async def names_of_databases(producer: Producer) -> str:
    """A service of yours: it enqueues, waits, and turns an error into a message."""
    try:
        found = await (await producer.tables.databases()).result()
    except CatalogUnavailable as error:
        return f"Please try again later: {error.message}"
    return ", ".join(found.databases)


async def test_a_service_takes_its_producer_as_an_argument() -> None:
    """`MemoryProducer` is a `Producer`, so a test passes it instead. `answer` says how each job ends."""
    async with MemoryProducer(answer=lambda job: DatabasesResult(databases=("shop", "lake"))) as producer:
        assert await names_of_databases(producer) == "shop, lake"


async def test_an_answer_can_be_an_error() -> None:
    """If `answer` returns an error, the job fails with it. So you can test outages."""
    async with MemoryProducer(answer=lambda job: CatalogUnavailable("Glue does not answer")) as producer:
        assert await names_of_databases(producer) == "Please try again later: Glue does not answer"


async def test_an_answer_can_depend_on_the_job() -> None:
    """`answer` receives the job. If it returns `None`, the job stays in the queue."""

    def answer(job: NewJob) -> DatabasesResult | None:
        return DatabasesResult(databases=()) if isinstance(job.request, ListDatabasesRequest) else None

    async with MemoryProducer(answer) as producer:
        assert (await (await producer.tables.databases()).record()).status == "succeeded"
        assert (await (await producer.tables.list("shop")).record()).status == "queued"


async def test_a_test_sees_what_was_enqueued(producer: MemoryProducer) -> None:
    """`enqueued` lists every job with its typed request, its session and its options."""
    await producer.generate("count", session_id="ada", priority="low")

    [job] = producer.enqueued
    assert job.request.model_dump(exclude_defaults=True) == {"prompt": "count"}
    assert (job.session_id, job.priority) == ("ada", "low")


async def test_a_fake_cluster_can_fail_too() -> None:
    """`FakeRay` also checks tokens, restarts, and returns errors, for tests of code that uses the Ray client."""
    ray = FakeRay(token="secret")
    async with Address(ray) as address, RayClient(RaySettings(private_url=address.url)) as client:
        with pytest.raises(RayAuth):
            await client.jobs()
