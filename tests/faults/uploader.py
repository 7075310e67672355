"""Uploads a file in a process of its own, which a test kills: `python uploader.py REDIS_URL PATH SESSION`."""

from __future__ import annotations

import asyncio
import sys

from raylane import Producer


async def main(redis_url: str, path: str, session_id: str) -> None:
    async with Producer(redis_url=redis_url) as producer:
        upload = await producer.upload(path, session_id=session_id)
        print((await upload.result(timeout_s=60)).bytes, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
