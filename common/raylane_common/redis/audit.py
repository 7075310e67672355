"""Stores the audit of the gateway: one Redis stream. See docs/decisions/0044."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.redis.connection import keys_of, owned_key, queue_errors
from raylane_common.rules import printable
from raylane_common.wire.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from redis.asyncio import Redis
    from redis.typing import EncodableT

_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


class AuditLog:
    """The entries of all gateways. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._key = keys_of(redis).audit
        self._newest_ms: int | None = None

    async def add(self, entries: Sequence[AuditEntry], *, keep: int, ttl_s: int) -> None:
        """Adds one or more entries, and removes the oldest ones beyond about `keep` entries or `ttl_s` seconds.

        Raises `InvalidRequest` if another program has overwritten the audit.
        """
        with queue_errors("write the audit"), self._owned():
            async with self._redis.pipeline(transaction=True) as pipe:
                for entry in entries:
                    pipe.xadd(self._key, _fields(entry), maxlen=keep, approximate=True)
                # By the clock of Redis, as the ids are: that of this machine may be wrong, and would remove everything.
                if self._newest_ms is not None:
                    oldest_ms = max(0, self._newest_ms - ttl_s * 1000)
                    pipe.xtrim(self._key, minid=f"{oldest_ms}-0", approximate=True)
                pipe.pexpire(self._key, ttl_s * 1000)
                added, *_ = await pipe.execute()
        self._newest_ms = int(str(added).partition("-")[0])

    async def entries(self, *, limit: int, before: str | None = None) -> list[AuditEntry]:
        """Returns up to `limit` entries, newest first; with `before`, those that are older than the entry of this id.

        Raises `InvalidRequest` if `before` is not an id, or if another program has overwritten the audit.
        """
        if before is not None and not _ID.fullmatch(checks.utf_8("before", before)):
            raise InvalidRequest.field("before", "must be the id of an entry, such as 1795334676336-0")
        if before is not None and not before.strip("0-"):
            return []  # Redis refuses to look before the lowest id
        start = "+" if before is None else f"({before}"
        with queue_errors("read the audit"), self._owned():
            found = await self._redis.xrevrange(self._key, max=start, count=limit)
        return [entry for entry_id, fields in found if (entry := _read(entry_id, fields)) is not None]

    def _owned(self) -> AbstractContextManager[None]:
        return owned_key("the audit", "audit", self._key)


def _fields(entry: AuditEntry) -> dict[EncodableT, EncodableT]:
    fields: dict[EncodableT, EncodableT] = {}
    fields.update(entry.model_dump(exclude={"id"}, exclude_none=True))
    return fields


def _read(entry_id: str, fields: Mapping[str, str]) -> AuditEntry | None:
    """Returns the entry; None if another program wrote it."""
    try:
        return AuditEntry.model_validate({**{name: printable(value) for name, value in fields.items()}, "id": entry_id})
    except ValidationError:
        return None
