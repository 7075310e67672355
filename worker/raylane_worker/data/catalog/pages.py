"""Pages of a catalog listing: the names that match a pattern, in order, up to a limit."""

from __future__ import annotations

import base64
import binascii
import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeVar

from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from raylane_common.wire.tables import Listing

Entry = TypeVar("Entry")
# The most that Glue gives at once.
PAGE_SIZE: Final = 100
# A result stays in Redis for days; 20,000 columns are about 2 MB.
_MAX_COLUMNS: Final = 20_000


async def collect(
    listing: Listing,
    fetch: Callable[[str | None], Awaitable[tuple[Iterable[tuple[str, Entry]], str | None]]],
    columns_of: Callable[[Entry], int],
) -> tuple[list[Entry], str | None]:
    """Returns one page of entries, sorted by name within each answer of the catalog, and the cursor of the next page.

    `fetch` returns what the catalog gives for a token: names with entries, and the next token. `columns_of` returns
    how many columns an entry has. Raises `InvalidRequest` for a cursor that is not from an earlier page.
    """
    token, after = _parse(listing.cursor)
    found: list[Entry] = []
    columns, pattern = 0, (listing.pattern or "*").lower()
    last = ""
    while True:
        entries, next_token = await fetch(token)
        for name, entry in sorted(entries, key=lambda pair: pair[0]):
            if name <= after or not fnmatchcase(name.lower(), pattern):
                continue
            columns += columns_of(entry)
            if len(found) == listing.limit or (found and columns > _MAX_COLUMNS):
                return found, _cursor(token, last)
            found.append(entry)
            last = name
        if not next_token:
            return found, None
        token, after, last = next_token, "", ""


def _cursor(token: str | None, after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([token, after]).encode()).decode()


def _parse(cursor: str | None) -> tuple[str | None, str]:
    if cursor is None:
        return None, ""
    try:
        match json.loads(base64.urlsafe_b64decode(cursor)):
            case [str() | None as token, str() as after]:
                return token, after
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequest.field("cursor", "must be the next_cursor of an earlier page")
