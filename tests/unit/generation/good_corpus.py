"""Scripts that answer something and run on Ray, in the styles that models write, with the sources that they read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from raylane_common.wire.sources import ColumnType
from tests.unit.generation.schemas import column, csv_source, table_source
from tests.unit.generation.translated import local_variant, translated

_NUMBERS: Final = "order_id amount quantity price discount qty unit_price customer_id id revenue total"
_TEXTS: Final = "region product category customer name status channel country city segment date order_date"
_SALES: Final = (
    *(column(name, ColumnType.NUMBER) for name in _NUMBERS.split()),
    *(column(name, ColumnType.STRING) for name in _TEXTS.split()),
)

SOURCES: Final = (
    csv_source(s3_uri="s3://raylane/sessions/s1/csv/seattle-weather.csv"),
    csv_source("sales.csv", _SALES, s3_uri="s3://raylane/sessions/s/csv/sales.csv"),
    csv_source("customers.csv", _SALES, s3_uri="s3://raylane/sessions/s/csv/customers.csv"),
    table_source(size_bytes=1000),
)
# Each script by its name.
SCRIPTS: Final = {
    row["name"]: translated(row["code"])
    for row in json.loads((Path(__file__).parents[2] / "corpus" / "good.json").read_text(encoding="utf-8"))
}
# The scripts that do everything with frames, for the local engine.
LOCAL_VARIANTS: Final = {
    name: variant for name, code in SCRIPTS.items() if (variant := local_variant(code)) is not None
}
# Scripts that verification refuses on purpose: the rule, and the policy.
REFUSED: Final = {
    "std-24": ("syntax", "Python refuses a late import from __future__ itself"),
    "style: select via dict in pandas df['nope']": ("unknown_column", "the column does not exist, so the run fails"),
    "style: from ray.data.expressions import col, lit, when? coalesce": (
        "name_not_allowed",
        "Ray has no such function",
    ),
    "style: to_markdown/tabulate": ("missing_package", "the cluster does not have tabulate"),
    "tbl-filter-kw": ("reader_argument", "a dataset is filtered after it is read, by filter(expr=…)"),
    "style: decorator that times": ("unpacked_arguments", "a dictionary after ** may hold any argument"),
    "style: json output with a default": ("builtin_not_allowed", "type() makes classes; only its name may be printed"),
}
