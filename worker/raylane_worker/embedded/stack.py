"""Starts all three servers at the same time, and provides the settings that point to them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from raylane_worker.embedded import guard
from raylane_worker.embedded.child import HOST
from raylane_worker.embedded.environment import free_port
from raylane_worker.embedded.servers import (
    ACCESS_KEY_ID,
    REGION,
    SECRET_ACCESS_KEY,
    EmbeddedMoto,
    EmbeddedRay,
    EmbeddedValkey,
    aws_environment,
    embedded_moto,
    embedded_ray,
    embedded_valkey,
)

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class EmbeddedStack:
    """Valkey, S3 with Glue, and Ray, started at the same time: `async with EmbeddedStack() as stack`.

    Valkey's data and all logs are kept in `directory`; without one, nothing is left on disk. `bucket` is the name in
    `settings_env`. `with_ray=False` leaves out Ray, which is slow to start; `num_cpus` is what Ray offers to runs. If a
    part does not start, entering stops the others and raises `EmbeddedError`.
    """

    valkey: EmbeddedValkey
    moto: EmbeddedMoto
    ray: EmbeddedRay | None = None

    def __init__(
        self, directory: Path | None = None, *, bucket: str = "raylane", with_ray: bool = True, num_cpus: int = 2
    ) -> None:
        self._directory = directory
        self._bucket = bucket
        self._with_ray = with_ray
        self._num_cpus = num_cpus
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Starts all parts. Returns once all of them answer."""
        try:
            with free_port("moto", None) as moto_port:
                async with asyncio.TaskGroup() as starting:
                    starting.create_task(self._start_valkey())
                    starting.create_task(self._start_moto(moto_port))
                    if self._with_ray:
                        starting.create_task(self._start_ray(f"http://{HOST}:{moto_port}"))
        except BaseException as failure:
            await self._parts.aclose()
            if isinstance(failure, BaseExceptionGroup):
                raise failure.exceptions[0] from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops all parts. Returns once all processes are gone."""
        await self._parts.aclose()

    async def _start_valkey(self) -> None:
        self.valkey = await self._parts.enter_async_context(embedded_valkey(self._directory))

    async def _start_moto(self, port: int) -> None:
        self.moto = await self._parts.enter_async_context(embedded_moto(self._directory, port=port))

    async def _start_ray(self, s3_url: str) -> None:
        ray = embedded_ray(self._directory, env=aws_environment(s3_url), num_cpus=self._num_cpus)
        self.ray = await self._parts.enter_async_context(ray)

    def settings_env(self, *, private_ray_url: str | None = None) -> dict[str, str]:
        """Returns the `RAYLANE_` variables that point a producer or worker to this stack.

        Ray is at the private address. If `private_ray_url` is given, that is the private address, and Ray is at the
        public one.
        """
        env = {
            "RAYLANE_REDIS__URL": self.valkey.url,
            "RAYLANE_STORAGE__BUCKET": self._bucket,
            "RAYLANE_STORAGE__CREATE_BUCKET": "true",
            "RAYLANE_AWS__ENDPOINT_URL": self.moto.url,
            "RAYLANE_AWS__ACCESS_KEY_ID": ACCESS_KEY_ID,
            "RAYLANE_AWS__SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "RAYLANE_AWS__REGION": REGION,
        }
        if self.ray is not None:
            env["RAYLANE_RAY__PRIVATE_URL"] = private_ray_url or self.ray.url
            env["RAYLANE_RAY__TOKEN"] = self.ray.token
            if private_ray_url is not None:
                env["RAYLANE_RAY__PUBLIC_URL"] = self.ray.url
        return env

    @property
    def pids(self) -> frozenset[int]:
        """The process ids of the servers and their guardians."""
        parts = [part for part in (self.valkey, self.moto, self.ray) if part is not None]
        return frozenset(pid for part in parts for pid in (part.pid, part.guard_pid))

    def members(self) -> frozenset[int]:
        """Returns every living process of the stack with its descendants; empty where the system has no `/proc`."""
        return guard.members(self.pids)
