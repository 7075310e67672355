"""arq at its best without changing its code: 100 jobs at once, a poll every 10 ms, warnings only.

Producers look for results every 10 ms too. For the recovery it has arq's own job timeout, 300 s, which decides there.
"""

from __future__ import annotations

from functools import partial

from arq.worker import run_worker

from tests.bench import driver
from tests.bench.systems import arq


def work_on() -> None:
    settings = {"functions": arq.FUNCTIONS, "redis_settings": arq.REDIS}
    run_worker(settings, max_jobs=100, poll_delay=0.01)


if __name__ == "__main__":
    driver.main(partial(arq.connect, poll_s=0.01), work_on)
