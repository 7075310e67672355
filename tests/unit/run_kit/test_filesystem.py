"""The kit asks S3 for nothing but the file: no region of a bucket, no list, no address that nobody configured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import fs

from raylane_worker.embedded import aws_environment
from raylane_worker.run_kit.raylane_run import filesystem
from tests.helpers.small_s3 import SmallS3, Stored, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "lake/sessions/s/csv/größe ?#%.csv"
URI = "s3://lake/sessions/s/csv/gr%C3%B6%C3%9Fe%20%3F%23%25.csv"


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    filesystem._s3.cache_clear()
    yield
    filesystem._s3.cache_clear()


async def test_reading_a_file_takes_its_size_and_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SmallS3(objects={KEY: Stored(b"a\n1\n", '"e"', {})})
    async with serving(store.handle) as url:
        for name, value in aws_environment(url).items():
            monkeypatch.setenv(name, value)
        data = await asyncio.to_thread(lambda: filesystem.open_file(URI).read())
    assert data == b"a\n1\n"
    assert store.asked == [f"HEAD {KEY}", f"GET {KEY}"]


class _Regions:
    """Stands for Arrow's `from_uri`: a bucket in one region, which is asked for if the URI has none."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.asked: list[str] = []

    def from_uri(self, uri: str) -> tuple[Any, str]:
        self.asked.append(uri)
        region = uri.partition("?region=")[2] or self.region
        return _Files(is_right=region == self.region), "lake"


class _Files:
    def __init__(self, *, is_right: bool) -> None:
        self.is_right = is_right

    def open_input_file(self, path: str) -> str:
        if not self.is_right:
            raise OSError("AWS Error UNKNOWN (HTTP status 301) during HeadObject operation: No response body.")
        return path


@pytest.mark.parametrize(
    ("own", "asked"),
    [
        ("eu-west-1", ["s3://lake?region=eu-west-1"]),
        ("us-east-1", ["s3://lake?region=us-east-1", "s3://lake"]),
        ("", ["s3://lake"]),
    ],
)
def test_the_region_is_that_of_the_environment_or_if_it_is_another_one_that_of_the_bucket(
    own: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    regions = _Regions("eu-west-1")
    monkeypatch.setattr(fs, "FileSystem", regions)
    monkeypatch.setenv("AWS_DEFAULT_REGION", own)
    assert filesystem.open_file(URI) == KEY
    assert filesystem.open_file(URI) == KEY
    assert regions.asked == asked


def test_another_problem_is_not_tried_again() -> None:
    with pytest.raises(FileNotFoundError):
        filesystem.open_file("file:///no/such/file")


def test_a_local_path_is_a_file_system_too() -> None:
    files, path = filesystem.find("some/directory")
    assert isinstance(files, fs.LocalFileSystem)
    assert path.endswith("/some/directory")
