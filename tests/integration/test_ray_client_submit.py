from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import (
    InvalidRequest,
    RayRejected,
    RayServerError,
    RayUnreachable,
    RunExists,
    SubmitOutcomeUnknown,
)
from raylane_common.ray import submission
from raylane_common.ray.client import RayClient
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from raylane_common.wire.ray import RaySubmitRequest
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue

    from raylane_common.ray.models import Submission

POST, LOOK = "POST /api/jobs/", "GET /api/jobs/rl-a-1"
PACKAGE = build_package({"main.py": "print(1)"})


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_FIRST_PAUSE_S", 0.01)


@asynccontextmanager
async def connected(private: str, public: str | None = None, **changes: float) -> AsyncIterator[RayClient]:
    given = {"reprobe_min_s": 60.0, "failover_delay_s": 5.0} | changes
    async with RayClient(RaySettings.model_validate(given | {"private_url": private, "public_url": public})) as client:
        yield client


async def submit(client: RayClient) -> Submission:
    return await client.submit(
        submission_id="rl-a-1",
        entrypoint="python main.py",
        package=PACKAGE,
        metadata={"raylane_job_id": "a"},
    )


@pytest.mark.parametrize("broken", [Break.CUT_AFTER, Break.CUT_IN_BODY, Break.GATEWAY_AFTER])
async def test_a_submission_whose_answer_was_lost_is_found_and_not_repeated(
    ray: FakeRay, private: Address, public: Address, broken: Break
) -> None:
    async with connected(private.url, public.url) as client:
        private.break_with(broken, only=POST)
        assert (await submit(client)).submission_id == "rl-a-1"
    assert (private.count(POST), public.count(POST)) == (1, 0)
    assert private.count(LOOK) == 1
    assert ray.submissions == 1


@pytest.mark.parametrize("broken", [Break.CUT_BEFORE, Break.BAD_GATEWAY, Break.UNAVAILABLE])
async def test_a_submission_that_did_not_arrive_is_sent_again(
    ray: FakeRay, private: Address, public: Address, broken: Break
) -> None:
    async with connected(private.url, public.url) as client:
        private.break_with(broken, only=POST, times=1)
        assert (await submit(client)).endpoint == "private"
    assert (private.count(POST), private.count(LOOK), public.requests) == (2, 1, [])
    assert ray.submissions == 1


@pytest.mark.parametrize("broken", [Break.REDIRECT, Break.PAGE])
async def test_an_answer_that_is_not_rays_moves_the_submission_to_the_next_address(
    ray: FakeRay, private: Address, public: Address, broken: Break
) -> None:
    async with connected(private.url, public.url) as client:
        private.break_with(broken, only=POST)
        assert (await submit(client)).endpoint == "public"
    assert (private.count(POST), public.count(POST), ray.submissions) == (1, 1, 1)


async def test_a_submission_that_takes_too_long_leaves_time_to_look_it_up_and_send_it_again(
    ray: FakeRay, private: Address
) -> None:
    private.break_with(Break.NEVER_ANSWERS, only=POST, times=1)
    async with connected(private.url, submit_timeout_s=4) as client:
        assert (await submit(client)).endpoint == "private"
    assert (private.count(POST), private.count(LOOK), ray.submissions) == (2, 1, 1)


async def test_a_hanging_path_is_noticed_by_the_upload_before_the_submission(
    ray: FakeRay, private: Address, public: Address
) -> None:
    async with connected(private.url, public.url, submit_timeout_s=4) as client:
        await client.version()
        private.break_with(Break.NEVER_ANSWERS)
        assert (await submit(client)).endpoint == "public"
    assert (private.count(POST), public.count(POST), ray.submissions) == (0, 1, 1)


async def test_a_submission_that_was_not_sent_goes_to_the_next_address(
    ray: FakeRay, private: Address, public: Address
) -> None:
    async with connected(private.url, public.url) as client:
        await private.close()
        assert (await submit(client)).endpoint == "public"
    assert (public.count(POST), public.count(LOOK), ray.submissions) == (1, 0, 1)


async def test_a_submission_that_was_never_sent_is_unreachable(ray: FakeRay, private: Address) -> None:
    await private.close()
    async with connected(private.url) as client:
        with pytest.raises(RayUnreachable):
            await submit(client)
    assert ray.submissions == 0


async def test_submitting_the_same_again_is_the_same_submission(ray: FakeRay, private: Address) -> None:
    async with connected(private.url) as client:
        first = await submit(client)
        assert await submit(client) == first
    assert ray.submissions == 1
    assert private.count("PUT /api/packages/gcs/" + PACKAGE.name) == 2


@pytest.mark.parametrize("change", [{"entrypoint": "python other.py"}, {"metadata": {"raylane_job_id": "b"}}])
async def test_the_id_of_another_run_is_refused(private: Address, change: dict[str, JsonValue]) -> None:
    async with connected(private.url) as client:
        await submit(client)
        private.ray.jobs["rl-a-1"] |= change
        with pytest.raises(RunExists, match="rl-a-1"):
            await submit(client)


