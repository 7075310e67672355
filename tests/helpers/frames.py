"""Values of pandas frames as Python has them: None for what is missing, and dates for days."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd


def cells(values: pd.Series) -> list[Any]:
    """Returns the values of a column that the kit has read."""
    is_date = values.dtype == "datetime64[s]"
    return [_cell(value, is_date=is_date) for value in values]


def rows(frame: pd.DataFrame) -> list[list[Any]]:
    """Returns the rows of a frame that the kit has read."""
    columns = [cells(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)]


def _cell(value: Any, *, is_date: bool) -> Any:
    if value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        if is_date:
            return value.date()
        return value if value.nanosecond else value.to_pydatetime()
    if isinstance(value, pd.Timedelta):
        return value.to_pytimedelta()
    return value.item() if isinstance(value, np.generic) else value
