"""Keeps runs on the cluster that have imported everything and wait for one script each. See docs/decisions/0040.

Only the worker that submitted such a run gives it a script, and only one. A run that gets none in time ends by itself,
so a lost worker leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, Self

from raylane_common.errors import InvalidRequest, RayError, RunNotFound, StorageError
from raylane_common.logs import get_logger
from raylane_common.ray.models import RunStatus
from raylane_common.ray.package import build_package
from raylane_worker.data.layout import warm_key
from raylane_worker.run_kit import WARM_LAUNCHER, WARM_UNUSED, kit_files
from raylane_worker.runs.engine import reserved_for
from raylane_worker.runs.variables import PLAIN_PANDAS, QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from raylane_common.ray.client import RayClient
    from raylane_common.settings import Settings
    from raylane_worker.context import CurrentSettings
    from raylane_worker.data.storage import Storage
    from raylane_worker.first_use import FirstUse

logger = get_logger("raylane.worker")

# How long a run waits for a script. It keeps a CPU meanwhile, also after its worker has died.
_IDLE_S: Final = 120.0
# A run that may soon end gets no script.
_OFFERED_S: Final = 90.0
_LOOK_EVERY_S: Final = 5.0
# The next run starts once the script that got the last one has had a CPU to itself for a moment.
_REFILL_AFTER_S: Final = 1.0
# What keeps runs from their scripts, such as a missing permission, needs an operator.
_PAUSE_S: Final = 600.0
_STOP_S: Final = 5.0


@dataclass(frozen=True)
class WarmRun:
    """A run that waits for a script at `key` of the `bucket`. `secret` proves to it who wrote the script."""

    submission_id: str
    cluster: str | None
    storage: FirstUse[Storage] = field(repr=False)
    bucket: str
    secret: str = field(repr=False)
    submitted_at_s: float

    @property
    def key(self) -> str:
        """The key of its script."""
        return warm_key(self.submission_id)

    async def hand_over(self, files: Mapping[str, str], variables: Mapping[str, str]) -> None:
        """Gives the run its script: `main.py` and other `files`, and `variables` for its environment.

        Raises a `StorageError`, after which the run may have the script all the same.
        """
        script = json.dumps({"variables": dict(variables), "files": dict(files)})
        await (await self.storage.get()).at(self.bucket).scripts.put(self.key, f"{self.secret}\n{script}".encode())


class WarmRuns:
    """The warm runs of one worker: `ray.warm_runs` of them, and at most one for two CPUs of the cluster.

    An async context manager: the runs are started in the block, and stopped at its end.
    """

    def __init__(self, ray: RayClient, current: CurrentSettings, storage: FirstUse[Storage]) -> None:
        """`current` has the settings as they are now."""
        self._ray = ray
        self._current = current
        self._storage = storage
        self._idle: deque[WarmRun] = deque()
        self._ended: list[str] = []
        self._changed = asyncio.Event()
        self._paused_until_s = 0.0

    async def take(self, num_cpus: float | None, memory_bytes: int | None) -> WarmRun | None:
        """Returns a run that has reserved this much, for one script; None if there is none.

        Raises what `RayClient.cluster_name` raises.
        """
        kept = reserved_for(self._settings.ray.small_source_bytes, self._settings.ray)
        if not self._idle or (num_cpus or 0) > (kept.num_cpus or 0) or (memory_bytes or 0) > (kept.memory_bytes or 0):
            return None
        cluster = await self._ray.cluster_name()
        while self._idle:
            run = self._idle.popleft()
            self._changed.set()
            if run.cluster == cluster and time.monotonic() - run.submitted_at_s < _OFFERED_S:
                return run
        return None

    def ended(self, run_id: str) -> None:
        """Takes note that a run that had a script has ended. The script is deleted soon."""
        self._ended.append(run_id)

    def was_unused(self, run_id: str) -> None:
        """Takes note that the run ended without the script that it was given. None is started for ten minutes."""
        self._paused_until_s = time.monotonic() + _PAUSE_S
        place = f"s3://{self._settings.storage.bucket}/{warm_key(run_id)}"
        logger.warning(
            "%s did not get the script at %s: the nodes of Ray need s3:GetObject on it, and time to start. Scripts run "
            "without warm runs for %g s",
            *(run_id, place, _PAUSE_S),
        )

    async def __aenter__(self) -> Self:
        """Starts to keep as many runs as the settings say."""
        self._keeping = asyncio.create_task(self._keep(), name="warm runs")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Asks Ray to stop the runs that wait, for up to 5 s. One that Ray does not stop ends by itself."""
        self._keeping.cancel()
        idle = list(self._idle)
        self._idle.clear()
        with suppress(TimeoutError, RayError, StorageError):
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(*map(self._stop, idle))
                await self._delete_scripts()
        for outcome in await asyncio.gather(self._keeping, return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("keeping warm runs failed", exc_info=outcome)

    async def _keep(self) -> NoReturn:
        told = ""
        while True:
            try:
                await self.fill()
                await self._delete_scripts()
                told = ""
            except (RayError, InvalidRequest, StorageError) as error:
                # Once, however often it is tried again.
                logger.log(logging.DEBUG if told == error.code else logging.WARNING, "warm runs: %s", error)
                told = error.code
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._changed.wait()
                    await asyncio.sleep(_REFILL_AFTER_S)

    @property
    def _settings(self) -> Settings:
        return self._current.settings

    async def fill(self) -> None:
        """Starts and stops runs until there are as many as the settings say. Raises what `RayClient` raises."""
        for run in list(self._idle):
            is_old = time.monotonic() - run.submitted_at_s >= _OFFERED_S
            if is_old or not await self._waits(run):
                # Meanwhile a job may have taken it.
                with suppress(ValueError):
                    self._idle.remove(run)
                    await self._stop(run)
        wanted = await self._wanted()
        while len(self._idle) > wanted:
            await self._stop(self._idle.pop())
        for _ in range(wanted - len(self._idle)):
            self._idle.append(await self._submit())

    async def _wanted(self) -> int:
        number = self._settings.ray.warm_runs
        if time.monotonic() < self._paused_until_s:
            return 0
        if number <= len(self._idle):
            return number
        cpus = sum(node.resources_total.get("CPU", 0) for node in await self._ray.nodes() if node.state == "ALIVE")
        # The tasks of distributed scripts need the others.
        return min(number, int(cpus / 2))

    async def _submit(self) -> WarmRun:
        ray, settings = self._ray, self._settings
        cluster = await ray.cluster_name()
        run = WarmRun(
            f"rl-warm-{secrets.token_hex(16)}",
            cluster,
            self._storage,
            settings.storage.bucket,
            secrets.token_hex(16),
            time.monotonic(),
        )
        kept = reserved_for(settings.ray.small_source_bytes, settings.ray)
        await ray.submit(
            submission_id=run.submission_id,
            entrypoint=f"python -m {WARM_LAUNCHER}",
            package=build_package(kit_files()),
            env_vars={
                **QUIET,
                **PLAIN_PANDAS,
                "RAYLANE_WARM_URI": f"s3://{run.bucket}/{run.key}",
                "RAYLANE_WARM_HASH": hashlib.sha256(run.secret.encode()).hexdigest(),
                "RAYLANE_WARM_S": str(_IDLE_S),
            },
            num_cpus=kept.num_cpus,
            memory_bytes=kept.memory_bytes,
        )
        return run

    async def _waits(self, run: WarmRun) -> bool:
        try:
            return not (await self._ray.job(run.submission_id)).status.is_final
        except RunNotFound:
            return False

    async def _stop(self, run: WarmRun) -> None:
        try:
            await self._ray.ask_to_stop(run.submission_id)
        except RunNotFound:
            return
        except RayError as error:
            logger.debug("%s ends by itself: %s", run.submission_id, error)

    async def _delete_scripts(self) -> None:
        """Deletes the scripts of runs that have ended."""
        while self._ended:
            scripts = (await self._storage.get()).at(self._settings.storage.bucket).scripts
            await scripts.delete(warm_key(self._ended[0]))
            del self._ended[0]


def is_unused(status: RunStatus, exit_code: int | None) -> bool:
    """Whether a warm run with this status and exit code has ended without a script: nothing of a job has run."""
    return status is RunStatus.FAILED and exit_code == WARM_UNUSED