async def test_another_run_with_the_id_is_not_ours_when_the_answer_was_lost(private: Address) -> None:
    async with connected(private.url) as client:
        await client.submit(submission_id="rl-a-1", entrypoint="somebody else's")
        private.break_with(Break.CUT_AFTER, only=POST)
        with pytest.raises(RunExists):
            await submit(client)


async def test_a_job_without_metadata_equals_one_with_none(private: Address) -> None:
    async with connected(private.url) as client:
        await client.submit(submission_id="rl-a-1", entrypoint="true")
        private.ray.jobs["rl-a-1"]["metadata"] = None
        assert (await client.submit(submission_id="rl-a-1", entrypoint="true")).submission_id == "rl-a-1"


async def test_an_answer_that_stays_lost_is_an_unknown_outcome_with_the_id(ray: FakeRay, private: Address) -> None:
    async with connected(private.url) as client:
        private.break_with(Break.CUT_BEFORE, only=POST)
        with pytest.raises(SubmitOutcomeUnknown) as caught:
            await submit(client)
    assert caught.value.details["submission_id"] == "rl-a-1"
    assert caught.value.retryable
    assert private.count(POST) == submission.MAX_SENDS
    assert ray.submissions == 0


async def test_a_cluster_that_vanishes_with_the_answer_is_an_unknown_outcome(ray: FakeRay, private: Address) -> None:
    async with connected(private.url, submit_timeout_s=1) as client:
        # The probe and the upload go well.
        private.break_in_turn([None, None, Break.CUT_AFTER], then=Break.UNAVAILABLE)
        with pytest.raises(SubmitOutcomeUnknown, match="answered 503"):
            await submit(client)
    assert "rl-a-1" in ray.jobs


async def test_a_rejection_by_ray_is_final(ray: FakeRay, private: Address, public: Address) -> None:
    async with connected(private.url, public.url) as client:
        ray.error = (500, "No available agent to submit job, please try again later.")
        with pytest.raises(RayServerError, match="No available agent"):
            await client.submit(submission_id="rl-a-1", entrypoint="true")
        ray.error = (400, "Traceback (most recent call last):\nTypeError: bad")
        with pytest.raises(RayRejected, match="TypeError: bad"):
            await client.submit(submission_id="rl-a-1", entrypoint="true")
    assert (private.count(POST), public.requests) == (2, [])


LOSSES = st.lists(st.sampled_from([None, *(each for each in Break if each is not Break.NEVER_ANSWERS)]), max_size=6)


@settings(max_examples=by_profile(fast=5, ci=25, deep=250))  # each opens a cluster and a client
@given(at_private=LOSSES, at_public=LOSSES)
def test_whatever_is_lost_there_is_at_most_one_run_and_the_caller_knows_it(
    at_private: list[Break | None], at_public: list[Break | None]
) -> None:
    async def scenario() -> None:
        ray = FakeRay()
        async with Address(ray) as private, Address(ray) as public:
            private.break_in_turn(at_private)
            public.break_in_turn(at_public)
            async with connected(private.url, public.url, failover_delay_s=0.05, submit_timeout_s=2) as client:
                try:
                    await submit(client)
                except SubmitOutcomeUnknown:
                    assert ray.submissions <= 1
                except RayUnreachable:
                    assert ray.submissions == 0
                else:
                    assert ray.submissions == 1
                    assert "rl-a-1" in ray.jobs

    asyncio.run(scenario())


async def test_what_a_run_reserves_is_sent_to_ray(ray: FakeRay, private: Address) -> None:
    async with connected(private.url) as client:
        await client.submit(submission_id="rl-a-1", entrypoint="true", num_cpus=0.5, memory_bytes=2**30)
        await client.submit(submission_id="rl-a-2", entrypoint="true", num_cpus=0)
        await client.submit(submission_id="rl-a-3", entrypoint="true")
    assert ray.reserved == {
        "rl-a-1": {"entrypoint_num_cpus": 0.5, "entrypoint_memory": 2**30},
        "rl-a-2": {"entrypoint_num_cpus": 0},
    }


@pytest.mark.parametrize(
    "reserved",
    [
        {"num_cpus": -1},
        {"num_cpus": 10_001},
        {"num_cpus": float("nan")},
        {"num_cpus": "2"},
        {"num_cpus": True},
        {"memory_bytes": -1},
        {"memory_bytes": 2**51},
        {"memory_bytes": 1.5},
        {"memory_bytes": "1"},
    ],
    ids=str,
)
async def test_an_amount_that_cannot_be_reserved_is_refused_by_name(private: Address, reserved: dict[str, Any]) -> None:
    async with connected(private.url) as client:
        with pytest.raises(InvalidRequest, match=next(iter(reserved))):
            await client.submit(submission_id="rl-a-1", entrypoint="true", **reserved)
    with pytest.raises(ValidationError, match=next(iter(reserved))):
        RaySubmitRequest.model_validate({"code": "pass", **reserved})
    assert private.count(POST) == 0
