"""A bare job of Ray, `print(1)`, by Ray's own client: reads orders as JSON lines, prints one JSON line for each.

`ours` asks for the status as often as Raylane does. `cli` does what `ray job submit` does: it follows the log until Ray
closes it, and asks for the status then.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from ray.job_submission import JobSubmissionClient

from raylane_common.ray.settings import RaySettings

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTRYPOINT: Final = "python -c 'print(1)'"
_POLL_S: Final[float] = RaySettings().poll_interval_s
_FINAL: Final = ("SUCCEEDED", "FAILED", "STOPPED")


def polled(sdk: JobSubmissionClient) -> str:
    """Submits the job and returns its id once the status is final."""
    job_id = sdk.submit_job(entrypoint=_ENTRYPOINT)
    while sdk.get_job_status(job_id) not in _FINAL:
        time.sleep(_POLL_S)
    return job_id


def followed(sdk: JobSubmissionClient) -> str:
    """Submits the job and returns its id once Ray has closed its log and the status is final."""
    job_id = sdk.submit_job(entrypoint=_ENTRYPOINT)

    async def follow() -> None:
        async for _ in sdk.tail_job_logs(job_id):
            pass

    asyncio.run(follow())
    while sdk.get_job_status(job_id) not in _FINAL:
        time.sleep(1)
    return job_id


def main() -> None:
    """Obeys the orders until standard input ends. The first line has the address and the token."""
    arguments: dict[str, str] = json.loads(sys.stdin.readline())
    sdk = JobSubmissionClient(arguments["url"], headers={"Authorization": f"Bearer {arguments['token']}"})
    ways: dict[str, Callable[[JobSubmissionClient], str]] = {"ours": polled, "cli": followed}
    for line in sys.stdin:
        began_s = time.time()
        job_id = ways[json.loads(line)](sdk)
        took_s = time.time() - began_s
        info: Any = sdk.get_job_info(job_id)
        assert info.status == "SUCCEEDED", info
        print(json.dumps({"took_s": took_s, "ray_s": (info.end_time - info.start_time) / 1000}), flush=True)


if __name__ == "__main__":
    main()
