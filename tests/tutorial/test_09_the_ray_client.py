"""Chapter 9. `raylane.ray` is a client for Ray's Jobs API that needs no queue and no workers.

Here `FakeRay` takes the place of the cluster, over real HTTP. It runs nothing: the test says what a run prints and how
it ends. An `Address` makes the cluster reachable.
"""

import pytest

from raylane.ray import RayClient, RaySettings, RunNotFound, RunStatus, build_package
from raylane.testing import Address, Break, FakeRay

SCRIPT = build_package({"main.py": "print('hello')"})


async def test_a_script_is_shipped_and_run() -> None:
    """A package is the script and its files. You choose the submission id; `wait` returns once the run has ended."""
    ray = FakeRay()
    async with Address(ray) as address, RayClient(RaySettings(private_url=address.url)) as client:
        await client.submit(submission_id="report-7", entrypoint="python main.py", package=SCRIPT)
        ray.end("report-7", exit_code=0)

        job = await client.wait("report-7")
        assert (job.status, job.driver_exit_code) == (RunStatus.SUCCEEDED, 0)


async def test_output_is_followed_as_it_is_printed() -> None:
    """`follow_logs` yields what the run prints until it ends, without gaps or repeats, also across failovers."""
    ray = FakeRay()
    async with Address(ray) as address, RayClient(RaySettings(private_url=address.url)) as client:
        await client.submit(submission_id="report-7", entrypoint="python main.py", package=SCRIPT)
        ray.write("report-7", "hello\n")
        ray.end("report-7")

        printed = "".join([piece.text async for piece in client.follow_logs("report-7")])
        assert printed.endswith("hello\n")


async def test_a_lost_answer_starts_nothing_twice() -> None:
    """A submission id names one run. If the answer to a submission is lost, the client looks for the run under that id.

    For the same reason a service can repeat `submit` without risk.
    """
    ray = FakeRay()
    async with Address(ray) as address, RayClient(RaySettings(private_url=address.url)) as client:
        address.break_with(Break.CUT_AFTER, only="POST", times=1)
        for _ in range(2):
            await client.submit(submission_id="report-7", entrypoint="python main.py", package=SCRIPT)

        assert ray.submissions == 1


async def test_another_address_replaces_a_broken_one() -> None:
    """A cluster can have a private and a public address. The client uses the second while the first is broken."""
    ray = FakeRay()
    async with Address(ray, Break.UNAVAILABLE) as private, Address(ray) as public:
        settings = RaySettings(private_url=private.url, public_url=public.url)
        async with RayClient(settings) as client:
            assert (await client.version()).endpoint == "public"
            assert [report.state for report in client.endpoints()] == ["down", "up"]


async def test_a_run_can_be_stopped_and_deleted() -> None:
    """`stop` returns once the run has ended. `delete` removes it from the cluster, so that its id can be used again."""
    ray = FakeRay()
    async with Address(ray) as address, RayClient(RaySettings(private_url=address.url)) as client:
        await client.submit(submission_id="report-7", entrypoint="python main.py", package=SCRIPT)
        assert (await client.stop("report-7")).stopped
        await client.delete("report-7")

        with pytest.raises(RunNotFound):
            await client.job("report-7")
