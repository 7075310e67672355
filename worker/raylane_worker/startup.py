"""Checks the settings that only large libraries can judge, in another process: `python -m raylane_worker.startup`.

So wrong settings stop a worker before it takes a job, and the worker loads no library before a job needs it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from raylane_common.errors import InternalError, RaylaneError
from raylane_common.errors.base import ErrorInfo
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_common.wire.names import GeneratorName
from raylane_worker.first_use import catalog_of, storage_of
from raylane_worker.generation.generators import choose_generator, make_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

# For the imports, and for opening the clients, which can take a minute if the credentials come from a slow role.
_OPEN_S: Final = 120.0


async def check(settings: Settings, lanes: Sequence[Lane]) -> None:
    """Opens in another process what the jobs of these lanes use. Creates the bucket if `storage.create_bucket` is set.

    Raises `ModelMisconfigured`, a `StorageError` or a `CatalogError`, and `InternalError` if the process fails.
    """
    checked = [lane for lane in lanes if lane is Lane.UPLOAD or (lane is Lane.GENERATE and _uses_a_model(settings))]
    if not checked:
        return
    aws = settings.aws
    limit_s = _OPEN_S + aws.max_tries * (aws.connect_timeout_s + aws.read_timeout_s)
    order = json.dumps({"lanes": checked, "settings": settings.model_dump()}, default=_plain)
    problem = await _other_process(order.encode(), limit_s)
    if problem:
        raise RaylaneError.from_info(ErrorInfo.model_validate_json(problem))


async def _other_process(order: bytes, limit_s: float) -> bytes:
    """Returns what the process wrote: an error as JSON, or nothing."""
    process = await asyncio.create_subprocess_exec(
        # -P keeps the current directory out of the imports. In a separate session it gets no Ctrl-C.
        *(sys.executable, "-P", "-m", "raylane_worker.startup"),
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit_s):
            problem, _ = await process.communicate(order)
    except TimeoutError as error:
        raise InternalError(f"the check of the settings did not end within {limit_s:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise InternalError(f"the check of the settings ended with exit code {process.returncode}; see stderr")
    return problem


def _uses_a_model(settings: Settings) -> bool:
    return settings.generation.model is not None or settings.generation.generator is GeneratorName.AGENT


def _plain(value: object) -> str:
    """Returns what JSON has no type for: a secret in plain text, because the other process needs it, or a path."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


async def _open(settings: Settings, lanes: Sequence[str]) -> None:
    if Lane.UPLOAD in lanes:
        async with storage_of(settings) as storage, catalog_of(settings) as catalog:
            await storage.get()
            await catalog.get()
    if Lane.GENERATE in lanes:
        make_generator(choose_generator(settings, GeneratorName.AGENT), settings)


def main() -> None:
    """Reads lanes and settings from stdin as JSON, and writes the first error to stdout as JSON."""
    order = json.load(sys.stdin)
    try:
        asyncio.run(_open(Settings.model_validate(order["settings"]), order["lanes"]))
    except RaylaneError as error:
        sys.stdout.write(error.info().model_dump_json())


if __name__ == "__main__":
    main()
