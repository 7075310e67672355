"""Checks S3 with a small object, the catalog with one page, and whose credentials the worker has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from raylane_common.errors import RaylaneError
from raylane_common.wire.checks import not_tried, ok, problem
from raylane_common.wire.tables import ListDatabasesRequest
from raylane_worker.importing import import_in_thread

if TYPE_CHECKING:
    from raylane_common.settings import AwsSettings
    from raylane_common.wire.checks import Check
    from raylane_worker.context import JobContext


async def check_storage(ctx: JobContext, _limit_s: float) -> list[Check]:
    """Writes, reads and deletes a small object, as an upload does. Raises a `StorageError`."""
    storage = await ctx.storage()
    started_s = time.monotonic()
    await storage.trial(ctx.job_id)
    elapsed_s = time.monotonic() - started_s
    return [ok("S3", f"bucket {storage.bucket}: an object was written, read and deleted in {elapsed_s:.2f} s")]


async def check_catalog(ctx: JobContext, _limit_s: float) -> list[Check]:
    """Lists the first databases. Raises a `CatalogError`."""
    names, more = await (await ctx.catalog()).databases(ListDatabasesRequest(limit=1))
    return [ok("Glue", "the catalog answers" + ("" if names or more else "; it has no databases"))]


async def check_identity(ctx: JobContext, _limit_s: float) -> list[Check]:
    """Asks who the worker is. No job needs the answer, so only AWS itself has to give it."""
    aws = ctx.resources.settings.aws
    try:
        return [ok("STS", f"the credentials of the worker are those of {await _identity(aws)}")]
    except RaylaneError as error:
        if aws.endpoint_url is not None:
            return [
                not_tried("STS", "the server at RAYLANE_AWS__ENDPOINT_URL does not tell whose credentials these are")
            ]
        return [problem("STS", error.message)]


async def _identity(aws: AwsSettings) -> str:
    def load() -> object:
        from raylane_worker.data.aws import identity

        return identity

    await import_in_thread(load)
    from raylane_worker.data.aws.identity import caller_identity

    return await caller_identity(aws)
