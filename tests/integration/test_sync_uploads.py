"""Uploads of a blocking producer to a real S3: files, iterators and progress, in the caller's thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from raylane.sync import Producer
from tests.helpers.aws import own_bucket
from tests.helpers.door import csv_of, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane import UploadProgress
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey
    from tests.helpers.door import Door

# Larger than what travels through Redis.
DATA = csv_of(2 * 1024 * 1024)


def upload_in_many_ways(door: Door, path: Path) -> None:
    """Runs in a thread, as a service without async does."""
    here = threading.get_ident()
    reports: list[UploadProgress] = []

    def progress(report: UploadProgress) -> None:
        assert threading.get_ident() == here
        reports.append(report)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(DATA), 200_000):
            assert threading.get_ident() == here
            yield DATA[start : start + 200_000]

    def broken() -> Iterator[bytes]:
        yield DATA[:1_500_000]
        raise ConnectionError("the visitor has left")

    def refuse(_: UploadProgress) -> None:
        raise KeyboardInterrupt

    with Producer(door.settings) as producer:
        from_iterator = producer.upload(pieces(), filename="it.csv", session_id="ada", progress=progress)
        from_path = producer.upload(path, session_id="ada", progress=progress)
        with path.open("rb") as opened:
            from_file = producer.upload(opened, filename="open.csv", session_id="ada")
        for upload in (from_iterator, from_path, from_file):
            assert upload.result(timeout_s=60).bytes == len(DATA)
        assert max(report.sent_bytes for report in reports) == len(DATA)
        with pytest.raises(ConnectionError, match="the visitor has left"):
            producer.upload(broken(), filename="broken.csv", session_id="ada")
        with pytest.raises(KeyboardInterrupt):
            producer.upload(path, session_id="eve", progress=refuse)
        assert {source.name for source in producer.sources("ada")} == {"it.csv", "big.csv", "open.csv"}
        assert producer.sources("eve") == []


async def test_uploads_run_the_callers_code_in_the_callers_thread(
    valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis, tmp_path: Path
) -> None:
    path: Any = tmp_path / "big.csv"
    path.write_bytes(DATA)
    async with open_door(valkey.url, moto.url, own_bucket()) as door:
        await asyncio.to_thread(upload_in_many_ways, door, path)
