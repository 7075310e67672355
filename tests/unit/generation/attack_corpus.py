"""The scripts that try to get past verification, with the sources that they name."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from raylane_common.wire.sources import ColumnType
from tests.unit.generation.schemas import column, csv_source, table_source
from tests.unit.generation.translated import translated

_CORPUS: Final = Path(__file__).parents[2] / "corpus"

SOURCES: Final = (
    csv_source(s3_uri="s3://raylane/sessions/s1/csv/seattle-weather.csv"),
    table_source(
        columns=(column("amount", ColumnType.NUMBER), column("city", ColumnType.STRING)),
    ),
)


@dataclass(frozen=True)
class Attack:
    """A script of one family, and what it did when verification did not stop it.

    The effect is one of `tests.fuzz.attack_runs.Effect`, or `refused` if it was never run. What `runs_alone` needs
    neither a cluster nor files elsewhere.
    """

    name: str
    family: str
    what: str
    effect: str
    code: str
    runs_alone: bool = False


def _script(imports: list[str], body: str) -> str:
    read = f"ds = ray.data.read_csv({SOURCES[0].location!r})"
    return "\n".join(("import ray", *imports, "ray.init()", read, body, "print(ds.count())", ""))


def _attack(row: dict[str, Any]) -> Attack:
    runs_alone = "code" not in row
    code = _script(row.pop("imports"), row.pop("body")) if runs_alone else row.pop("code")
    return Attack(**row, code=translated(code), runs_alone=runs_alone)


ATTACKS: Final = tuple(_attack(row) for row in json.loads((_CORPUS / "attacks.json").read_text()))
# Attacks that verification accepts, with the reason.
ACCEPTED: Final[dict[str, str]] = json.loads((_CORPUS / "accepted_attacks.json").read_text())
# Those of them that reach what they are after. docs/decisions/0022 says why no check of the text can stop them.
KNOWN_LIMITS: Final = frozenset({"argument-series-label-added"})


def local_code(attack: Attack) -> str:
    """Returns the script of an attack without the start of Ray, and with frames, where it has datasets."""
    code = attack.code.replace("import ray\n", "", 1).replace("ray.init()\n", "", 1)
    return code.replace(".to_pandas()", "")


def by_family() -> dict[str, list[Attack]]:
    """Returns the attacks of each family."""
    families: defaultdict[str, list[Attack]] = defaultdict(list)
    for attack in ATTACKS:
        families[attack.family].append(attack)
    return dict(families)
