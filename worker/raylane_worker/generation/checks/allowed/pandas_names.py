"""The names of pandas that generated code may use."""

from __future__ import annotations

from typing import Final

# Not listed because of what they can reach: readers and writers, `eval`, plots, `io`, `core`, `testing`.
# `options` and `set_option` reach other modules by name, so only the display options are allowed; see calls.py.
PANDAS: Final = {
    "pandas": """ArrowDtype BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DateOffset
        DatetimeIndex DatetimeTZDtype Float32Dtype Float64Dtype Grouper Index IndexSlice Int16Dtype Int32Dtype
        Int64Dtype Int8Dtype Interval IntervalDtype IntervalIndex MultiIndex NA NaT NamedAgg Period PeriodDtype
        PeriodIndex RangeIndex Series StringDtype Timedelta TimedeltaIndex Timestamp UInt16Dtype UInt32Dtype
        UInt64Dtype UInt8Dtype __version__ api array arrays bdate_range concat crosstab cut date_range errors
        factorize from_dummies get_dummies get_option infer_freq interval_range isna isnull json_normalize lreshape
        melt merge merge_asof merge_ordered notna notnull offsets option_context options period_range pivot
        pivot_table qcut reset_option set_option timedelta_range to_datetime to_numeric to_timedelta tseries unique
        value_counts wide_to_long""",
    "pandas.api": "types",
    "pandas.api.types": """CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype infer_dtype
        is_any_real_numeric_dtype is_array_like is_bool is_bool_dtype is_categorical_dtype is_complex is_complex_dtype
        is_datetime64_any_dtype is_datetime64_dtype is_datetime64_ns_dtype is_datetime64tz_dtype is_dict_like
        is_dtype_equal is_extension_array_dtype is_float is_float_dtype is_hashable is_int64_dtype is_integer
        is_integer_dtype is_interval_dtype is_iterator is_list_like is_named_tuple is_number is_numeric_dtype
        is_object_dtype is_period_dtype is_re is_scalar is_signed_integer_dtype is_string_dtype is_timedelta64_dtype
        is_timedelta64_ns_dtype is_unsigned_integer_dtype pandas_dtype union_categoricals""",
    "pandas.arrays": """ArrowExtensionArray BooleanArray Categorical DatetimeArray FloatingArray IntegerArray
        IntervalArray PeriodArray StringArray TimedeltaArray""",
    "pandas.errors": """ChainedAssignmentError DataError DtypeWarning DuplicateLabelError EmptyDataError
        IncompatibleFrequency IndexingError IntCastingNaNError InvalidIndexError LossySetitemError MergeError
        NullFrequencyError OptionError OutOfBoundsDatetime OutOfBoundsTimedelta ParserError ParserWarning
        PerformanceWarning SettingWithCopyError SettingWithCopyWarning SpecificationError UndefinedVariableError
        UnsortedIndexError UnsupportedFunctionCall""",
    "pandas.offsets": """BDay BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay
        BusinessHour BusinessMonthBegin BusinessMonthEnd CDay CustomBusinessDay DateOffset Day Hour Micro Milli Minute
        MonthBegin MonthEnd Nano QuarterBegin QuarterEnd Second Week WeekOfMonth YearBegin YearEnd""",
    "pandas.options": "display",
    "pandas.tseries": "offsets",
    "pandas.tseries.offsets": """BDay BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay
        BusinessHour BusinessMonthBegin BusinessMonthEnd CDay CustomBusinessDay DateOffset Day Hour Micro Milli Minute
        MonthBegin MonthEnd Nano QuarterBegin QuarterEnd Second Week WeekOfMonth YearBegin YearEnd""",
}
