"""The private attributes of the libraries' objects, which the classes of generated code may not give to their own."""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.allowed.listing import listed

# A method that a script calls with an object of a library for `self` would reach its inside by these names.
# `tests/unit/generation/test_allowed_names.py` says which are missing, and which are left out because they hold only
# data and scripts use them, such as `_data` and `_n`.
PRIVATE_NAMES: Final = listed(
    """
    _AXIS_LEN _AXIS_ORDERS _AXIS_TO_AXIS_NUMBER _EnumDict _FALSE_VALUES _FuncPtr _HANDLED_TYPES
    _MaskedConstant__has_singleton _MaskedConstant__singleton _MutableMapping__marker _ONE _PYARROW_AGG_DEFAULTS
    _PYARROW_AGG_FUNCS _Sequence _SequenceMatcher__chain_b _Set _TRUE_VALUES _UserList__cast _WARNING_DETAILS
    _abc_impl _accelerator_type _accessors _accum_func _accumulate _acos _actor_locality_enabled _add_alias_
    _add_datetime _add_datetime_arraylike _add_datetime_ndarray _add_datetimelike_scalar _add_delegate_accessors
    _add_dispatch _add_nat _add_offset _add_period _add_timedelta _add_timedelta_arraylike _add_timedeltalike
    _add_timedeltalike_scalar _add_value_alias_ _addsub_object_array _adjust_binner_for_upsample _adjust_dst
    _agg_name _agg_py_fallback _aggregate_multiple_funcs _aggregate_on _aggregate_result _aggregate_with_numba
    _align_for_op _align_frame _align_series _all _all_bits_ _allows_duplicate_labels _annotated
    _annotated_api_group _annotated_type _append_internal _apply_columnwise _apply_elementwise _apply_filter
    _apply_pairwise _apply_re_fallback _apply_series _apply_tablewise _apply_to_column_groupbys _argmin_max
    _argminmax _arith_method _arith_method_with_reindex _arr _arrow_agg_spec _as_index _as_parameter_ _as_py_tuple
    _as_range_index _ascending_count _assert_can_do_setop _assert_cpu _assert_tzawareness_compat _attributes
    _attrs _auto_null _axes_are_unique _b_base_ _b_needsfree_ _base_schema _baseclass _basedict _benchmark _bin
    _binop _bisect _bit_generator _blk_dtypes _block_num_rows _bool_ops _boundary_ _box_func _box_pa _box_pa_array
    _box_pa_scalar _box_values _build_bundle_iterator _build_multicolumn_aggs _cache_dtypes _calendar _call
    _call_as_normal _can_fast_intersect _can_fast_transpose _can_fast_union _can_hold_identifiers_and_holds_name
    _can_hold_na _can_hold_strings _can_partial_date_slice _can_range_setop _can_use_libjoin
    _cast_partial_indexing_scalar _cast_pointwise_result _categories _categories_match_up_to_permutation
    _category_name _ceil _cffi _check_closed_matches _check_compatible_with _check_copy_deprecation
    _check_indexing_error _check_indexing_method _check_inplace_and_allows_duplicate_labels
    _check_inplace_deprecation _check_label_or_level_ambiguity _check_window_bounds _checker _checkpoint_config
    _choose_path _cleanup _clear_cache _clip_with_one_bound _clip_with_scalar _cmp_method _codes _coeffs
    _coerce_to_array _com _combine_column _combine_frame _comparables _comparison _compile_re_fallback
    _concat_objects _concat_same_type _consolidate _consolidate_inplace _construct_axes_dict _construct_result
    _constructor _constructor_expanddim _constructor_expanddim_from_mgr _constructor_from_mgr _constructor_sliced
    _constructor_sliced_from_mgr _convert_bool_result _convert_can_do_setop _convert_int_result _convert_key
    _convert_obj _convert_rank_result _convert_slice_indexer _convert_to_indexer _convert_tolerance _convert_tuple
    _cos _cpu _create_batch_iterator _create_data _create_executor _creso _ctypes _cumcount_array
    _cython_agg_general _cython_transform _data_cls _datasource _date_formatter _date_repr _datetimelike_methods
    _datetimelike_ops _day_name_arrow _day_opt _dayofweek_doc _debug_print _decide_split_path _decorator _dedent
    _default_na_rep _default_np_dtype _default_options _defaulthardmask _defaultmask _define_paths _delegate_binop
    _delegate_method _delegate_property_get _delegate_property_set _deltas _denominator _der _descending_count
    _deserialize _determine_new_args _difference _difference_compat _dir_additions _dir_additions_for_owner
    _dir_deletions _disable _disallow_mismatched_indexing _dispatch_frame_op _div _divide _divmod _doc
    _docstring_max _docstring_min _docstring_reso _downsample _drop_axis _drop_from_level _drop_labels_or_levels
    _drop_level_numbers _dt_as_unit _dt_ceil _dt_components _dt_date _dt_day _dt_day_name _dt_day_of_week
    _dt_day_of_year _dt_day_remainder _dt_dayofweek _dt_dayofyear _dt_days _dt_days_in_month _dt_daysinmonth
    _dt_floor _dt_hour _dt_hours _dt_is_leap_year _dt_is_month_end _dt_is_month_start _dt_is_quarter_end
    _dt_is_quarter_start _dt_is_year_end _dt_is_year_start _dt_isocalendar _dt_microsecond _dt_microseconds
    _dt_milliseconds _dt_minute _dt_minutes _dt_month _dt_month_name _dt_nanosecond _dt_nanoseconds _dt_normalize
    _dt_quarter _dt_round _dt_second _dt_seconds _dt_strftime _dt_subday_component _dt_time _dt_to_pydatetime
    _dt_to_pytimedelta _dt_total_seconds _dt_tz _dt_tz_convert _dt_tz_localize _dt_unit _dt_weekday _dt_year
    _dt_zero_or_null_int32 _dti_setop_align_tzs _dtype_cls _dtype_to_subclass _dtype_validation_metadata _dump
    _duplicated _duration_unit _e _empty _enable_ray_data_reconstruction _enable_task_events
    _enable_true_multi_threading _encode_with_my_categories _engine _engine_type _engine_types _ensure_array
    _ensure_integer_index _ensure_iterable_column_indexer _ensure_listlike_indexer _ensure_matching_resos
    _ensure_valid_index _entered _evaluate_op_method _exceptions _exclude_resources _execute _execute_dag
    _execute_to_iterator _execution_idx _exp _expand_ellipsis _explode _export_to_c _export_to_c_device _expr
    _extended_gcd _fallback_strategy _falsey_value _fancy_helper _fancy_replace _fast_intersect _fast_union
    _field_defaults _field_ops _field_type _fields_ _fill _fill_value _filter _filter_indexer_tolerance _finalize
    _find_common_type_compat _find_valid_index _finfo_cache _firstweekday _fix_sentence_endings _fixupChildren
    _fixupParents _flag_mask_ _flags _flattened_field _flex_arith_method _flex_cmp_method _flex_method _floor
    _floordiv _fmt _format_attrs _format_data _format_duplicate_message _format_flat _format_float_style
    _format_general _format_multi _format_native_types _format_term _format_values_line _format_with_header
    _formatter _formatter_func _freeze _from_arrays _from_backing_data _from_categorical_dtype
    _from_converted_categories _from_coprime_ints _from_dt64 _from_factorized _from_fastpath _from_flags
    _from_inferred_categories _from_join_target _from_mgr _from_name _from_ordinal _from_parent
    _from_pyarrow_array _from_scalars _from_selection _from_sequence _from_sequence_not_strict
    _from_sequence_of_strings _from_value_and_reso _from_values_or_dtype _fromroots _function _function_descriptor
    _function_name _function_signature _gen _generate_cython_apply_func _generate_next_value_ _generate_range
    _generate_string _get_agg_axis _get_arith_result_freq _get_arithmetic_result_freq _get_axis _get_axis_name
    _get_axis_number _get_axis_resolvers _get_binner _get_binner_for_time _get_block_manager_axis _get_bool_data
    _get_cleaned_column_resolvers _get_codes_for_sorting _get_coefficients _get_column_array _get_common_dtype
    _get_daily_offset_mask _get_data _get_data_as_items _get_data_to_aggregate _get_dataset_tag
    _get_default_index_names _get_delete_freq _get_dtype_mapping _get_engine_target _get_fill_indexer
    _get_fill_indexer_searchsorted _get_finalize_fn _get_formatted_values _get_getitem_freq _get_grouper
    _get_i8_values_and_mask _get_index _get_index_resolvers _get_indexer _get_indexer_level_0
    _get_indexer_monotonic _get_indexer_non_comparable _get_indexer_pointwise _get_indexer_strict
    _get_indexer_unique_sides _get_insert_freq _get_item _get_join_freq _get_join_target _get_label
    _get_label_or_level_values _get_level_indexer _get_level_names _get_level_number _get_level_values
    _get_list_axis _get_listlike_indexer _get_loc_level _get_loc_single_level_index _get_names
    _get_nearest_indexer _get_numeric_data _get_offset_day _get_plot_converter _get_reconciled_name_object
    _get_repr_footer _get_resampler_for_grouping _get_rows_with_mask _get_rsub_datetime_result_freq
    _get_series_list _get_setitem_indexer _get_slice_axis _get_start_end_field _get_stats_summary
    _get_strided_loop _get_string_slice _get_time_micros _get_ufunc_and_otypes _get_underlying_arrow_type
    _get_uuid _get_value _get_values _get_values_for_csv _get_values_tuple _get_window_indexer _get_with
    _getbool_axis _getitem _getitem_axis _getitem_bool_array _getitem_iterable _getitem_lowerdim
    _getitem_multilevel _getitem_nested_tuple _getitem_slice _getitem_tuple _getitem_tuple_same_dim _gotitem _gpu
    _groupby _groupby_and_aggregate _groupby_first_last _groupby_op _groupby_op_pyarrow _groupby_quantile
    _groupby_result_to_arrow _grouper _handle _handle_long_word _handle_lowerdim_multi_index_axis0 _hardmask
    _has_computed_output _has_non_ascii _has_valid_setitem_indexer _hash_categories _hash_pandas_object _hasna
    _hidden_attrs _high_bit _holidays _idempotent _idxmax_idxmin _if_else _ignore_nulls _import_from_c
    _import_from_c_capsule _import_from_c_device _import_from_c_device_capsule _in_and_out_core_dims _index_array
    _index_as_unique _indexed_same _indexer _indexer_deprecated _infer_selection _inferred_dtype
    _inferred_freq_str _info_axis _info_axis_name _info_axis_number _info_repr _init _init_custom _init_dict
    _init_mgr _init_stage_2 _initial_stats _inject_lock _inner_indexer _inplace_method _insert_inaxis_grouper
    _insert_masked_print _insert_on_column _inst _instance _internal_fill_value _internal_get_values
    _internal_names _internal_names_set _intersection _intersection_non_unique _intersection_unique
    _intersection_via_get_indexer _invalid _inverted_ _is_all_dates _is_boolean _is_categorical
    _is_comparable_dtype _is_cross_language _is_dates_only _is_descriptor _is_dtype_compat _is_dunder
    _is_generator _is_homogeneous_type _is_immutable _is_initialized _is_internal_class
    _is_label_or_level_reference _is_label_reference _is_level_reference _is_lexsorted _is_memory_usage_qualified
    _is_mixed_type _is_monotonic_decreasing _is_monotonic_increasing _is_month_doc _is_multi
    _is_nested_tuple_indexer _is_numeric _is_populated _is_private _is_protocol _is_pyarrow_convertible
    _is_re_pattern_with_flags _is_recognized_dtype _is_rename _is_scalar_access _is_single_bit
    _is_strictly_monotonic_decreasing _is_strictly_monotonic_increasing _is_string _is_sunder _is_unique
    _is_valid_pyarrow_dtype _iset_item _iset_item_mgr _iset_not_inplace _isfield _isfinite _isnan _iter_batches
    _iter_bits_lsb _iter_column_arrays _iter_convert_chunk _iter_member_ _iter_member_by_def_
    _iter_member_by_value_ _ixs _join_empty _join_level _join_monotonic _join_multi _join_non_unique
    _join_via_get_indexer _keep_positive _kv_configs _label_selector _language _last_export_cluster_and_job
    _left_indexer _left_indexer_unique _levels _lexsort_depth _local_timestamps _log _logical_func _logical_method
    _logical_plan _make_class_unpicklable _make_exceptiongroup_dual_exception_instance _make_mask_from_int
    _make_mask_from_list _make_mask_from_positional_indexer _make_mask_from_slice _make_mask_from_tuple
    _make_normal_dual_exception_instance _make_numeric_only _make_substitution _map_values _mask_selected_obj
    _match _max_calls _max_num_blocks_in_streaming_gen_buffer _max_retries _max_vals _maybe_align_series_as_frame
    _maybe_cast_indexer _maybe_cast_listlike_indexer _maybe_cast_slice_bound _maybe_cast_to_matching_resos
    _maybe_check_unique _maybe_convert_categories _maybe_convert_datelike_array _maybe_convert_freq
    _maybe_convert_i8 _maybe_convert_timedelta _maybe_copy_array_input _maybe_disable_logical_methods
    _maybe_downcast_for_indexing _maybe_mask_result _maybe_mask_results _maybe_mask_setitem_value
    _maybe_match_names _maybe_preserve_names _member_map_ _member_names_ _member_type_ _memory _memory_usage
    _meta_count _metadata _mgr _min_count_stat_function _min_vals _minmax _missing_ _mode _module _module_source
    _modules _monotonic_check _month_name_arrow _mpl_repr _ms _mul _multi_take _multi_take_opportunity _multiindex
    _munge_whitespace _na_value _name_ _nanos_inc _nanosecond _nbytes _ndarray _needs_i8_conversion
    _needs_python_regex _needs_reindex_multi _nested_field _new_member_ _no_setting_name _normalize_base_dir
    _normalize_naive _normalized_base_dir _ns _nth _num_cpus _num_gpus _num_returns _numba_agg_general
    _numba_apply _numba_prep _numerator _numeric_repr_ _obj _obj_1d_constructor _obj_with_exclusions
    _object_store_memory _objects _offset_str _old_convert_ _on _on_completed _on_iteration_end _on_ready
    _op_method_error_message _op_via_apply _operator_fallbacks _optinfo _or_ _ordered _ordinal _orig _os
    _other_ops _outer_indexer _over _pa_array _pad_or_backfill _pairwise_indexer _paramspec_tvars _parent
    _parse_temporal_dtype_string _parse_with_reso _parsed_string_to_bounds _partial_date_slice _partial_tup_index
    _partition_chunk _pd_timedelta _pd_timedelta_unit _period_dtype_code _period_unit _physical_dtype _pi
    _pin_freq _placement_group _placement_group_bundle_index _placement_group_capture_child_tasks _plain_replace
    _plan _poisson_lam_max _positional_selector _post_expansion_casting _pow _power_of_two _prefix _prep_values
    _preprocess_re_pattern _print_width _print_width_1d _propagate_mask _proto_member _putmask _python_agg_general
    _python_apply_general _python_apply_plot _q _qformat _radix _raise_callable_usage _raise_if_missing
    _raise_invalid_indexer _raise_monotonic_error _raise_scalar_data_error _randbelow _randbelow_with_getrandbits
    _randbelow_without_getrandbits _random _range _range_in_self _range_intersect _range_union _rank _rank_calc
    _raw_stats _ray_from_function_descriptor _ray_from_modified_class _re_parser _readonly _ready
    _recode_for_new_levels _recognized_scalars _record _recreate_cm _reduce _reduce_axis1 _reduce_calc
    _reduce_ex_by_global_name _reduce_pyarrow _reduction_kernel_transform _references _regex_nodes _reindex_axes
    _reindex_indexer _reindex_multi _reindex_non_unique _reindex_with_indexers _remote _rename _reorder_ilevels
    _reorder_indexer _repeat _replace_columnwise _replace_with_mask _repr_2d _repr_attrs _repr_base
    _repr_categories _repr_data_resource_ _repr_fits_horizontal_ _repr_fits_vertical_ _repr_html_ _repr_latex_
    _repr_latex_scalar _repr_latex_term _repr_mimebundle_ _req_any_kwargs_new _require_matching_unit
    _requires_unique_msg _resampler_cls _resampler_for_grouping _reset_cache _reset_identity _resolution_obj
    _resolve_dtypes_and_context _resolve_output _resolved_filesystem _resource_limits _resources _retry_exceptions
    _reverse_indexer _richcmp _roots _round _round_temporally _runtime_env _safe_cast _sanitize_column _scalar
    _scalar_from_string _scalar_type _scheduling_strategy _searchsorted_monotonic _seed_seq _select_dtypes_indices
    _selected_obj _selection _selection_list _serialized_base_runtime_env_info _series _set_axis _set_axis_name
    _set_axis_nocheck _set_categories _set_codes _set_current _set_dtype _set_exclude_resources _set_grouper
    _set_id _set_item _set_item_frame_value _set_item_mgr _set_labels _set_levels _set_mask _set_name _set_names
    _set_options _set_result_index_ordered _set_shape _set_uuid _set_value _set_values _set_with _set_with_engine
    _setitem_array _setitem_frame _setitem_new_column _setitem_single_block _setitem_single_column _setitem_slice
    _setitem_with_indexer _setitem_with_indexer_2d_value _setitem_with_indexer_frame_value
    _setitem_with_indexer_missing _setitem_with_indexer_split_path _sha512 _shallow_copy _sharedmask
    _shift_with_freq _should_compare _should_fallback_to_positional _should_partial_index _should_reindex_frame_op
    _shuffle_strategy _simple_enum _simple_new _sin _singles_mask_ _slice _slice_axis_for_step
    _sort_levels_monotonic _sort_order_ _split _split_chunks _sqrt _standardize_dtype _stat_function
    _stat_function_ddof _stdlib_enums _storage _str_accumulate _str_arith_method_object_fallback _str_capitalize
    _str_casefold _str_contains _str_count _str_encode _str_endswith _str_extract _str_find _str_find_
    _str_findall _str_fullmatch _str_get _str_get_dummies _str_getitem _str_index _str_isalnum _str_isalpha
    _str_isascii _str_isdecimal _str_isdigit _str_islower _str_isnumeric _str_isspace _str_istitle _str_isupper
    _str_join _str_len _str_lower _str_lstrip _str_map _str_map_nan_semantics _str_map_str_or_object _str_match
    _str_normalize _str_pad _str_partition _str_partition_expand _str_removeprefix _str_removesuffix _str_repeat
    _str_replace _str_rfind _str_rindex _str_rpartition _str_rsplit _str_rstrip _str_slice _str_slice_replace
    _str_split _str_startswith _str_strip _str_swapcase _str_term_ascii _str_term_unicode _str_title
    _str_translate _str_upper _str_wrap _str_zfill _stratified_train_test_split _sub _sub_datetime_arraylike
    _sub_datetimelike _sub_datetimelike_scalar _sub_nat _sub_periodlike _subscript_mapping _superscript_mapping
    _supports_2d _supports_daily_offset_mask _supports_partial_string_indexing _synchronize_progress_bar
    _tab_repr_ _tabular_repr _takeable _target_col_name _task_pool_data_task_remote_args _test _test_generator
    _test_simple_enum _time_repr _timegrouper _to_datetimearray _to_dict_of_blocks _to_groupby_compatible
    _to_latex_via_styler _to_local_pa_timestamp _to_masked _to_pandas _to_ref_bundle_iterator _to_timedeltaarray
    _token _transform _transform_general _transform_index _transform_multiple_funcs _transform_single_column
    _transform_with_numba _truthy_value _try_count_or_materialize _typ _ucnhash_CAPI _ufunc _unalias _unary_method
    _unbox _unbox_scalar _under _unhashable_values_ _unhashable_values_map_ _union _unpickle _unwrap_re_pattern
    _update_from _update_inplace _upsample _urandom _us _use_args_ _use_relativedelta _use_threads _use_unicode
    _uuid _val _valid_types _validate_can_reindex _validate_codes _validate_codes_for_dtype
    _validate_comparison_value _validate_datetimelike_monotonic _validate_dtype _validate_endpoint
    _validate_fill_value _validate_frequency _validate_index_level _validate_indexer _validate_integer
    _validate_key _validate_key_length _validate_listlike _validate_n _validate_names _validate_numeric_only
    _validate_positional_slice _validate_scalar _validate_setitem_value _validate_sort_keyword
    _validate_test_size_float _validate_test_size_int _validate_tuple_indexer _validation_error_message
    _validation_msg _value2member_map_ _value_ _value_counts _value_repr_ _values_for_argsort
    _values_for_factorize _values_for_json _values_for_rank _variable _vectorize_call
    _vectorize_call_with_signature _verify_integrity _view _warn _warn_hash_shuffle_compression_deprecated
    _warn_if_expanding _warn_on_write _warn_quarter _warn_use_external_hash_shuffle_deprecated _weekmask _where
    _win_freq_i8 _with_freq _with_infer _wrap_agged_manager _wrap_aggregated_output _wrap_applied_output
    _wrap_applied_output_series _wrap_categorical_result _wrap_chunks _wrap_difference_result _wrap_field
    _wrap_field_result _wrap_idxmax_idxmin _wrap_intersection_result _wrap_join_result
    _wrap_min_count_reduction_result _wrap_na_result _wrap_ndarray_result _wrap_pa_str_result _wrap_range_setop
    _wrap_reduction_result _wrap_reindex_result _wrap_result _wrap_setop_result _wrap_td_result
    _wrap_transform_fast_result _writeable_no_warn _zerod
    """
)
