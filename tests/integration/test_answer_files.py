"""Addresses are signed for files of the job's own answer and of nothing else, whatever the answer or a caller says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import AnswerFileGone, InternalError, InvalidRequest, JobNotFound, NotFound, RaylaneError
from raylane_common.settings import Settings
from raylane_common.wire.upload import SignFilesRequest
from raylane_worker.context import JobContext, Resources
from raylane_worker.data.storage import Storage
from raylane_worker.first_use import FirstUse
from raylane_worker.handlers.answer_files import sign
from tests.helpers.answered import answer_record, file_of, key_of, run_of
from tests.helpers.aws import aws_settings, own_bucket, s3, share_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_s3 import S3Client

    from raylane_common.wire.answer import AnswerItem
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.upload import FileUrl
    from raylane_worker.embedded import EmbeddedMoto


class Desk:
    """A worker's handler, the records that it can read, and its bucket."""

    def __init__(self, storage: Storage, client: S3Client, settings: Settings) -> None:
        self.bucket = settings.storage.bucket
        self.records: dict[str, JobRecord] = {}
        self._client = client
        opened = FirstUse(lambda: storage)
        opened._opened = storage
        unused: Any = None
        self._resources = Resources(settings, unused, unused, unused, storage=opened, records=self)
        self._port = unused

    async def record(self, job_id: str) -> JobRecord:
        if job_id not in self.records:
            raise JobNotFound(f"no job {job_id}")
        return self.records[job_id]

    async def put(self, key: str, data: bytes = b"12345") -> str:
        """Writes an object, and returns its URI."""
        await self._client.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    async def delete(self, key: str) -> None:
        await self._client.delete_object(Bucket=self.bucket, Key=key)

    def answer(self, job_id: str, *items: AnswerItem, session_id: str | None = "ada") -> None:
        self.records[job_id] = answer_record(job_id, *items, session_id=session_id)

    async def sign(self, *names: str, job_id: str = "job", session_id: str = "ada") -> list[FileUrl]:
        request = SignFilesRequest(job_id=job_id, of_session=session_id, names=names)
        context = JobContext(answer_record("signing"), self._port, self._resources)
        return list((await sign(request, context)).files)

    async def refusal(self, *names: str, **options: Any) -> RaylaneError:
        with pytest.raises(RaylaneError) as raised:
            await self.sign(*names, **options)
        return raised.value


