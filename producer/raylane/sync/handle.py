"""A handle on one job: wait for it, follow it, read its result with the right type.

Written by docs/generate_sync.py from handle.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from raylane.sync.twin import HandleTwin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.jobs import JobEvent, JobRecord, JobStatus, LaneWorkers

ResultT_co = TypeVar("ResultT_co", covariant=True)


class JobHandle(HandleTwin[ResultT_co]):
    """One job.

    Every method raises `JobNotFound` if its record has expired, and `QueueUnavailable` if Redis does not answer.
    """

    def result(self, timeout_s: float | None = None) -> ResultT_co:
        """Returns the job's result once the job has succeeded.

        Waits at most `timeout_s` seconds, or without limit if None. Raises the job's own typed error if it failed, and
        `WaitTimeout` if it has not ended by then (the job continues).

        Example:
            job = producer.generate("sum of amount", session_id="ada")
            result = job.result(timeout_s=300)
            print(result.code)
        """
        return self._call(self._async.result, timeout_s)

    def wait(self, timeout_s: float | None = None) -> JobRecord:
        """Returns the record once the job has ended, even if it failed. Raises `WaitTimeout` after `timeout_s` seconds.

        Example:
            job = producer.generate("sum of amount", session_id="ada")
            record = job.wait(timeout_s=300)
            print(record.status, record.error)
        """
        return self._call(self._async.wait, timeout_s)

    def cancel(self) -> JobStatus:
        """Cancels the job; see `Producer.cancel`.

        Example:
            job = producer.generate("sum of amount", session_id="ada", execute=True)
            status = job.cancel()
            print(status)
        """
        return self._call(self._async.cancel)

    def record(self) -> JobRecord:
        """Returns the job's record: its status, progress, result and error as they are now.

        Example:
            job = producer.generate("sum of amount", session_id="ada")
            record = job.record()
            print(record.status, record.progress)
        """
        return self._call(self._async.record)

    def workers(self) -> LaneWorkers:
        """Returns the job's lane, the living workers that take its jobs, and whether one of them runs this job.

        If there are none, the job waits until one is started. A worker that has died without a word counts as living
        for up to 15 s.

        Example:
            job = producer.generate("sum of amount", session_id="ada")
            taken_by = job.workers()
            if not taken_by.workers:
                print(f"no worker takes the lane {taken_by.lane}; the job waits")
        """
        return self._call(self._async.workers)

    def follow(self, *, after: str | None = "0") -> Iterator[JobEvent]:
        """Yields the job's events up to the one that ends it.

        `after` is the `id` of the last event seen, to continue after a disconnect; "0" yields all events, and None only
        those that are added from now on.

        Example:
            job = producer.generate("sum of amount", session_id="ada")
            for event in job.follow():
                print(event.id, event.status or event.progress or event.text or event.line)
        """
        return self._events(lambda after: self._async.follow(after=after), after)
