"""The sources that a script may read: what the worker wrote into `sources.json`, beside `main.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .description import Table, parse_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PATH = Path(__file__).parent.parent / "sources.json"
LOCAL: Final = "local"
DISTRIBUTED: Final = "distributed"
_MAX_NAMED: Final = 3


class SourceError(ValueError):
    """A script reads something that is no source of its job."""


@dataclass(frozen=True)
class FileSource:
    """One file. `location` is where its bytes are: the file itself, or the prepared copy, encoded for Arrow.

    `columns` are pairs of a name and an Arrow type, as the record of the source has them.
    """

    name: str
    format: str
    location: str
    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sources:
    """The sources by URI, and how the script computes. `small` says that Ray should read each as one block."""

    engine: str
    small: bool
    by_uri: Mapping[str, FileSource | Table]

    def find(self, uri: str) -> FileSource | Table:
        """Returns the source at the URI. The `/` at the end of a table's location may be missing.

        Raises `SourceError`, which names the nearest sources.
        """
        if not isinstance(uri, str):
            raise SourceError(f"read() takes the URI of one source as a text, not {type(uri).__name__}")
        found = self.by_uri.get(uri) or self.by_uri.get(f"{uri.rstrip('/')}/")
        if found is None:
            raise SourceError(f"no source is at {uri!r}; {_hint(uri, self.by_uri)}")
        return found


def load_sources(path: Path | None = None) -> Sources:
    """Returns the sources of this script. Raises `SourceError` if the file that lists them is missing."""
    place = path or PATH
    try:
        described = json.loads(place.read_text("utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{place} is missing: it lists the sources, and belongs beside main.py") from None
    by_uri = {one["uri"]: _parse(one) for one in described["sources"]}
    return Sources(described["engine"], bool(described["small"]), by_uri)


def _parse(described: Mapping[str, Any]) -> FileSource | Table:  # JSON that `raylane_worker.run_kit` wrote
    fields = {name: value for name, value in described.items() if name not in ("kind", "uri")}
    if described["kind"] == "table":
        return parse_table(fields)
    return FileSource(**fields | {"columns": tuple((name, native) for name, native in described["columns"])})


def _hint(uri: str, known: Iterable[str]) -> str:
    from difflib import SequenceMatcher

    nearest = sorted(known, key=lambda one: SequenceMatcher(None, uri, one).ratio(), reverse=True)[:_MAX_NAMED]
    return f"the nearest ones are {', '.join(map(repr, nearest))}" if nearest else "the job has none"
