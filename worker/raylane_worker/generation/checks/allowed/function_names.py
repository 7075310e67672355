"""The names of functions that generated code may give to pandas as text, as in `df.agg("mean")`."""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.allowed.listing import listed

# What `agg`, `apply`, `transform` and `aggfunc` may be given by name. All compute, and none takes a function by name.
FUNCTION_NAMES: Final = listed(
    """
    abs all any bfill ceil corr count cov cumcount cummax cummin cumprod cumsum describe diff exp expm1 ffill first
    floor head idxmax idxmin isna isnull kurt last log log10 log1p log2 max mean median min mode ngroup notna notnull
    nth nunique ohlc pct_change prod product ptp quantile rank round sem shift size skew sqrt square std sum tail unique
    value_counts var
    """
)
# The values of options such as `axis`, which may be given beside named aggregations.
OPTION_VALUES: Final = listed("broadcast columns compat cython expand index numba pad python reduce rows")
