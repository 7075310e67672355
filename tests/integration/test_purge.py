"""A purge deletes everything of one session on S3, and nothing of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from raylane_common.errors import StorageDenied
from raylane_common.settings import StorageSettings
from raylane_worker.data.storage import Storage, listed
from tests.helpers.aws import aws_settings, own_bucket, s3, share_session
from tests.helpers.small_s3 import serving

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

    from raylane_worker.embedded import EmbeddedMoto

KEPT = ["sessions/ada2/csv/a.csv", "sessions/ada.b/csv/a.csv", "sessions/ad/csv/a.csv", "transfers/t", "sessions/ada"]


@pytest.fixture(autouse=True)
def _shared_session(monkeypatch: pytest.MonkeyPatch) -> None:
    share_session(monkeypatch)


async def nothing() -> tuple[str, ...]:
    """The keys that a purge keeps."""
    return ()


async def keys_of(client: S3Client, bucket: str) -> list[str]:
    listed = (await client.list_objects_v2(Bucket=bucket)).get("Contents", [])
    return [found["Key"] for found in listed]


async def test_only_what_is_below_the_session_is_deleted(moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "_AT_ONCE", 3)
    own = [f"sessions/ada/{place}" for place in ("csv/a.csv", "data/a.csv.parquet", "runs/r/1", "csv/ä b%20.csv")]
    own += [f"sessions/ada/runs/r/{number}" for number in range(10, 15)]
    async with Storage(own_bucket(), aws_settings(moto.url)) as storage, s3(moto.url) as client:
        for key in own + KEPT:
            await client.put_object(Bucket=storage.bucket, Key=key, Body=b"12345")
        for key in ("sessions/ada/csv/big", "sessions/ada2/csv/big"):
            await client.create_multipart_upload(Bucket=storage.bucket, Key=key)
        assert await storage.purge("ada", nothing) == (len(own), 5 * len(own), 1)
        assert await keys_of(client, storage.bucket) == sorted(KEPT)
        left = (await client.list_multipart_uploads(Bucket=storage.bucket)).get("Uploads", [])
        assert [upload["Key"] for upload in left] == ["sessions/ada2/csv/big"]
        assert await storage.purge("ada", nothing) == (0, 0, 0)


def answering(errors: str) -> list[str]:
    """What S3 answers to a purge: no uploads, one object, and the outcome of its deletion."""
    return [
        "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
        (
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>sessions/ada/csv/a.csv</Key>"
            '<ETag>"e"</ETag><Size>5</Size></Contents></ListBucketResult>'
        ),
        f"<DeleteResult>{errors}</DeleteResult>",
    ]


async def purged(errors: str) -> tuple[int, int, int]:
    answers = iter(answering(errors))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=next(answers), content_type="application/xml")

    async with serving(answer) as url, Storage(StorageSettings(bucket="uploads"), aws_settings(url)) as storage:
        return await storage.purge("ada", nothing)


async def test_a_deletion_that_s3_refuses_inside_a_success_is_an_error_with_the_permission() -> None:
    error = "<Error><Key>sessions/ada/csv/a.csv</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    with pytest.raises(StorageDenied, match="the permission s3:DeleteObject"):
        await purged(error)


async def test_an_object_that_is_replaced_meanwhile_stays() -> None:
    error = "<Error><Key>sessions/ada/csv/a.csv</Key><Code>PreconditionFailed</Code><Message>no</Message></Error>"
    assert await purged("") == (1, 5, 0)
    assert await purged(error) == (0, 0, 0)


async def test_on_a_server_that_ignores_the_prefix_a_sweep_ends_only_uploads_of_raylane() -> None:
    began = "<Initiated>2020-01-01T00:00:00.000Z</Initiated>"
    uploads = "".join(
        f"<Upload><Key>{key}</Key><UploadId>u</UploadId>{began}</Upload>"
        for key in ("backups/db", "transfers/t", "sessions/ada/csv/a.csv")
    )
    answers = {
        "uploads": f"<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>",
        "uploadId": "<ListPartsResult></ListPartsResult>",
        "list-type": "<ListBucketResult></ListBucketResult>",
    }
    ended: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        if request.method == "DELETE":
            ended.append(request.path.removeprefix("/uploads/"))
            return web.Response(status=204)
        (text,) = (text for name, text in answers.items() if name in request.query)
        return web.Response(text=text, content_type="application/xml")

    async with serving(answer) as url, Storage(StorageSettings(bucket="uploads"), aws_settings(url)) as storage:
        assert await storage.transfers.sweep(3600) == 2
    assert ended == ["transfers/t", "sessions/ada/csv/a.csv"]