@pytest.fixture
async def desk(moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    share_session(monkeypatch)
    settings = Settings.model_validate(
        {"aws": aws_settings(moto.url, public_endpoint_url="https://s3.example.org:9000"), "storage": own_bucket()}
    )
    async with s3(moto.url) as client, Storage(settings.storage, settings.aws) as storage:
        yield Desk(storage, client, settings)


async def test_an_address_is_for_producers_and_names_the_object_that_is_there(desk: Desk) -> None:
    uri = await desk.put(key_of("job", "a b.csv"))
    desk.answer("job", file_of("a b.csv", uri, 5))
    [file] = await desk.sign("a b.csv")
    assert (file.name, file.size_bytes, file.etag) == ("a b.csv", 5, "827ccb0eea8a706c4c34a16891f84e7b")
    assert file.url.startswith(
        f"https://s3.example.org:9000/{desk.bucket}/sessions/ada/runs/{run_of('job')}/a%20b.csv?"
    )
    assert "X-Amz-Expires=3600" in file.url
    assert "Signature" not in repr(file)


async def test_an_address_names_the_account_that_must_own_the_bucket(moto: EmbeddedMoto) -> None:
    owned = own_bucket().model_copy(update={"bucket_owner": "123456789012"})
    async with s3(moto.url) as client, Storage(owned, aws_settings(moto.url)) as storage:
        await client.put_object(Bucket=owned.bucket, Key="k", Body=b"1")
        file = await storage.downloads.sign("k", "k", 60)
    assert file is not None
    assert file.headers == {"x-amz-expected-bucket-owner": "123456789012"}
    assert "SignedHeaders=host%3Bx-amz-expected-bucket-owner" in file.url


async def test_files_are_signed_in_the_order_of_the_request(desk: Desk) -> None:
    items = [file_of(name, await desk.put(key_of("job", name))) for name in ("a", "b", "c")]
    desk.answer("job", *items)
    assert [file.name for file in await desk.sign("c", "a", "c")] == ["c", "a", "c"]


async def test_another_session_gets_no_address_and_does_not_learn_of_the_job(desk: Desk) -> None:
    desk.answer("job", file_of("a.csv", await desk.put(key_of("job", "a.csv"))))
    desk.answer("free", file_of("a.csv", await desk.put(key_of("free", "a.csv"))), session_id=None)
    for job_id in ("job", "free", "unknown"):
        assert type(await desk.refusal("a.csv", job_id=job_id, session_id="eve")) is JobNotFound


async def test_a_name_that_the_answer_does_not_have_gets_no_address(desk: Desk) -> None:
    items = [file_of(name, await desk.put(key_of("job", name))) for name in ("a.csv", "table-1.parquet")]
    desk.answer("job", *items)
    desk.answer("other", file_of("b.csv", await desk.put(key_of("other", "b.csv"))))
    prefix = key_of("job", "")
    names = ["../a.csv", "..%2fa.csv", "%2e%2e/a.csv", f"../{run_of('other')}/b.csv", "b.csv", "", ".", "a.csv\0"]
    names += [prefix + "a.csv", f"s3://{desk.bucket}/{prefix}a.csv", "answer.json", "A.csv", "a.csv ", "/a.csv"]
    for name in names:
        error = await desk.refusal("a.csv", name)
        assert isinstance(error, NotFound), name
        assert error.message.startswith("the answer of job job has no file"), name
    assert "did you mean a.csv?" in (await desk.refusal("a.cvs")).message
    assert "its files are a.csv, table-1.parquet" in (await desk.refusal("zzz")).message
    desk.answer("empty")
    assert "the answer of job empty has no file" in (await desk.refusal("a.csv", job_id="empty")).message


async def test_an_answer_that_names_other_objects_gets_no_address(desk: Desk) -> None:
    """A script has written it, so what it says is not believed."""
    own = f"sessions/ada/runs/{run_of('job')}"
    secret = await desk.put(key_of("victim", "secret.csv", "bob"))
    places = {
        "secret.csv": secret,
        "mine.csv": await desk.put("sessions/ada/csv/mine.csv"),
        "part": await desk.put("transfers/part"),
        "../secret.csv": f"s3://{desk.bucket}/{own}/../secret.csv",
        "..": f"s3://{desk.bucket}/{own}/..",
        "": f"s3://{desk.bucket}/{own}/",
        "%2e%2e%2fsecret.csv": await desk.put(f"{own}/%2e%2e%2fsecret.csv"),
        "sub/file.csv": await desk.put(f"{own}/sub/file.csv"),
        "other-name.csv": await desk.put(f"{own}/a.csv"),
        "elsewhere.csv": f"s3://elsewhere/{own}/elsewhere.csv",
        "session.csv": await desk.put(f"sessions/ada2/runs/{run_of('job')}/session.csv"),
        "run.csv": await desk.put(f"{own}0/run.csv"),
        "round.csv": await desk.put(f"sessions/ada/runs/{run_of('other')}/round.csv"),
        "web.csv": f"http://{desk.bucket}/{own}/web.csv",
        "nowhere.csv": "",
        "control\n.csv": f"s3://{desk.bucket}/{own}/control\n.csv",
    }
    desk.answer("job", *(file_of(name, place) for name, place in places.items()))
    for name in places:
        error = await desk.refusal(name)
        assert isinstance(error, InvalidRequest), name
        assert error.message.endswith("is not a file of the run of job job"), name
        assert "\n" not in error.message


async def test_a_job_that_ran_nothing_has_no_files(desk: Desk) -> None:
    uri = await desk.put(key_of("job", "a.csv"))
    desk.answer("job", file_of("a.csv", uri))
    record = desk.records["job"]
    assert record.result is not None
    desk.records["job"] = record.model_copy(update={"result": record.result.model_copy(update={"run": None})})
    assert isinstance(await desk.refusal("a.csv"), InvalidRequest)
    desk.records["job"] = record.model_copy(update={"result": None})
    assert "job job has no answer" in (await desk.refusal("a.csv")).message


async def test_a_file_that_is_gone_or_another_one_says_how_to_get_it_again(desk: Desk) -> None:
    key = key_of("job", "a.csv")
    desk.answer("job", file_of("a.csv", await desk.put(key), 5))
    await desk.put(key, b"123456")
    replaced = await desk.refusal("a.csv")
    assert isinstance(replaced, AnswerFileGone)
    assert "replaced: it had 5 bytes, and has 6; `raylane rerun job` computes it again" in replaced.message
    await desk.delete(key)
    gone = await desk.refusal("a.csv")
    assert isinstance(gone, AnswerFileGone)
    assert "deleted" in gone.message
    assert gone.details == {"job_id": "job", "name": "a.csv"}
    desk.records["job"] = desk.records["job"].model_copy(update={"kind": "ray"})
    assert (await desk.refusal("a.csv")).message.endswith("; run the script again")


async def test_without_records_there_is_no_address() -> None:
    unused: Any = None
    context = JobContext(answer_record("signing"), unused, Resources(Settings(), unused, unused, unused))
    with pytest.raises(InternalError):
        await sign(SignFilesRequest(job_id="j", of_session="s", names=("a",)), context)
