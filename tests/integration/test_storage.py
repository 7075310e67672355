from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import fs

from raylane_common.errors import StorageRejected, StorageUnavailable
from raylane_common.settings import AwsSettings
from raylane_common.wire.sources import readable_uri
from raylane_worker.data.layout import original_key
from raylane_worker.data.storage import Storage
from raylane_worker.data.target import Target
from raylane_worker.embedded import aws_environment
from tests.helpers.aws import ORDER, answering, aws_settings, closed, own_bucket, s3, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.embedded import EmbeddedMoto

FILENAMES = [
    "plain.csv",
    "with blank, comma.csv",
    "DES=+2006261.csv",
    "100%.csv",
    "a%20b.csv",
    "a#1.csv",
    "what?region=x.csv",
    "sémïcolon;é.csv",
    "データ😀.csv",
    "[1] {2} <3> |^`\"'.csv",
]


@pytest.fixture(scope="module")
def arrow_environment(moto: EmbeddedMoto) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws_environment(moto.url).items():
            patch.setenv(name, value)
        yield


@pytest.mark.parametrize("filename", FILENAMES)
@pytest.mark.usefixtures("arrow_environment")
async def test_an_object_has_its_key_and_arrow_reads_it_by_its_uri(moto: EmbeddedMoto, filename: str) -> None:
    key, data = original_key("s1", filename), f"a,b\n{filename!r},2\n".encode()
    async with Storage(own_bucket(), aws_settings(moto.url)) as storage:
        await storage.put(Target(key, "text/csv", ORDER), data)
        uri = readable_uri(storage.uri(key))
    async with s3(moto.url) as client:
        found = await client.get_object(Bucket=storage.bucket, Key=f"sessions/s1/csv/{filename}")
        assert (await found["Body"].read(), found["ContentType"]) == (data, "text/csv")
    filesystem, path = fs.FileSystem.from_uri(uri)
    with filesystem.open_input_stream(path) as stream:
        assert stream.read() == data


@pytest.mark.usefixtures("arrow_environment")
@given(name=st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=20))
@example("".join(map(chr, range(33, 127))).replace("/", "").replace("\\", ""))
def test_arrow_resolves_every_uri_to_the_key_it_was_made_from(name: str) -> None:
    key = original_key("s1", f"a{name}.csv")
    assert fs.FileSystem.from_uri(readable_uri(f"s3://bucket/{key}"))[1] == f"bucket/{key}"


def test_the_uri_of_an_ordinary_name_needs_no_encoding() -> None:
    name = "DES=+2006261_v1.0 final".replace(" ", "-") + ".csv"
    assert readable_uri(f"s3://b/{original_key('s.1', name)}") == f"s3://b/sessions/s.1/csv/{name}"


async def test_a_second_put_replaces_the_object(moto: EmbeddedMoto) -> None:
    async with Storage(own_bucket(), aws_settings(moto.url)) as storage:
        await storage.put(Target("k", "text/csv", ORDER), b"old")
        await storage.put(Target("k", "text/csv", ORDER), b"new")
    async with s3(moto.url) as client:
        assert await (await client.get_object(Bucket=storage.bucket, Key="k"))["Body"].read() == b"new"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
async def test_workers_that_start_together_create_one_bucket(moto: EmbeddedMoto, region: str) -> None:
    bucket, aws = own_bucket(), aws_settings(moto.url, region=region)

    async def start_and_put(key: str) -> None:
        async with Storage(bucket, aws) as storage:
            await storage.put(Target(key, "text/csv", ORDER), b"x")

    await asyncio.gather(*map(start_and_put, "abc"))


async def test_without_create_bucket_no_bucket_is_created(moto: EmbeddedMoto) -> None:
    async with Storage(own_bucket(create=False), aws_settings(moto.url)) as storage:
        with pytest.raises(StorageRejected, match=r"NoSuchBucket.*RAYLANE_STORAGE__BUCKET") as caught:
            await storage.put(Target("k", "text/csv", ORDER), b"x")
    assert caught.value.details == {
        "service": "s3",
        "aws_code": "NoSuchBucket",
        "http_status": 404,
        "reason": "no_bucket",
    }
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", "403 Forbidden", "role or user"),
        ("InvalidAccessKeyId", "403 Forbidden", "RAYLANE_AWS__ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "403 Forbidden", "RAYLANE_AWS__SECRET_ACCESS_KEY"),
        ("ExpiredToken", "400 Bad Request", "RAYLANE_AWS__ACCESS_KEY_ID"),
        ("BadDigest", "400 Bad Request", "BadDigest"),
    ],
)
async def test_a_refusal_says_what_to_change(code: str, status: str, expected: str) -> None:
    async with (
        answering(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>") as url,
        Storage(own_bucket(create=False), aws_settings(url)) as storage,
    ):
        with pytest.raises(StorageRejected, match=expected):
            await storage.put(Target("k", "text/csv", ORDER), b"x")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("503 Slow Down", "<Error><Code>SlowDown</Code><Message>less</Message></Error>"),
        ("500 Internal Server Error", "<Error><Code>InternalError</Code><Message>oh</Message></Error>"),
        ("400 Bad Request", "<Error><Code>RequestTimeout</Code><Message>late</Message></Error>"),
        ("502 Bad Gateway", "<html>a proxy"),
    ],
)
async def test_a_temporary_failure_is_retryable(status: str, body: str) -> None:
    async with answering(status, body) as url, Storage(own_bucket(create=False), aws_settings(url)) as storage:
        with pytest.raises(StorageUnavailable) as caught:
            await storage.put(Target("k", "text/csv", ORDER), b"x")
    assert caught.value.retryable


async def test_a_closed_port_is_unavailable() -> None:
    async with Storage(own_bucket(create=False), aws_settings(closed(), max_tries=2)) as storage:
        with pytest.raises(StorageUnavailable, match="RAYLANE_AWS__ENDPOINT_URL"):
            await storage.put(Target("k", "text/csv", ORDER), b"x")


@pytest.mark.parametrize("size_bytes", [1, 8 * 1024 * 1024])
async def test_a_server_that_never_answers_is_unavailable(size_bytes: int) -> None:
    async with silent() as url:
        aws = aws_settings(url, connect_timeout_s=0.2, read_timeout_s=0.2)
        async with Storage(own_bucket(create=False), aws) as storage:
            with pytest.raises(StorageUnavailable):
                await storage.put(Target("k", "text/csv", ORDER), b"x" * size_bytes)


async def test_an_opening_that_fails_leaves_no_client_open() -> None:
    with pytest.raises(StorageUnavailable):
        await Storage(own_bucket(), aws_settings(closed())).__aenter__()


async def test_missing_credentials_name_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    async with Storage(
        own_bucket(create=False), AwsSettings(region="us-east-1", endpoint_url=closed(), max_tries=1)
    ) as storage:
        with pytest.raises(StorageRejected, match="RAYLANE_AWS__ACCESS_KEY_ID"):
            await storage.put(Target("k", "text/csv", ORDER), b"x")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"secret_access_key": None}, "RAYLANE_AWS__SECRET_ACCESS_KEY"),
        ({"endpoint_url": "no url"}, "RAYLANE_AWS__ENDPOINT_URL"),
    ],
)
async def test_settings_that_cannot_work_are_refused_at_the_start(
    changes: dict[str, str | None], expected: str
) -> None:
    with pytest.raises(StorageRejected, match=expected):
        await Storage(own_bucket(create=False), aws_settings(closed(), **changes)).__aenter__()
