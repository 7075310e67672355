"""The registry of kinds. Unions, adapters, lanes, CLI choices and retry policies are all built from it.

To add a kind, see docs/extending.md. See docs/decisions/0010.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from raylane_common.wire import generate, ray, tables, upload
from raylane_common.wire.base import JobKind, Kind, Lane, OpaqueResult
from raylane_common.wire.generate import *  # noqa: F403  # the public names of a kind, for `raylane`
from raylane_common.wire.ray import *  # noqa: F403  # as above
from raylane_common.wire.registry import kind_of
from raylane_common.wire.tables import *  # noqa: F403  # as above
from raylane_common.wire.upload import *  # noqa: F403  # as above

__all__ = ["JobKind", "Lane", "OpaqueResult"]
__all__ += upload.__all__
__all__ += tables.__all__
__all__ += generate.__all__
__all__ += ray.__all__

Request = upload.AnyUploadRequest | tables.TablesRequest | generate.AnyGenerateRequest | ray.RayRequest
KnownResult = upload.AnyUploadResult | tables.AnyTablesResult | generate.AnyGenerateResult | ray.AnyRayResult
Result = KnownResult | OpaqueResult
AnyResult = Annotated[
    Annotated[KnownResult, Field(discriminator="type")] | OpaqueResult, Field(union_mode="left_to_right")
]
"""Validates a result. A result of an unknown type becomes an `OpaqueResult`."""

KINDS: Final[dict[JobKind, Kind]] = {name: kind_of(name) for name in JobKind}
