"""The object that an upload writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raylane_worker.data.upload_order import Order


@dataclass(frozen=True)
class Target:
    """The `key` of an object, and what S3 stores with it.

    `content_type` is its media type, and `order` the place of the upload among those of its session. `replaces` says
    that there may be an earlier object.
    """

    key: str
    content_type: str
    order: Order
    replaces: bool = False
