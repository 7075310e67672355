"""Chapter 8. An operator looks at the whole queue, across all sessions."""

import pytest

from raylane.errors import CatalogUnavailable, InvalidRequest, TableNotFound
from raylane.testing import MemoryProducer


async def test_a_lane_is_the_queue_of_one_class_of_work(producer: MemoryProducer) -> None:
    """Each lane has its own concurrency, so slow work never holds up quick work. `lanes` counts the jobs in each."""
    await producer.generate("count", session_id="ada")

    queued = {lane.lane: lane.queued for lane in await producer.operator.lanes()}
    assert queued == {"upload": 0, "generate": 1, "ray": 0}


async def test_jobs_can_be_found(producer: MemoryProducer) -> None:
    """`jobs` lists the jobs of all sessions, newest first, filtered by status, session and kind.

    A list comes without requests and results; `record` has them.
    """
    mine = await producer.generate("count", session_id="ada")
    await producer.generate("count", session_id="grace")

    found = await producer.operator.jobs(status="queued", session_id="ada", kind="generate")
    assert [(job.id, job.what) for job in found] == [(mine.id, "count")]


async def test_a_job_given_up_for_an_outside_reason_is_a_dead_letter(producer: MemoryProducer) -> None:
    """A job becomes a dead letter when its attempts are used up and the job is not at fault: a service was down.

    A job that is at fault, such as one for a table that does not exist, is not kept.
    """
    outage = await producer.tables.select("ada", [("shop", "orders")])
    await producer.fail(outage.id, CatalogUnavailable("Glue does not answer"))
    mistake = await producer.tables.select("ada", [("shpo", "orders")])
    await producer.fail(mistake.id, TableNotFound("there is no database shpo"))

    assert [job.id for job in await producer.operator.dead_letters()] == [outage.id]


async def test_dead_letters_are_requeued_together(producer: MemoryProducer) -> None:
    """Once the cause is fixed, `requeue_dead` puts all dead letters back, or those of a kind, code or session."""
    job = await producer.tables.select("ada", [("shop", "orders")])
    await producer.fail(job.id, CatalogUnavailable("Glue does not answer"))

    [requeued] = await producer.operator.requeue_dead(code="catalog_unavailable")
    assert (requeued.id, requeued.error) == (job.id, None)
    assert await producer.operator.dead_letters() == []


async def test_a_look_is_not_listed(producer: MemoryProducer) -> None:
    """A job that only looks at the cluster or the catalog fills no list, and its record is kept for ten minutes."""
    look = await producer.tables.databases()
    await producer.fail(look.id, CatalogUnavailable("Glue does not answer"))

    assert await producer.operator.jobs() == []
    assert await producer.operator.dead_letters() == []
    assert [job.id for job in await producer.operator.jobs(looks=True)] == [look.id]


async def test_some_settings_change_while_workers_run(
    producer: MemoryProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running workers apply what is set here, such as the new address of a cluster.

    The token follows an address, so the environment says to which hosts it may go.
    """
    with pytest.raises(InvalidRequest, match="RAYLANE_RAY__ALLOWED_HOSTS"):
        await producer.settings.set("ray.private_url", "http://10.0.0.7:8265")
    monkeypatch.setenv("RAYLANE_RAY__ALLOWED_HOSTS", '["10.0.0.7"]')
    await producer.settings.set("ray.private_url", "http://10.0.0.7:8265")
    assert await producer.settings.all() == {"ray.private_url": "http://10.0.0.7:8265"}

    with pytest.raises(InvalidRequest):
        await producer.settings.set("ray.private_url", "10.0.0.7")
