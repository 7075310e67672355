"""Downloads a file in a process of its own, which a test kills: `python receiver.py SIGNED_FILE PATH`."""

from __future__ import annotations

import asyncio
import sys

from raylane.transfer.download import receive
from raylane_common.settings import UploadSettings
from raylane_common.wire.upload import FileUrl, SignedFilesResult


async def main(signed_file: str, path: str) -> None:
    file = FileUrl.model_validate_json(signed_file)

    async def sign() -> SignedFilesResult:
        return SignedFilesResult(files=(file,), valid_s=3600)

    await receive(path, file.name, sign, UploadSettings(), lambda progress: print(*progress, flush=True))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
