"""Code of the caller: which sources it reads, and by which engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest, NoSources
from raylane_common.wire.generate import Engine, GenerateRequest, GeneratorName, Rerun
from raylane_common.wire.jobs import parse_request
from raylane_common.wire.sources import OpaqueSource
from tests.unit.producer.samples import CSV, GENERATED, TABLE

if TYPE_CHECKING:
    from raylane.testing import MemoryProducer
    from raylane_common.wire.jobs import JobRecord

OTHER = CSV.model_copy(update={"filename": "other.csv", "s3_uri": "s3://raylane/sessions/s1/csv/other.csv"})
CODE = f'from raylane_run import answer, read\nanswer.table(read("{CSV.s3_uri}"))\n'


def given(record: JobRecord) -> Rerun:
    request = parse_request(record)
    assert isinstance(request, GenerateRequest)
    assert request.rerun is not None
    assert (request.execute, request.keep_sources) == (True, True)
    return request.rerun


async def test_code_reads_the_sources_that_it_names(memory: MemoryProducer) -> None:
    await memory.put_sources("s1", CSV, OTHER, TABLE)
    rerun = given(await (await memory.run_code(CODE, session_id="s1")).record())
    assert (rerun.code, rerun.sources_used) == (CODE, (CSV,))
    assert (rerun.job_id, rerun.engine, rerun.generator) == (None, None, GeneratorName.AUTO)


async def test_a_source_of_a_newer_version_is_left_alone(memory: MemoryProducer) -> None:
    await memory.put_sources("s1", CSV, OpaqueSource.model_validate({"type": "stream", "name": "read", "job_id": "x"}))
    assert given(await (await memory.run_code(CODE, session_id="s1")).record()).sources_used == (CSV,)


async def test_code_that_names_none_is_verified_against_all_that_are_there(memory: MemoryProducer) -> None:
    await memory.put_sources("s1", CSV, TABLE)
    rerun = given(await (await memory.run_code("print(1)", session_id="s1", engine="distributed")).record())
    assert rerun.sources_used == (CSV, TABLE)
    assert rerun.engine is Engine.DISTRIBUTED


async def test_a_source_that_has_left_the_session_comes_from_the_job_that_read_it(memory: MemoryProducer) -> None:
    earlier = await memory.generate("mean of temp", session_id="s1", execute=True, job_id="gen")
    await memory.succeed(earlier.id, GENERATED)
    assert await memory.sources("s1") == []
    await memory.put_sources("s1", OTHER)
    record = await (await memory.run_code(CODE, session_id="s1")).record()
    rerun = given(record)
    assert (rerun.job_id, rerun.sources_used, rerun.engine) == ("gen", (CSV,), Engine.LOCAL)
    assert record.what == "mean of temp (again, as in gen)"
    # How the earlier code was read says nothing of changed code.
    assert rerun.interpreted_as == ""
    same = given(await (await memory.run_code(GENERATED.code, session_id="s1")).record())
    assert (same.job_id, same.sources_used) == (None, (OTHER,))


async def test_the_newest_upload_of_a_file_is_read(memory: MemoryProducer) -> None:
    earlier = await memory.generate("mean of temp", session_id="s1", execute=True, job_id="gen")
    await memory.succeed(earlier.id, GENERATED)
    newer = CSV.model_copy(update={"rows": 2, "job_id": "newer"})
    await memory.put_sources("s1", newer)
    assert given(await (await memory.run_code(CODE, session_id="s1")).record()).sources_used == (newer,)


async def test_sources_of_other_sessions_are_never_read(memory: MemoryProducer) -> None:
    earlier = await memory.generate("mean of temp", session_id="s2", execute=True)
    await memory.succeed(earlier.id, GENERATED)
    await memory.put_sources("s2", CSV)
    with pytest.raises(NoSources, match="the session has no sources"):
        await memory.run_code(CODE, session_id="s1")
    assert len(memory.enqueued) == 1


@pytest.mark.parametrize(
    ("code", "engine", "field"), [("", None, "code"), ("\ud800", None, "code"), ("x", "gpu", "engine")]
)
async def test_a_wrong_argument_is_named(memory: MemoryProducer, code: str, engine: str | None, field: str) -> None:
    await memory.put_sources("s1", CSV)
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        await memory.run_code(code, session_id="s1", engine=engine)


async def test_history_says_which_code_was_given(memory: MemoryProducer) -> None:
    await memory.put_sources("s1", CSV)
    await memory.run_code(CODE, session_id="s1")
    await memory.cluster.submit("print(1)", session_id="s1")
    await memory.generate("count", session_id="s1")
    assert [(entry.was_given, entry.code) for entry in await memory.history("s1")] == [
        (False, None),
        (True, "print(1)"),
        (True, CODE),
    ]
