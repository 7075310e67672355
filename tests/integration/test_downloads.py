"""Files of an answer reach the user: with a real queue, a real worker and S3 over HTTP."""

from __future__ import annotations

import asyncio
import io
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from raylane import DownloadProgress, Producer
from raylane.options import new_job
from raylane.transfer import received
from raylane_common.errors import (
    AnswerFileGone,
    DiskFull,
    InvalidRequest,
    JobNotFound,
    NotUnderstood,
    RaylaneError,
    WaitTimeout,
)
from raylane_common.settings import Settings
from raylane_common.wire.answer import AnswerTable
from raylane_common.wire.upload import SignedFilesResult, SignFilesRequest
from tests.helpers.answered import answered, delete, end, file_of, forged, key_of, put, run_of
from tests.helpers.aws import own_bucket
from tests.helpers.claims import let_expire
from tests.helpers.door import open_door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey
    from tests.helpers.door import Door

DATA = os.urandom(3 * 1024 * 1024 + 17)


@pytest.fixture
async def door(valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis) -> AsyncIterator[Door]:
    async with open_door(valkey.url, moto.url, own_bucket()) as opened:
        yield opened


@pytest.fixture(params=["nameless", "named"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With files without names, and as on systems that have none."""
    if request.param == "named":
        monkeypatch.setattr(received, "_OWN_FILES", "/there is no such directory")


@pytest.mark.usefixtures("_both_ways")
async def test_a_file_arrives_byte_for_byte_and_replaces_the_old_one(door: Door, redis: Redis, tmp_path: Path) -> None:
    job_id = await answered(door, redis, {"table-1.parquet": DATA})
    target, reports = tmp_path / "weather.parquet", list[DownloadProgress]()
    for old in (None, b"old"):
        if old is not None:
            target.write_bytes(old)
            target.chmod(0o640)
        found = await door.producer.download(job_id, "table-1.parquet", target, progress=reports.append)
        assert found == target
        assert target.read_bytes() == DATA
        assert list(tmp_path.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert reports[-1] == (len(DATA), len(DATA))
    assert [entry.action for entry in await door.producer.history("ada")] == ["generate"], "no download is in it"


async def test_the_file_of_a_long_table_is_found_by_its_name(door: Door, redis: Redis, tmp_path: Path) -> None:
    job = await door.producer.generate("?", session_id="ada", execute=True)
    key = key_of(job.id, "table-1.parquet")
    await put(door, key, b"rows")
    file = file_of("table-1.parquet", f"s3://{door.bucket}/{key}", 4)
    await end(redis, job.id, AnswerTable(columns=(), rows=(), total_rows=5000, file=file))
    assert (await job.result()).answer is not None
    assert await door.producer.download(job.id, "table-1.parquet", tmp_path) == tmp_path / "table-1.parquet"
    assert (tmp_path / "table-1.parquet").read_bytes() == b"rows"


@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["empty", "small", "large"])
async def test_an_open_file_gets_the_bytes_and_stays_open(
    door: Door, redis: Redis, tmp_path: Path, data: bytes
) -> None:
    job_id = await answered(door, redis, {"a.csv": data})
    memory = io.BytesIO(b"before ")
    memory.seek(0, io.SEEK_END)
    assert await door.producer.download(job_id, "a.csv", memory) is None
    assert memory.getvalue() == b"before " + data
    with (tmp_path / "raw").open("wb", buffering=0) as raw:
        await door.producer.download(job_id, "a.csv", raw)
        assert not raw.closed
    assert (tmp_path / "raw").read_bytes() == data
    path = await door.producer.download(job_id, "a.csv", tmp_path / "a.csv")
    assert path is not None
    assert path.read_bytes() == data


async def test_names_of_any_letters_are_found(door: Door, redis: Redis, tmp_path: Path) -> None:
    names = ["größe & co.csv", "a b+c.json", "100%.csv", "?x=1#y;z.csv", "'q\".csv"]
    job_id = await answered(door, redis, {name: name.encode() for name in names})
    for name in names:
        path = await door.producer.download(job_id, name, tmp_path)
        assert path == tmp_path / name
        assert path.read_text(encoding="utf-8") == name


async def test_a_link_leads_to_the_file_that_is_replaced(door: Door, redis: Redis, tmp_path: Path) -> None:
    job_id = await answered(door, redis, {"a.csv": b"new"})
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "real.csv")
    await door.producer.download(job_id, "a.csv", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "real.csv").read_bytes() == b"new"


# What may not be signed


async def refused(door: Door, session_id: str, job_id: str, *names: str) -> RaylaneError:
    """Asks a worker directly, as a producer that checks nothing would."""
    request = SignFilesRequest(job_id=job_id, of_session=session_id, names=names)
    [outcome] = await door.producer.enqueue_many([new_job(request)])
    with pytest.raises(RaylaneError) as raised:
        await door.producer.result(outcome.id, timeout_s=60)
    return raised.value


async def test_another_session_gets_no_address(door: Door, redis: Redis) -> None:
    job_id = await answered(door, redis, {"a.csv": b"secret"})
    error = await refused(door, "eve", job_id, "a.csv")
    assert isinstance(error, JobNotFound)
    assert type(await refused(door, "eve", "no-such-job", "a.csv")) is JobNotFound


async def test_a_name_that_the_answer_does_not_have_gets_no_address(door: Door, redis: Redis, tmp_path: Path) -> None:
    job_id = await answered(door, redis, {"a.csv": b"1", "table-1.parquet": b"2"})
    await answered(door, redis, {"b.csv": b"of another run"}, job_id="other")
    prefix = key_of(job_id, "")
    names = ["../a.csv", "..%2fa.csv", "%2e%2e/a.csv", f"../{run_of('other')}/b.csv", "b.csv", "", ".", "a.csv\0"]
    names += [prefix + "a.csv", f"s3://{door.bucket}/{prefix}a.csv", "answer.json", "A.csv", "a.csv ", "/a.csv"]
    for name in names:
        error = await refused(door, "ada", job_id, "a.csv", name)
        assert isinstance(error, InvalidRequest), name
        with pytest.raises(InvalidRequest, match=r"^name: the answer of job"):
            await door.producer.download(job_id, name, tmp_path / "x")
    with pytest.raises(InvalidRequest, match=r"has no file 'a\.cvs'; did you mean a\.csv\?"):
        await door.producer.download(job_id, "a.cvs", tmp_path / "x")
    with pytest.raises(InvalidRequest, match=r"its files are a\.csv, table-1\.parquet"):
        await door.producer.download(job_id, "zzz", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


async def test_an_answer_that_names_other_objects_gets_no_address(door: Door, redis: Redis, tmp_path: Path) -> None:
    """A script has written it, so what it says is not believed."""
    victim = await answered(door, redis, {"secret.csv": b"secret"}, session_id="bob", job_id="victim")
    await put(door, "sessions/ada/csv/mine.csv", b"an upload")
    job = await door.producer.generate("?", session_id="ada", execute=True)
    own = f"sessions/ada/runs/{run_of(job.id)}"
    places = {
        "secret.csv": f"s3://{door.bucket}/{key_of(victim, 'secret.csv', 'bob')}",
        "mine.csv": f"s3://{door.bucket}/sessions/ada/csv/mine.csv",
        "../secret.csv": f"s3://{door.bucket}/{own}/../secret.csv",
        "..": f"s3://{door.bucket}/{own}/..",
        "%2e%2e%2fsecret.csv": f"s3://{door.bucket}/{own}/%2e%2e%2fsecret.csv",
        "sub/file.csv": f"s3://{door.bucket}/{own}/sub/file.csv",
        "other-name.csv": f"s3://{door.bucket}/{own}/a.csv",
        "elsewhere.csv": f"s3://elsewhere/{own}/elsewhere.csv",
        "session.csv": f"s3://{door.bucket}/sessions/ada2/runs/{run_of(job.id)}/session.csv",
        "run.csv": f"s3://{door.bucket}/{own}0/run.csv",
        "web.csv": f"http://{door.bucket}/{own}/web.csv",
        "nowhere.csv": "",
        "control\n.csv": f"s3://{door.bucket}/{own}/control\n.csv",
    }
    await end(redis, job.id, *(file_of(name, place) for name, place in places.items()))
    for name in places:
        with pytest.raises(InvalidRequest, match=r"^name: .* is not a file of the run"):
            await door.producer.download(job.id, name, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


async def test_a_name_with_folders_leaves_no_directory(door: Door, redis: Redis, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("../out.csv", "/out.csv", "..", ""):
        job_id = await forged(door.producer, redis, file_of(name, "s3://b/k"))
        with pytest.raises(InvalidRequest):
            await door.producer.download(job_id, name, tmp_path / "in")
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


async def test_an_address_names_the_object_and_is_shown_nowhere(door: Door, redis: Redis) -> None:
    job_id = await answered(door, redis, {"a.csv": b"12345", "b.csv": b"1"})
    request = SignFilesRequest(job_id=job_id, of_session="ada", names=("b.csv", "a.csv"))
    [outcome] = await door.producer.enqueue_many([new_job(request)])
    result = await door.producer.result(outcome.id, timeout_s=60)
    assert isinstance(result, SignedFilesResult)
    assert [(file.name, file.size_bytes) for file in result.files] == [("b.csv", 1), ("a.csv", 5)]
    assert result.files[1].etag == "827ccb0eea8a706c4c34a16891f84e7b"
    assert "X-Amz-Expires=3600" in result.files[0].url
    assert "Signature" not in repr(result)


# What may have changed since


async def test_a_file_that_was_deleted_says_how_to_get_it_again(door: Door, redis: Redis, tmp_path: Path) -> None:
    job_id = await answered(door, redis, {"a.csv": b"12345"})
    await delete(door, key_of(job_id, "a.csv"))
    with pytest.raises(AnswerFileGone, match=rf"a\.csv of job {job_id} has been deleted.*`raylane rerun {job_id}`"):
        await door.producer.download(job_id, "a.csv", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


async def test_a_purge_deletes_the_files_of_answers(door: Door, redis: Redis, tmp_path: Path) -> None:
    job_id = await answered(door, redis, {"a.csv": b"12345"})
    kept = await answered(door, redis, {"a.csv": b"12345"}, session_id="ada2")
    purged = await (await door.producer.reset("ada", purge=True)).result(timeout_s=60)
    assert purged.objects == 1
    with pytest.raises(AnswerFileGone):
        await door.producer.download(job_id, "a.csv", tmp_path / "x")
    await door.producer.download(kept, "a.csv", tmp_path / "x")


async def test_a_file_of_another_size_than_the_answer_says_is_an_error(
    door: Door, redis: Redis, tmp_path: Path
) -> None:
    job_id = await answered(door, redis, {"a.csv": b"12345"})
    await put(door, key_of(job_id, "a.csv"), b"123456")
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(AnswerFileGone, match="replaced: it had 5 bytes, and has 6"):
        await door.producer.download(job_id, "a.csv", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"old"


async def test_a_job_without_its_answer_says_what_to_do(door: Door, redis: Redis, tmp_path: Path) -> None:
    with pytest.raises(JobNotFound, match="expired"):
        await door.producer.download("never", "a.csv", tmp_path / "x")
    job_id = await answered(door, redis, {"a.csv": b"12345"})
    await let_expire(redis, job_id)
    assert await redis.delete(f"raylane:job:{job_id}") == 1
    with pytest.raises(JobNotFound, match="expired"):
        await door.producer.download(job_id, "a.csv", tmp_path / "x")
    waiting = await door.producer.generate("?", session_id="ada")
    with pytest.raises(WaitTimeout, match="has not ended"):
        await door.producer.download(waiting.id, "a.csv", tmp_path / "x")
    assert isinstance(await refused(door, "ada", waiting.id, "a.csv"), InvalidRequest)
    upload = await door.producer.upload(b"a\n1\n", session_id="ada", filename="a.csv")
    await upload.result(timeout_s=60)
    with pytest.raises(InvalidRequest, match=f"job {upload.id} has no answer"):
        await door.producer.download(upload.id, "a.csv", tmp_path / "x")
    from raylane.testing.memory.worker import MemoryWorker

    await MemoryWorker(redis).end(waiting.id, NotUnderstood("no"))
    with pytest.raises(NotUnderstood):
        await door.producer.download(waiting.id, "a.csv", tmp_path / "x")


async def test_without_a_worker_the_download_says_what_is_missing(
    door: Door, valkey: EmbeddedValkey, redis: Redis, tmp_path: Path
) -> None:
    item = file_of("a.csv", "s3://b/k")
    settings = Settings.model_validate(
        {"redis": {"url": valkey.url, "prefix": "alone"}, "uploads": {"start_timeout_s": 0.1}}
    )
    from raylane_common.redis.connection import connect

    async with Producer(settings) as producer, connect(settings.redis) as alone:
        job_id = await forged(producer, alone, item)
        with pytest.raises(WaitTimeout, match="no worker has started the transfer"):
            await producer.download(job_id, "a.csv", tmp_path / "x")
        assert {job.status for job in await producer.operator.jobs()} == {"succeeded", "cancelled"}
    assert list(tmp_path.iterdir()) == []


# What may be wrong here


async def test_places_that_cannot_be_written_are_refused_before_a_worker_is_asked(
    door: Door, redis: Redis, tmp_path: Path
) -> None:
    job_id = await answered(door, redis, {"a.csv": b"12345"})
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "readonly").write_bytes(b"old")
    os.mkfifo(tmp_path / "pipe")
    text = (tmp_path / "text").open("w", encoding="utf-8")
    places: list[tuple[Any, str]] = [
        (tmp_path / "missing" / "x", "No such file or directory"),
        (tmp_path / "file" / "x", "Not a directory"),
        (tmp_path / "pipe", "is not a regular file"),
        ("/dev/null", "is not a regular file"),
        ("x" * 300, "name too long"),
        ("a\0b", "null"),
        ("", "must not be empty"),
        (7, "must be a path or a file that is open for bytes, not int"),
        (b"bytes", "not bytes"),
        (None, "not NoneType"),
        (text, "open as text"),
        (io.StringIO(), "open as text"),
    ]
    before = len(await door.producer.operator.jobs())
    for place, problem in places:
        with pytest.raises(InvalidRequest, match=rf"^to: .*{problem}"):
            await door.producer.download(job_id, "a.csv", place)
    text.close()
    assert len(await door.producer.operator.jobs()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe", "readonly", "text"]


async def test_a_full_disk_is_an_error_and_leaves_the_old_file(
    door: Door, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await answered(door, redis, {"a.csv": DATA})
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb", 0) as full, pytest.raises(DiskFull, match="No space left"):
        await door.producer.download(job_id, "a.csv", full)
    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(os, "fstatvfs", lambda _: os.statvfs_result((1, 1, 9, 9, 9, 9, 9, 9, 9, 9)))
    with pytest.raises(DiskFull, match=r"needs 3,145,745 bytes, and 9 are free"):
        await door.producer.download(job_id, "a.csv", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


async def test_an_open_file_that_breaks_ends_the_download(door: Door, redis: Redis) -> None:
    job_id = await answered(door, redis, {"a.csv": DATA})
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as broken, pytest.raises(BrokenPipeError):
        await door.producer.download(job_id, "a.csv", broken)
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(InvalidRequest, match="closed file"):
        await door.producer.download(job_id, "a.csv", closed)


async def test_two_downloads_to_the_same_file_at_once_leave_one_whole_file(
    door: Door, redis: Redis, tmp_path: Path
) -> None:
    files = {f"{number}.bin": bytes([number]) * 2_500_000 for number in range(4)}
    job_id = await answered(door, redis, files)
    await asyncio.gather(*(door.producer.download(job_id, name, tmp_path / "x") for name in files))
    assert (tmp_path / "x").read_bytes() in files.values()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
