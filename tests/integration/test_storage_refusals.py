"""What S3 refuses becomes an error that says what to do. The bodies are those that AWS documents and sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from aiobotocore.session import get_session
from aiohttp import web

from raylane_common.errors import (
    BucketNotFound,
    InvalidRequest,
    StorageCredentials,
    StorageDenied,
    StorageRejected,
    StorageThrottled,
    StorageUnavailable,
)
from raylane_common.settings import StorageSettings, load_settings
from raylane_worker.data.aws import client_arguments, deadline_s
from raylane_worker.data.storage import Storage
from raylane_worker.data.target import Target
from tests.helpers.aws import ORDER, aws_settings, share_session, silent
from tests.helpers.small_s3 import serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane_common.errors import StorageError

BUCKET = StorageSettings(bucket="uploads")


@pytest.fixture(autouse=True)
def _shared_session(monkeypatch: pytest.MonkeyPatch) -> None:
    share_session(monkeypatch)


async def refused(
    status: int, body: str, headers: Mapping[str, str] | None = None, *, storage: StorageSettings = BUCKET
) -> StorageError:
    """Returns what `put` raises when S3 answers so."""

    async def answer(_: web.Request) -> web.Response:
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{body}<RequestId>4442587FB7D0A2F9</RequestId></Error>'
        return web.Response(status=status, text=text, content_type="application/xml", headers=headers)

    async with serving(answer) as url, Storage(storage, aws_settings(url)) as opened:
        with pytest.raises((StorageRejected, StorageUnavailable)) as caught:
            await opened.put(Target("sessions/ada/csv/a.csv", "text/csv", ORDER), b"x")
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "expected", "reason", "to_do"),
    [
        (
            404,
            (
                "<Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message>"
                "<BucketName>uploads</BucketName>"
            ),
            BucketNotFound,
            "no_bucket",
            "RAYLANE_STORAGE__BUCKET",
        ),
        (
            403,
            "<Code>AccessDenied</Code><Message>Access Denied</Message>",
            StorageDenied,
            "denied",
            "the permission s3:PutObject, and check that RAYLANE_STORAGE__BUCKET and RAYLANE_STORAGE__BUCKET_OWNER",
        ),
        (
            403,
            (
                "<Code>AccessDenied</Code><Message>User: arn:aws:sts::111122223333:assumed-role/worker/i-1 is not "
                "authorized to perform: s3:PutObject on resource: "
                "&quot;arn:aws:s3:::uploads/sessions/ada/csv/a.csv&quot; "
                "because no identity-based policy allows the s3:PutObject action</Message>"
            ),
            StorageDenied,
            "denied",
            "the permission s3:PutObject",
        ),
        (
            403,
            (
                "<Code>AccessDenied</Code><Message>User: arn:aws:sts::111122223333:assumed-role/worker/i-1 is not "
                "authorized to perform: kms:GenerateDataKey on resource: "
                "arn:aws:kms:eu-west-1:111122223333:key/k because "
                "no identity-based policy allows the kms:GenerateDataKey action</Message>"
            ),
            StorageDenied,
            "denied",
            "the permission kms:GenerateDataKey on the key, or name another with RAYLANE_STORAGE__KMS_KEY_ID",
        ),
        (
            400,
            (
                "<Code>KMS.NotFoundException</Code><Message>Key 'arn:aws:kms:eu-west-1:111122223333:key/k' "
                "does not exist"
                "</Message>"
            ),
            StorageRejected,
            "encryption",
            "RAYLANE_STORAGE__KMS_KEY_ID",
        ),
        (
            400,
            (
                "<Code>KMS.DisabledException</Code><Message>arn:aws:kms:eu-west-1:111122223333:key/k is disabled."
                "</Message>"
            ),
            StorageRejected,
            "encryption",
            "enabled",
        ),
        (
            403,
            (
                "<Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the "
                "current time is "
                "too large.</Message><RequestTime>20261126T100000Z</RequestTime><ServerTime>2026-11-26T11:00:00Z"
                "</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>"
            ),
            StorageRejected,
            "clock",
            "clock of the worker's machine: it says 20261126T100000Z, and the server's 2026-11-26T11:00:00Z",
        ),
        (
            400,
            (
                "<Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region "
                "'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region>"
            ),
            StorageRejected,
            "region",
            "set RAYLANE_AWS__REGION to eu-west-1",
        ),
        (
            301,
            (
                "<Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be "
                "addressed using the "
                "specified endpoint.</Message><Endpoint>uploads.s3.eu-west-1.amazonaws.com</Endpoint><Bucket>uploads"
                "</Bucket>"
            ),
            StorageRejected,
            "region",
            "RAYLANE_AWS__REGION",
        ),
        (
            400,
            "<Code>ExpiredToken</Code><Message>The provided token has expired.</Message><Token-0>FwoGZXI</Token-0>",
            StorageCredentials,
            "credentials",
            "the session token has expired",
        ),
        (
            403,
            (
                "<Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in "
                "our records."
                "</Message><AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>"
            ),
            StorageCredentials,
            "credentials",
            "RAYLANE_AWS__ACCESS_KEY_ID",
        ),
        (
            403,
            (
                "<Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not "
                "match the signature "
                "you provided.</Message>"
            ),
            StorageCredentials,
            "credentials",
            "RAYLANE_AWS__SECRET_ACCESS_KEY",
        ),
        (
            501,
            (
                "<Code>NotImplemented</Code><Message>A header you provided implies functionality that is not "
                "implemented"
                "</Message><Header>If-None-Match</Header>"
            ),
            StorageRejected,
            "other",
            "conditional writes",
        ),
        (
            503,
            "<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>",
            StorageThrottled,
            "throttled",
            "try again later",
        ),
        (
            500,
            "<Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message>",
            StorageUnavailable,
            "temporary",
            "try again later",
        ),
    ],
)
async def test_each_refusal_says_what_to_do(
    status: int, body: str, expected: type[StorageError], reason: str, to_do: str
) -> None:
    error = await refused(status, body)
    assert type(error) is expected
    assert to_do in error.message
    assert error.details["reason"] == reason
    assert error.retryable == (reason in ("temporary", "throttled"))


async def test_a_redirect_without_a_body_names_the_region_of_its_header() -> None:
    error = await refused(301, "", {"x-amz-bucket-region": "ap-south-1"})
    assert "set RAYLANE_AWS__REGION to ap-south-1" in error.message


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, "TooManyRequests"), (503, "ServiceUnavailable")])
async def test_the_pause_that_s3_asks_for_is_kept(status: int, code: str) -> None:
    error = await refused(status, f"<Code>{code}</Code><Message>less</Message>", {"Retry-After": "17"})
    assert isinstance(error, StorageThrottled)
    assert error.retry_after_s == 17


async def test_a_bucket_that_another_account_owns_cannot_be_created() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=404)
        body = "<Error><Code>BucketAlreadyExists</Code><Message>The name is not available</Message></Error>"
        return web.Response(status=409, text=body, content_type="application/xml")

    async with serving(answer) as url:
        with pytest.raises(StorageRejected, match="another account owns the bucket") as caught:
            await Storage(StorageSettings(bucket="uploads", create_bucket=True), aws_settings(url)).__aenter__()
    assert caught.value.details["reason"] == "not_ours"


async def test_a_transfer_has_time_for_its_size_and_not_more() -> None:
    async with silent() as url:
        aws = aws_settings(url, connect_timeout_s=0.1, read_timeout_s=60, slowest_bytes_per_s=1_000_000)
        assert deadline_s(aws, 5_000_000) == deadline_s(aws) + 5
        quick = aws.model_copy(update={"read_timeout_s": 0.1})
        async with Storage(BUCKET, quick) as storage:
            with pytest.raises(StorageUnavailable, match=r"more than 0\.2|ReadTimeoutError"):
                await storage.put(Target("k", "text/csv", ORDER), b"x" * 10)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"encryption": "aws:kms", "kms_key_id": "alias/uploads", "bucket_owner": "111122223333"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "alias/uploads",
                "x-amz-expected-bucket-owner": "111122223333",
            },
        ),
    ],
)
async def test_an_object_is_encrypted_as_the_settings_say_and_has_no_acl(
    changes: dict[str, Any], expected: dict[str, str]
) -> None:
    seen: dict[str, str] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update({name.lower(): value for name, value in request.headers.items()})
        return web.Response(headers={"ETag": '"e"'})

    storage = StorageSettings.model_validate({"bucket": "uploads"} | changes)
    async with serving(answer) as url, Storage(storage, aws_settings(url)) as opened:
        await opened.put(Target("k", "text/csv", ORDER), b"x")
    names = ("server-side-encryption", "expected-bucket-owner", "acl", "grant")
    assert {name: value for name, value in seen.items() if any(part in name for part in names)} == expected


@pytest.mark.parametrize(
    ("endpoint", "style", "url"),
    [
        (None, None, "https://uploads.s3.amazonaws.com/k"),
        (None, "path", "https://s3.eu-west-1.amazonaws.com/uploads/k"),
        ("https://minio.example.org", None, "https://minio.example.org/uploads/k"),
        ("https://minio.example.org", "virtual", "https://uploads.minio.example.org/k"),
    ],
)
async def test_the_bucket_is_in_the_url_where_the_settings_say(
    endpoint: str | None, style: Literal["path", "virtual"] | None, url: str
) -> None:
    aws = aws_settings("", endpoint_url=endpoint, region="eu-west-1")
    async with get_session().create_client("s3", **client_arguments(aws, style)) as client:
        signed = await client.generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "k"})
    assert signed.partition("?")[0] == url


def test_a_key_without_kms_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLANE_STORAGE__KMS_KEY_ID", "alias/uploads")
    with pytest.raises(InvalidRequest, match="kms_key_id needs encryption"):
        load_settings()
