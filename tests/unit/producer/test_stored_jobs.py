"""A handle on a job whose id was stored: it has the type that the caller names, and that is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import pytest

from raylane import GenerateResult, InvalidRequest, JobHandle, JobNotFound, PreviewResult, UploadResult
from raylane_common.wire.kinds import Result
from tests.unit.producer.samples import GENERATED, PREVIEWED, UPLOADED

if TYPE_CHECKING:
    from raylane.testing import MemoryProducer


async def test_a_stored_id_becomes_a_handle_with_the_type_of_its_result(memory: MemoryProducer) -> None:
    stored = (await memory.generate("mean", session_id="s1", execute=True)).id
    job = await memory.job(stored, GenerateResult)
    assert_type(job, JobHandle[GenerateResult])
    await memory.succeed(stored, GENERATED)
    assert (await job.result()).code == GENERATED.code
    assert (job.id, repr(job)) == (stored, f"JobHandle({stored!r})")


async def test_without_a_class_the_result_may_be_any(memory: MemoryProducer) -> None:
    job = await memory.job((await memory.generate("mean", session_id="s1")).id)
    assert_type(job, JobHandle[Result])
    await memory.succeed(job.id, GENERATED)
    assert await job.result() == GENERATED


async def test_an_unknown_id_is_not_found(memory: MemoryProducer) -> None:
    with pytest.raises(JobNotFound):
        await memory.job("nobody", GenerateResult)
    with pytest.raises(InvalidRequest, match="job_id: "):
        await memory.job("no id", GenerateResult)


async def test_a_class_that_jobs_of_the_kind_never_return_is_refused_at_once(memory: MemoryProducer) -> None:
    stored = (await memory.generate("mean", session_id="s1")).id
    with pytest.raises(
        InvalidRequest, match=f"generate job {stored} returns GenerateResult or ChecksResult, never UploadResult"
    ):
        await memory.job(stored, UploadResult)


async def test_another_class_of_the_same_kind_is_refused_when_it_is_known(memory: MemoryProducer) -> None:
    stored = (await memory.preview(b"a\n1\n", filename="a.csv")).id
    early = await memory.job(stored, UploadResult)
    await memory.succeed(stored, PREVIEWED)
    with pytest.raises(InvalidRequest, match=r"result_type: .* returned a PreviewResult instead of a UploadResult"):
        await early.result()
    with pytest.raises(InvalidRequest, match="has returned PreviewResult, never UploadResult"):
        await memory.job(stored, UploadResult)
    assert await (await memory.job(stored, PreviewResult)).result() == PREVIEWED


@pytest.mark.parametrize("wrong", [str, "GenerateResult", GENERATED])
async def test_what_is_no_class_of_a_result_is_refused(memory: MemoryProducer, wrong: type[GenerateResult]) -> None:
    stored = (await memory.generate("mean", session_id="s1")).id
    with pytest.raises(InvalidRequest, match="result_type: must be the class of a result"):
        await memory.job(stored, wrong)


async def test_a_follow_up_takes_a_handle_from_a_stored_id(memory: MemoryProducer) -> None:
    stored = (await memory.generate("mean", session_id="s1", execute=True)).id
    await memory.succeed(stored, GENERATED)
    upload = await memory.upload_bytes("a\n1\n", filename="a.csv", session_id="s1")
    await memory.succeed(upload.id, UPLOADED)
    earlier = await memory.job(stored, GenerateResult)
    await memory.generate("only 2024", session_id="s1", continues=earlier, after=[upload, stored])
    assert memory.enqueued[-1].after == (upload.id, stored)
