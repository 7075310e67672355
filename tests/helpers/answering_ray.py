"""A fake cluster whose runs of generated code leave an answer on S3, as real ones do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from raylane.testing import FakeRay
from raylane_common.wire.answer import Answer
from raylane_worker.runs.answer_document import ANSWER_NAME

if TYPE_CHECKING:
    from aiohttp import web

# No code is executed, so there is nothing else to say.
ANSWER = Answer(notes=("the cluster is a double, which computes nothing",))


@dataclass
class AnsweringRay(FakeRay):
    """Writes the answer of each run of generated code when it is submitted. `s3_url` is an S3 that asks for no keys."""

    s3_url: str = ""
    _written: set[str] = field(default_factory=set)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        variables = body["runtime_env"].get("env_vars", {})
        if "raylane_run" in body["entrypoint"] and (uri := variables.get("RAYLANE_OUTPUT_URI")):
            where = f"{self.s3_url}/{uri.removeprefix('s3://')}{ANSWER_NAME}"
            await self._write(where)
        return await super()._submit(request)

    async def _write(self, where: str) -> None:
        # The same run may be submitted again, and moto lets nobody without keys replace an object.
        async with self._writing:
            if where in self._written:
                return
            async with ClientSession() as session, session.put(where, data=ANSWER.model_dump_json()) as answer:
                answer.raise_for_status()
            self._written.add(where)
