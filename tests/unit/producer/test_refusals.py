"""Bad arguments raise an error that names the field, and nothing is sent."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane import arguments
from raylane.given_files import new_upload
from raylane.handle import JobHandle
from raylane.options import new_job
from raylane.producer import Producer
from raylane_common.errors import InvalidRequest
from raylane_common.limits import MAX_CODE_BYTES, MAX_PROMPT_BYTES, MAX_STAGED_BYTES, MAX_UPLOAD_BYTES
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.upload import UploadResult
from tests.unit.producer.samples import CSV_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

BAD_SESSION_IDS = ["", " ", "-a", ".a", "a b", "a/b", "a:b", "é", "a\n", "a\x00", "x" * 129]
BAD_JOB_IDS = ["", "-a", "a.b", "a:b", "a b", "a\n", "x" * 57]


BAD_FILENAMES = [
    "",
    " ",
    "a/b.csv",
    "a\udcff.csv",
    "..",
    "../a.csv",
    "a\\b.csv",
    "a\n.csv",
    "a\x00.csv",
    " a.csv",
    "x" * 256,
]


async def numbers() -> Any:
    yield 7


NEW_JOB = new_job(GenerateRequest(prompt="count"), session_id="s1")


class BytesPath(os.PathLike[bytes]):
    def __fspath__(self) -> bytes:
        return b"a.csv"


@pytest.fixture(autouse=True)
async def _nothing_is_sent(redis: Redis) -> object:
    yield
    assert await redis.keys("*") == []


@pytest.mark.parametrize("session_id", BAD_SESSION_IDS)
async def test_a_bad_session_id_is_refused_by_every_method_that_takes_one(producer: Producer, session_id: str) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id=session_id),
        lambda: producer.generate("count", session_id=session_id),
        lambda: producer.tables.select(session_id, [("d", "t")]),
        lambda: producer.cluster.submit("print(1)", session_id=session_id),
        lambda: producer.sources(session_id),
        lambda: producer.reset(session_id),
        lambda: producer.history(session_id),
    ]
    for call in calls:
        with pytest.raises(InvalidRequest, match=r"^session_id: must be") as raised:
            await call()
        assert raised.value.details == {"field": "session_id"}


async def test_a_missing_session_id_is_refused_where_one_is_needed(producer: Producer) -> None:
    with pytest.raises(InvalidRequest, match=r"^session_id: must be"):
        await producer.generate("count", session_id=None)  # type: ignore[arg-type]  # what an untyped caller may do


@pytest.mark.parametrize("job_id", BAD_JOB_IDS)
async def test_a_bad_job_id_is_refused_by_every_method_that_takes_one(producer: Producer, job_id: str) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: producer.generate("count", session_id="s1", job_id=job_id),
        lambda: producer.tables.databases(job_id=job_id),
        lambda: producer.cluster.status(job_id=job_id),
        lambda: producer.record(job_id),
        lambda: producer.wait(job_id),
        lambda: producer.result(job_id),
        lambda: producer.restore(job_id),
        lambda: producer.cancel(job_id),
        lambda: producer.requeue(job_id),
        lambda: producer.attempts(job_id),
    ]
    for call in calls:
        with pytest.raises(InvalidRequest, match=r"^job_id: must be"):
            await call()
    with pytest.raises(InvalidRequest, match=r"^job_id: must be"):
        producer.follow(job_id)


@pytest.mark.parametrize(
    "after", ["", "x", "-1", "1-", "$", "1-1 ", "1-1\n", " 0", "1-1-1", "1.5", "9" * 20, f"0-{2**64}", True]
)
def test_a_bad_event_id_is_refused(producer: Producer, after: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^after: must be the id of an event"):
        producer.follow("j", after=after)
    with pytest.raises(InvalidRequest, match=r"^after: must be the id of an event"):
        JobHandle(producer._queue, "j", UploadResult).follow(after=after)


@pytest.mark.parametrize(
    ("after", "both_parts"),
    [("0", "0-0"), ("0-0", "0-0"), ("1795334676336", "1795334676336-0"), ("5-7", "5-7"), (5, "5-0")],
)
def test_an_event_id_without_its_sequence_number_is_accepted(after: Any, both_parts: str) -> None:
    assert arguments.event_id(after) == both_parts


def test_the_highest_id_is_accepted_which_events_before_a_gap_have() -> None:
    assert arguments.event_id(f"5-{2**64 - 1}") == f"5-{2**64 - 1}"


@pytest.mark.parametrize("value", [5, 1.5, [], object(), "\ud800"])
async def test_what_is_no_text_is_refused_where_text_is_needed(producer: Producer, value: Any) -> None:
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "job_id": lambda: producer.generate("count", session_id="s1", continues=value),
        "name": lambda: producer.settings.set(value, "1"),
        "before": lambda: producer.operator.audit(before=value),
    }
    for field, call in calls.items():
        with pytest.raises(InvalidRequest, match=rf"^{field}: (must be|is not valid text|'.*' is not one of)"):
            await call()
    with pytest.raises(InvalidRequest, match=r"^name: "):
        await producer.settings.unset(value)


@pytest.mark.parametrize("limit", [-1, 0, 1001, None, "5"])
async def test_a_history_limit_out_of_bounds_is_refused(producer: Producer, limit: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^limit: must be from 1 to 1000"):
        await producer.history("s1", limit=limit)


@pytest.mark.parametrize("filename", BAD_FILENAMES)
async def test_a_bad_filename_is_refused(producer: Producer, filename: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    with pytest.raises(InvalidRequest, match=r"^filename: (must|is not valid text)"):
        await producer.upload_bytes(CSV_BYTES, filename=filename, session_id="s1")
    with pytest.raises(InvalidRequest, match=r"^filename: (must|is not valid text)"):
        await producer.upload(tmp_path / "a.csv", filename=filename, session_id="s1")


async def test_a_file_that_cannot_be_uploaded_is_refused(producer: Producer, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with (tmp_path / "huge.csv").open("wb") as sparse:
        sparse.truncate(MAX_UPLOAD_BYTES + 1)
    for name, problem in (
        ("none.csv", "does not exist"),
        ("", "is a directory; name a file in it"),
        ("\udcff.csv", r"'.*/\\udcff.csv' does not exist"),
        ("\ud800.csv", "does not exist"),
        ("a\x00.csv", "does not exist"),
        ("x" * 300, "cannot be read: File name too long"),
    ):
        with pytest.raises(InvalidRequest, match=rf"^data: .*{problem}") as raised:
            await producer.upload(tmp_path / name, session_id="s1")
        assert raised.value.details == {"field": "data"}
    with pytest.raises(InvalidRequest, match=r"^data: must not be empty"):
        await producer.upload(tmp_path / "empty.csv", session_id="s1")
    with pytest.raises(InvalidRequest, match=rf"^data: .*{MAX_UPLOAD_BYTES}"):
        await producer.upload(tmp_path / "huge.csv", session_id="s1")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "must not be empty"),
        ("", "must not be empty"),
        ("a\ud800", "is not valid text: surrogates not allowed at position 1"),
        (BytesIO(b"a\n1\n"), r"must be bytes or text, not BytesIO; open files are for upload"),
        (StringIO("a\n1\n"), r"must be bytes or text, not StringIO; open files are for upload"),
        (Path("a.csv"), "must be bytes or text, not PosixPath; paths and open files are for upload"),
        (None, "must be bytes or text, not NoneType"),
        ([1, 2], "must be bytes or text, not list"),
        (7, "must be bytes or text, not int"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_data_that_cannot_be_uploaded_is_refused(producer: Producer, data: Any, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^data: .*{problem}"):
        await producer.upload_bytes(data, filename="a.csv", session_id="s1")


@pytest.mark.parametrize("data", [bytearray(b"a\n1\n"), memoryview(b"a\n1\n")], ids=["bytearray", "memoryview"])
def test_data_like_bytes_is_accepted(data: Any) -> None:
    assert new_upload(data, filename="a.csv", session_id="s1").body == b"a\n1\n"


def test_a_batch_takes_only_what_fits_into_redis() -> None:
    with pytest.raises(InvalidRequest, match=r"^data: must not exceed 8388608 bytes \(8 MiB\), but has 8388609 bytes"):
        new_upload(b"x" * (MAX_STAGED_BYTES + 1), filename="a.csv", session_id="s1")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, r"data: must be a path, bytes, an open file or an iterator of bytes \(.*\), not NoneType"),
        (7, r"data: must be a path, bytes, an open file or an iterator of bytes \(.*\), not int"),
        (["a.csv"], r"data: must be a path, bytes, an open file or an iterator of bytes \(.*\), not list"),
        (BytesPath(), "data: must be a path of text"),
        (b"a\n1\n", "filename: required, because bytes have no name; pass filename='sales.csv'"),
        (BytesIO(b"a\n1\n"), "filename: required, because bytes have no name; pass filename='sales.csv'"),
        (numbers(), "filename: required, because bytes have no name; pass filename='sales.csv'"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_upload_of_anything_else_is_refused(producer: Producer, data: Any, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{problem}"):
        await producer.upload(data, session_id="s1")


async def test_an_iterator_of_anything_but_bytes_is_refused(producer: Producer) -> None:
    with pytest.raises(InvalidRequest, match=r"^data: must yield bytes, not int"):
        await producer.upload(numbers(), filename="a.csv", session_id="s1")


@pytest.mark.parametrize("prompt", ["", "  \n", "x" * (MAX_PROMPT_BYTES + 1), "é" * (MAX_PROMPT_BYTES // 2 + 1)])
async def test_a_bad_prompt_is_refused(producer: Producer, prompt: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^prompt: must"):
        await producer.generate(prompt, session_id="s1")


async def test_bad_options_of_generate_name_their_field(producer: Producer) -> None:
    with pytest.raises(InvalidRequest, match=r"^generator: "):
        await producer.generate("count", session_id="s1", generator="magic")
    for max_versions in (0, 6):
        with pytest.raises(InvalidRequest, match=r"^max_versions: "):
            await producer.generate("count", session_id="s1", max_versions=max_versions)


async def test_bad_tables_name_their_field(producer: Producer) -> None:
    for tables, field in (
        ([], "tables"),
        ([("d", "t")] * 101, "tables"),
        ([("d", "t"), ("d", "")], r"tables\.1\.table"),
        ([("a/b", "t")], r"tables\.0\.database"),
        (["dt"], r"tables\.0"),
        ([("d", "t", "x")], r"tables\.0"),
        (None, "tables"),
        (5, "tables"),
        ("shop.orders", "tables"),
        ({"shop": "orders"}, "tables"),
    ):
        with pytest.raises(InvalidRequest, match=f"^{field}: "):
            await producer.tables.select("s1", tables)  # type: ignore[arg-type]  # what an untyped caller may do
    with pytest.raises(InvalidRequest, match=r"^database: "):
        await producer.tables.list("")


async def test_bad_arguments_of_ray_actions_name_their_field(producer: Producer) -> None:
    for limit in (0, 501):
        with pytest.raises(InvalidRequest, match=r"^limit: "):
            await producer.cluster.runs(limit=limit)
    for code in ("", " ", "x" * (MAX_CODE_BYTES + 1)):
        with pytest.raises(InvalidRequest, match=r"^code: must"):
            await producer.cluster.submit(code)
    for submission_id in ("", "../x", "a b", "x" * 65):
        for call in (producer.cluster.run, producer.cluster.logs, producer.cluster.stop, producer.cluster.delete):
            with pytest.raises(InvalidRequest, match=r"^submission_id: "):
                await call(submission_id)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        # The letters of one text must not become a list of requirements.
        ({"pip": "polars"}, "pip"),
        ({"pip": 5}, "pip"),
        ({"pip": {"polars": "1.0"}}, "pip"),
        ({"pip": [5]}, r"pip\.0"),
        ({"files": ["helper.py"]}, "files"),
        ({"files": "helper.py"}, "files"),
        ({"files": {"a.txt": "a\udcff"}}, r"files\.a\.txt"),
        ({"files": {"a\udcff.txt": "a"}}, "files"),
        ({"env_vars": [("A", "b")]}, "env_vars"),
        ({"env_vars": "A=b"}, "env_vars"),
        ({"env_vars": {"A": "a\udcff"}}, r"env_vars\.A"),
        ({"env_vars": {"A\udcff": "a"}}, "env_vars"),
        ({"env_vars": {5: "a"}}, "env_vars"),
        ({"code": "a\udcff"}, "code"),
    ],
    ids=repr,
)
async def test_a_script_with_arguments_of_another_kind_is_refused(
    producer: Producer, arguments: Any, field: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: ") as raised:
        await producer.cluster.submit(**{"code": "print(1)", **arguments})
    assert raised.value.info().model_dump_json()


async def test_text_that_has_no_utf_8_is_refused(producer: Producer) -> None:
    with pytest.raises(InvalidRequest, match=r"^prompt: is not valid text: surrogates not allowed at position 5"):
        await producer.generate("count\ud800", session_id="s1")


@pytest.mark.parametrize("jobs", [None, 5, "job", b"job", {"a": 1}, NEW_JOB])
async def test_a_batch_that_is_not_a_list_of_jobs_is_refused(producer: Producer, jobs: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^jobs: must be a list of jobs"):
        await producer.enqueue_many(jobs)


async def test_a_batch_names_the_place_of_what_is_not_a_job(producer: Producer) -> None:
    jobs: Any = [NEW_JOB, GenerateRequest(prompt="count")]
    with pytest.raises(InvalidRequest, match=r"^jobs\.1: must be a NewJob, not GenerateRequest; use new_job"):
        await producer.enqueue_many(jobs)


@pytest.mark.parametrize("code", [5, b"expired", ["expired"]])
async def test_an_error_code_that_is_not_text_is_refused(producer: Producer, code: Any) -> None:
    for call in (producer.operator.dead_letters, producer.operator.requeue_dead):
        with pytest.raises(InvalidRequest, match=r"^code: must be "):
            await call(code=code)


@pytest.mark.parametrize("timeout_s", ["5", float("nan"), [5], b"5", 1j])
async def test_a_timeout_that_is_not_a_number_is_refused(producer: Producer, timeout_s: Any) -> None:
    handle = JobHandle(producer._queue, "j1", UploadResult)
    for call in (
        lambda: producer.wait("j1", timeout_s),
        lambda: producer.result("j1", timeout_s),
        lambda: handle.wait(timeout_s),
        lambda: handle.result(timeout_s),
    ):
        with pytest.raises(InvalidRequest, match=r"^timeout_s: must be a number of seconds"):
            await call()


@pytest.mark.parametrize(
    ("arguments", "field", "hint"),
    [
        ({"settings": "redis://127.0.0.1:6379/0"}, "settings", "redis_url"),
        ({"settings": {}}, "settings", "redis_url"),
        ({"redis_url": b"redis://127.0.0.1:6379/0"}, "redis_url", "redis://"),
        ({"redis_url": 6379}, "redis_url", "redis://"),
        ({"backend": "redis://127.0.0.1"}, "backend", r"RedisBackend\(client\)"),
    ],
    ids=repr,
)
def test_a_producer_with_arguments_of_another_kind_is_refused(arguments: Any, field: str, hint: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: must be .*{hint}"):
        Producer(**arguments)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"after": "up"}, "after"),
        ({"after": 7}, "after"),
        ({"after": ["up", 7]}, r"after\.1"),
        ({"after": ["a/b"]}, r"after\.0"),
        ({"after": [f"j{number}" for number in range(101)]}, "after"),
        ({"delay_s": -1}, "delay_s"),
        ({"delay_s": float("nan")}, "delay_s"),
        ({"delay_s": 31 * 86_400}, "delay_s"),
        ({"expires_s": 0}, "expires_s"),
        ({"at": datetime(2030, 1, 1)}, "at"),  # a time without a zone is what is tested
        ({"at": datetime(2030, 1, 1, tzinfo=UTC), "delay_s": 1}, "at"),
        ({"at": 60}, "at"),  # as epoch seconds this would start at once
        ({"at": "2030-01-01T00:00:00Z"}, "at"),
        ({"priority": "urgent"}, "priority"),
        ({"unique": ""}, "unique"),
        ({"unique": "a\n"}, "unique"),
        ({"unique": "x" * 201}, "unique"),
    ],
    ids=str,
)
async def test_a_bad_option_of_a_job_names_its_field(producer: Producer, options: Any, field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        await producer.generate("count", session_id="s1", **options)
    with pytest.raises(InvalidRequest, match=f"^{field}: "):
        new_upload(CSV_BYTES, filename="a.csv", session_id="s1", **options)


@pytest.mark.parametrize("name", ["prioritty", "delay", "max_attempts", "session_id", "body", "request"])
async def test_an_unknown_option_of_a_job_is_named(producer: Producer, name: str) -> None:
    unknown: Any = {name: 1}  # what an untyped caller may do
    with pytest.raises(TypeError, match=name):
        await producer.tables.databases(**unknown)


async def test_type_checkers_refuse_an_unknown_option_too(producer: Producer) -> None:
    with pytest.raises(TypeError, match="prioritty"):
        await producer.cluster.status(prioritty="high")  # type: ignore[call-arg]  # needed, or mypy would say so
    with pytest.raises(InvalidRequest, match=r"^priority: "):
        await producer.cluster.status(priority="urgent")  # type: ignore[arg-type]  # as above


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_every_session_id_of_the_documented_form_is_accepted(session_id: str) -> None:
    assert arguments.session_id(session_id) == session_id


@given(st.text().filter(lambda text: not all(char.isascii() and (char.isalnum() or char in "._-") for char in text)))
def test_every_session_id_with_another_character_is_refused(session_id: str) -> None:
    with pytest.raises(InvalidRequest):
        arguments.session_id(session_id)


@given(st.text())
def test_a_job_id_is_accepted_or_refused_and_never_changed(job_id: str) -> None:
    try:
        assert arguments.job_id(job_id) == job_id
    except InvalidRequest as refused:
        assert refused.details == {"field": "job_id"}
