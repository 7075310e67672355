"""Chapter 3. What happens to a job is recorded as events, which a caller can follow live."""

from raylane import DatabasesResult, JobStatus, Progress
from raylane.errors import RunFailed
from raylane.testing import MemoryProducer

DATABASES = DatabasesResult(databases=("shop",))


async def test_following_ends_when_the_job_ends(producer: MemoryProducer) -> None:
    """`follow()` yields the events of a job from the first to the last, whether the job is running or has ended."""
    job = await producer.tables.databases()
    await producer.succeed(job.id, DATABASES)

    statuses = [event.status async for event in job.follow()]
    assert statuses == [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED]


async def test_a_running_job_reports(producer: MemoryProducer) -> None:
    """While it runs, a job reports its progress, the text that a model writes, and the lines that the run prints."""
    job = await producer.generate("count", session_id="ada", execute=True)
    await producer.tell(job.id, progress=Progress(stage="writing", done=1, total=5, unit="versions"))
    await producer.tell(job.id, text="import ")
    await producer.tell(job.id, text="ray")
    await producer.tell(job.id, line="2 rows")
    await producer.fail(job.id, RunFailed("exit code 1"))

    events = [event async for event in job.follow()]
    assert [event.progress.done for event in events if event.progress] == [1]
    assert "".join(event.text for event in events if event.text) == "import ray"
    assert [event.line for event in events if event.line] == ["2 rows"]


async def test_following_resumes_after_a_disconnect(producer: MemoryProducer) -> None:
    """Each event has an id. Pass the last id you saw as `after` to miss no event and see none twice."""
    job = await producer.tables.databases()
    await producer.succeed(job.id, DATABASES)
    events = [event async for event in job.follow()]

    assert [event async for event in job.follow(after=events[0].id)] == events[1:]
