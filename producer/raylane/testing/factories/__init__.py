"""Results, sources and answers for tests, with good defaults. Each is valid, as those of a real worker are.

A keyword replaces a field: `make_upload_result(rows=3)`. An unknown or wrong one raises `InvalidRequest` that names it.
"""

from raylane.testing.factories.answers import make_answer, make_chart, make_file, make_table, make_value
from raylane.testing.factories.results import (
    make_databases_result,
    make_generate_result,
    make_preview_result,
    make_record,
    make_run,
    make_selected_result,
    make_submit_result,
    make_upload_result,
)
from raylane.testing.factories.sources import make_columns, make_source, make_table_source

__all__ = [
    "make_answer",
    "make_chart",
    "make_columns",
    "make_databases_result",
    "make_file",
    "make_generate_result",
    "make_preview_result",
    "make_record",
    "make_run",
    "make_selected_result",
    "make_source",
    "make_submit_result",
    "make_table",
    "make_table_source",
    "make_upload_result",
    "make_value",
]
