"""The attributes that generated code may use on any object.

A check cannot know what kind of object a variable holds, so the names of all libraries are one set. Each is harmless on
every object that generated code can reach; `tests/unit/generation/test_allowed_names.py` follows them to prove it.
"""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.allowed.listing import listed

_NAMES: Final = (
    # Text, numbers, containers and exceptions.
    """
    add add_note append args as_integer_ratio bit_count bit_length capitalize casefold center clear conjugate
    copy count decode deleter denominator derive difference difference_update discard encode endswith exceptions
    expandtabs extend fdel find format format_map from_bytes fromhex fromkeys fset get getter hex imag index
    indices insert intersection intersection_update is_integer isalnum isalpha isascii isdecimal isdigit
    isdisjoint isidentifier islower isnumeric isprintable isspace issubset issuperset istitle isupper items join
    keys ljust lower lstrip maketrans message numerator partition pop popitem real remove removeprefix
    removesuffix replace reverse rfind rindex rjust rpartition rsplit rstrip setdefault setter sort split
    splitlines start startswith step stop strip subgroup swapcase symmetric_difference
    symmetric_difference_update title to_bytes translate union update upper value values zfill
    """
    # Dates, decimals, patterns, counters and other objects of the standard library.
    """
    Emax Emin Etiny Etop abs adjusted appendleft as_tuple astimezone betavariate block_size braceidpattern
    cache_clear cache_info cache_parameters canonical capitals category cause cdf choice choices clamp
    clear_flags clear_traps close colheader_justify combine compare compare_signal compare_total
    compare_total_mag convert_options copy_abs copy_decimal copy_negate copy_sign cpu create_decimal
    create_decimal_from_float critical ctime date day days debug default default_factory delimiter digest
    digest_size display divide divide_int divmod dst elements end endpos error exception execution_options exp
    expand expand_frame_repr expovariate extendleft fatal fill find_longest_match findall finditer firstweekday flags
    float_format fma fold for_object_store_memory from_decimal from_float from_samples fromisocalendar
    fromisoformat fromordinal fromtimestamp fromutc fullmatch func gammavariate gauss getChild
    get_grouped_opcodes get_identifiers get_matching_blocks get_opcodes getfirstweekday getrandbits getstate gpu
    group groupdict groupindex groups hexdigest hour idpattern info init intercept inv_cdf isEnabledFor
    is_canonical is_finite is_infinite is_nan is_normal is_qnan is_signed is_snan is_subnormal is_valid is_zero
    isocalendar isoformat isoweekday itermonthdates itermonthdays itermonthdays2 itermonthdays3 itermonthdays4
    iterweekdays keywords lastgroup lastindex level limit_denominator lineno ln log log10 logb logical_and
    logical_invert logical_or logical_xor lognormvariate maps match max max_columns max_colwidth max_mag
    max_rows maxlen mean median microsecond microseconds min min_mag min_rows minus minute mode month
    monthdatescalendar monthdays2calendar monthdayscalendar most_common move_to_end multiply n_fields
    n_sequence_fields n_unnamed_fields name new_child next_minus next_plus next_toward normalize normalvariate
    now num_returns number_class object_store_memory options overlap parents paretovariate parse_options pattern
    pdf plus popleft pos power prec precision preserve_order propagate quantiles quantize quick_ratio radix
    randbytes randint random randrange ratio read_options real_quick_ratio regs remainder
    remainder_near remote resolution resource_limits rotate rounding safe_substitute same_quantum sample samples
    scaleb search second seconds seed send setLevel set_seq1 set_seq2 set_seqs setfirstweekday setstate shift
    shuffle slope span sqrt stdev strftime string strptime sub subn substitute subtract throw time timestamp
    timetuple timetz tm_gmtoff tm_hour tm_isdst tm_mday tm_min tm_mon tm_sec tm_wday tm_yday tm_year tm_zone
    to_eng_string to_integral to_integral_exact to_integral_value to_sci_string today toordinal total
    total_seconds triangular type tzinfo tzname uniform union_update utc utcfromtimestamp utcnow utcoffset
    utctimetuple variance vonmisesvariate warn warning weekday weibullvariate width wrap year yeardatescalendar
    yeardays2calendar yeardayscalendar zscore
    """
    # DataFrame.
    """
    T add_prefix add_suffix agg aggregate align all any apply asfreq asof assign astype at at_time attrs axes
    between_time bfill clip columns combine_first convert_dtypes corr corrwith cov cummax cummin cumprod cumsum
    describe diff div dot drop drop_duplicates droplevel dropna dtypes duplicated empty eq equals ewm expanding
    explode ffill fillna filter first_valid_index floordiv from_arrow from_dict from_records ge groupby gt head
    iat idxmax idxmin iloc infer_objects interpolate isetitem isin isna isnull iterrows itertuples kurt kurtosis
    last_valid_index le loc lt map mask melt memory_usage merge mod mul ndim ne nlargest notna notnull nsmallest
    nunique pct_change pipe pivot pivot_table pow prod product quantile radd rank rdiv reindex reindex_like
    rename rename_axis reorder_levels resample reset_index rfloordiv rmod rmul rolling round rpow rsub rtruediv
    select select_dtypes sem set_axis set_flags set_index shape size skew sort_index sort_values squeeze stack
    std sum swaplevel tail take to_csv to_dict to_html to_json to_latex to_markdown to_numpy to_period
    to_records to_string to_timestamp transform transpose truediv truncate tz_convert tz_localize unstack
    value_counts var where xs
    """
    # Series.
    """
    argmax argmin argsort array autocorr between case_when cat dt dtype factorize hasnans
    is_monotonic_decreasing is_monotonic_increasing is_unique item list nbytes rdivmod repeat searchsorted str
    struct to_frame to_list tolist unique
    """
    # Index and its kinds.
    """
    add_categories as_ordered as_unit as_unordered asi8 asof_locs categories ceil closed closed_left
    closed_right codes components contains day_name day_of_week day_of_year dayofweek dayofyear days_in_month
    daysinmonth delete end_time equal_levels floor freq freqstr from_arrays from_breaks from_fields from_frame
    from_ordinals from_product from_range from_tuples get_indexer get_indexer_for get_indexer_non_unique
    get_level_values get_loc get_loc_level get_locs get_slice_bound has_duplicates identical indexer_at_time
    indexer_between_time inferred_freq inferred_type is_ is_empty is_full is_leap_year is_month_end
    is_month_start is_non_overlapping_monotonic is_normalized is_overlapping is_quarter_end is_quarter_start
    is_year_end is_year_start left length levels levshape mid month_name names nanosecond nanoseconds nlevels
    open_left open_right ordered overlaps putmask quarter qyear ravel remove_categories remove_unused_categories
    remove_unused_levels rename_categories reorder_categories right set_categories set_closed set_codes
    set_levels set_names slice_indexer slice_locs snap sortlevel start_time to_flat_index to_julian_date
    to_pydatetime to_pytimedelta to_series to_tuples tz unit view week weekofyear
    """
    # Groups.
    """
    cumcount first get_group last nearest ngroup ngroups nth ohlc
    """
    # Accessors such as `str`, `dt` and `cat`.
    """
    axis extract extractall get_dummies len pad slice slice_replace
    """
    # Timestamps, intervals and offsets.
    """
    asm8 base is_on_offset kwds millisecond n nanos ordinal resolution_string rollback rollforward rule_code
    to_datetime64 to_timedelta64
    """
    # Arrays and types of pandas.
    """
    from_codes from_numpy_dtype is_signed_integer is_unsigned_integer isnative itemsize kind na_value num
    numpy_dtype reshape subdtype swapaxes
    """
    # Arrays, generators and polynomials of numpy.
    """
    accumulate advance anom argpartition basis basis_name beta binomial byteorder bytes byteswap c cast char
    chisquare choose coef coefficients coeffs compress compressed conj convert cutdeg data degree deriv device
    diagonal dirichlet domain entropy epsneg exponential f fields fill_value filled finished fit flat flatten
    fromroots gamma generate_state geometric get_fill_value get_imag get_real gumbel harden_mask has_index
    has_multi_index has_samecoef has_samedomain has_sametype has_samewindow hypergeometric identity ids integ
    integers iscontiguous jumped laplace linspace logistic lognormal logseries mT mapparms maxpower metadata
    multi_index multinomial multivariate_hypergeometric multivariate_normal nargs negative_binomial newbyteorder
    nin noncentral_chisquare noncentral_f nonzero normal nout o order outer pareto permutation permuted poisson
    ptp put r rand randn random_integers random_raw random_sample rayleigh reduce reduceat reset resize roots
    seed_seq set_fill_value setflags shrink_mask signature soften_mask spawn standard_cauchy
    standard_exponential standard_gamma standard_normal standard_t state strides symbol tiny tobytes tomaxint
    trace trim types unshare_mask variable vonmises wald weibull window zipf
    """
    # Tables, arrays, types and options of pyarrow.
    """
    add_column address append_column as_py auto_dict_encode auto_dict_max_cardinality bit_width
    byte_width check_utf8 chunk chunks column column_names column_types combine_chunks decimal_point
    default_column_type dictionary dictionary_decode dictionary_encode drop_columns drop_null empty_table
    false_values field field_by_name fill_null from_batches from_pandas from_pydict from_pylist
    get_all_field_indices get_field_index get_total_buffer_size group_by id include_columns
    include_missing_columns index_type is_null iterchunks itercolumns join_asof null_count null_values nullable
    num_chunks num_columns num_fields num_rows offset offsets pandas_metadata parent quoted_strings_can_be_null
    remove_column remove_metadata rename_columns replace_schema_metadata schema serialize set set_column sort_by
    statistics strings_can_be_null timestamp_parsers to_batches to_pandas to_pandas_dtype to_pybytes to_pydict
    to_pylist to_struct_array true_values unify_dictionaries validate value_lengths value_parent_indices
    value_type with_name with_nullable with_type
    """
    # Dataset and groups of Ray Data.
    """
    bind context explain flat_map from_binary from_hex future input_files iter_batches iter_rows limit
    map_batches map_groups materialize mix num_blocks random_shuffle randomize_block_order repartition
    select_columns set_name show size_bytes split_at_indices split_proportionately stats summary take_all
    take_batch to_arrow_refs to_numpy_refs to_pandas_refs train_test_split with_column with_columns zip
    """
    # Settings of Ray Data.
    """
    actor_prefetcher_enabled default_hash_shuffle_parallelism enable_auto_log_stats
    enable_operator_progress_bars enable_pandas_block enable_progress_bar_name_truncation enable_progress_bars
    enable_rich_progress_bars enable_tensor_extension_casting get_current log_internal_stack_trace
    max_hash_shuffle_aggregators min_parallelism print_on_execution_start raise_original_map_exception
    read_op_min_num_blocks scheduling_strategy shuffle_strategy target_max_block_size target_min_block_size
    use_datasource_v2 use_push_based_shuffle use_ray_tqdm verbose_stats_logs warn_on_driver_memory_usage_bytes
    """
    # Expressions and aggregates of Ray Data.
    """
    acos aggregate_block alias arr asin atan bool byte_len cos count_regex ends_with field_by_index finalize
    find_regex fixed_size_list float32 float64 from_dtype from_numpy get_agg_name get_target_column get_type
    infer_dtype int16 int32 int64 int8 is_alnum is_alpha is_arrow_type is_ascii is_binary_type is_boolean_type
    is_decimal is_digit is_floating_type is_idempotent is_in is_integer_type is_list_type is_lower is_map_type
    is_nested_type is_not_null is_null_type is_numeric is_numerical_type is_numpy_type is_of is_printable
    is_python_type is_space is_string_type is_struct_type is_temporal_type is_tensor_type is_title
    is_uint64_type is_upper large_list log2 lpad match_regex negate not_in output_field replace_regex
    replace_slice rpad sign sin split_regex split_whitespace starts_with tan temporal tensor to_arrow_dtype
    to_field to_numpy_dtype to_pyarrow to_python_type trunc uint16 uint32 uint64 uint8 variable_shaped_tensor
    """
)

ATTRIBUTES: Final = listed(_NAMES)
