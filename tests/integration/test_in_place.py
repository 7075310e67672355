"""An object that is already on S3 becomes a source where it is, if the settings allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest
from raylane_common.settings import StorageSettings
from raylane_common.wire.sources import FileSource
from raylane_common.wire.upload import ReadInPlaceRequest, UploadResult
from raylane_worker.data.readable import check_readable
from raylane_worker.handlers.upload import upload
from tests.helpers.aws import own_bucket, s3
from tests.integration.test_upload_tables_handlers import DATA, Harness, open_harness

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto

LAKE = StorageSettings(bucket="own", readable=("lake", "shared/public/"))


async def added(harness: Harness, uri: str) -> UploadResult:
    request = ReadInPlaceRequest(s3_uri=uri, filename="sales.csv")
    result = await upload(request, harness.job(request))
    assert isinstance(result, UploadResult)
    return result


async def test_an_object_becomes_a_source_and_is_not_copied(redis: Redis, moto: EmbeddedMoto) -> None:
    lake = own_bucket().bucket
    storage = own_bucket().model_copy(update={"readable": (f"{lake}/in/",)})
    async with open_harness(redis, moto.url, storage) as harness, s3(moto.url) as client:
        await client.create_bucket(Bucket=lake)
        for key, data in (("in/2024 é/s.csv", DATA), ("in/empty.csv", b""), ("other/s.csv", DATA)):
            await client.put_object(Bucket=lake, Key=key, Body=data)
        result = await added(harness, f"s3://{lake}/in/2024 é/s.csv")
        assert (result.bucket, result.key, result.rows, result.bytes) == (lake, "in/2024 é/s.csv", 6, len(DATA))
        (source,) = await harness.resources.sources.all("s1")
        assert isinstance(source, FileSource)
        assert (source.s3_uri, source.filename) == (f"s3://{lake}/in/2024 é/s.csv", "sales.csv")
        assert source.readable_location == f"s3://{lake}/in/2024%20%C3%A9/s.csv"
        assert "Contents" not in await client.list_objects_v2(Bucket=storage.bucket)
        for key, problem in (
            ("in/none.csv", "there is no object"),
            ("in/empty.csv", "has 0 bytes"),
            ("other/s.csv", "RAYLANE_STORAGE__READABLE"),
        ):
            with pytest.raises(InvalidRequest, match=problem):
                await added(harness, f"s3://{lake}/{key}")
        assert await harness.resources.sources.all("s1") == [source]


@pytest.mark.parametrize("key", ["in/plain.csv.gz", "in/a;?b.csv", "in/what?"])
async def test_an_object_whose_own_name_misleads_ray_has_a_prepared_copy(
    redis: Redis, moto: EmbeddedMoto, key: str
) -> None:
    lake = own_bucket().bucket
    storage = own_bucket().model_copy(update={"readable": (lake,)})
    async with open_harness(redis, moto.url, storage) as harness, s3(moto.url) as client:
        await client.create_bucket(Bucket=lake)
        await client.put_object(Bucket=lake, Key=key, Body=DATA)
        assert (await added(harness, f"s3://{lake}/{key}")).prepared is not None


@pytest.mark.parametrize("uri", ["s3://lake/a.csv", "s3://lake/x/y/a.csv", "s3://shared/public/a.csv"])
def test_what_the_settings_name_may_be_read(uri: str) -> None:
    assert "s3://{}/{}".format(*check_readable(uri, LAKE)) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "s3://lake2/a.csv",
        "s3://lak/e/a.csv",
        "s3://shared/a.csv",
        "s3://shared/public",
        "s3://shared/publicity/a.csv",
        "s3://own/sessions/ada/csv/a.csv",
        "s3://own/transfers/t",
        "s3://own/a.csv",
    ],
)
def test_nothing_else_may_be_read(uri: str) -> None:
    with pytest.raises(InvalidRequest, match="s3_uri"):
        check_readable(uri, LAKE)


def test_a_session_cannot_read_the_files_of_another_even_if_its_bucket_is_readable() -> None:
    open_bucket = StorageSettings(bucket="own", readable=("own",))
    assert check_readable("s3://own/reference/a.csv", open_bucket) == ("own", "reference/a.csv")
    with pytest.raises(InvalidRequest, match="belongs to another session"):
        check_readable("s3://own/sessions/ada/csv/a.csv", open_bucket)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://lake",
        "s3://lake/",
        "s3:///a.csv",
        "s3://Lake/a.csv",
        "s3://lake/in/",
        "s3://lake//a.csv",
        "s3://lake/in/../out/a.csv",
        "s3://lake/./a.csv",
        "s3://lake/..",
        "s3://lake/in/%2e%2E/out/a.csv",
        "s3://lake/in/%252e%252e/a.csv",
        "s3://lake/in%2Fa.csv",
        "s3://lake/in\\..\\a.csv",
        "s3://lake/in\n/a.csv",
        "s3://lake/a\ud800.csv",
        "s3://lake/a\ud800/a.csv",
        "s3://user:secret@lake/a.csv",
        "https://lake.s3.amazonaws.com/a.csv",
        f"s3://lake/{'x/' * 510}a.csv\u00e9\u00e9",
    ],
)
def test_an_address_with_tricks_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="s3_uri"):
        ReadInPlaceRequest(s3_uri=uri, filename="a.csv")


@pytest.mark.parametrize("entry", ["", "/", "Lake", "lake/in", "s3://lake", "lake//"])
def test_an_entry_that_could_match_more_than_it_says_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="readable"):
        StorageSettings(readable=(entry,))
