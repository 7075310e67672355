"""The scripts that try to get past verification, with the sources that they name."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raylane_common.wire.sources import ColumnType
from tests.unit.generation.schemas import column, csv_source, table_source

_CORPUS: Final = Path(__file__).parents[2] / "corpus"

SOURCES: Final = (
    csv_source(s3_uri="s3://raylane/sessions/s1/csv/seattle-weather.csv"),
    table_source(
        columns=(column("amount", ColumnType.NUMBER), column("city", ColumnType.STRING)),
    ),
)


@dataclass(frozen=True)
class Attack:
    """A script of one family, and what it did when verification did not stop it: `executed`, `weak`, `raised` or
    `unproven`; `refused` if verification has always stopped it."""

    name: str
    family: str
    what: str
    effect: str
    code: str


ATTACKS: Final = tuple(Attack(**row) for row in json.loads((_CORPUS / "attacks.json").read_text()))
# Attacks that verification accepts, with the reason why they harm nobody.
HARMLESS: Final[dict[str, str]] = json.loads((_CORPUS / "harmless_attacks.json").read_text())


def by_family() -> dict[str, list[Attack]]:
    """Returns the attacks of each family."""
    families: defaultdict[str, list[Attack]] = defaultdict(list)
    for attack in ATTACKS:
        families[attack.family].append(attack)
    return dict(families)
