"""Attributes that generated code may not use, not even on its own objects, with what to write instead."""

from __future__ import annotations

from typing import Final

_USE_COLUMN: Final = "; for a column or a field of this name write x['{name}'], or choose another name"

_REASONS: Final = {
    "writes a file; use answer.file(data, 'name.parquet')": """
        dump dumps savefig to_clipboard to_excel to_feather to_gbq to_hdf to_iceberg to_orc to_parquet
        to_pickle to_sql to_stata to_typst to_xml tofile write_table""",
    "runs text as code; use an expression or a boolean mask": "eval query",
    "needs a package that the cluster does not have; use answer.chart(kind, data=…, x=…, y=…)": """
        boxplot hist online plot sparse style to_cudf_type to_xarray""",
    "leaves the data of this run; use take(), iter_rows(), iter_batches() or to_pandas()": """
        deserialize_lineage get_internal_block_refs has_serializable_lineage iter_internal_ref_bundles
        iter_jax_batches iter_tf_batches iter_torch_batches iterator map_batches_internal serialize_lineage
        streaming_split streaming_train_test_split to_daft to_dask to_mars to_modin to_random_access_dataset
        to_spark to_tf to_torch""",
    "belongs to the inside of a library; use the data itself": """
        addFilter addHandler add_metadata as_buffer as_future attrname bit_generator buffers callHandlers capsule
        cffi copy_to ctypes debug_print fget filesystem findCaller foreign_buffer from_buffers from_cudf
        from_dlpack from_ray_exception from_storage from_substrait get_context getfield handlers makeRecord manager
        memory_manager mro obj owner_address redis_shard_hash removeFilter removeHandler resolved_filesystem
        set_state setfield tensor_transport to_device to_reader to_substrait to_tensor with_metadata wrap_array""",
    "reaches the code or the variables of other functions; return the value itself": """
        ag_await ag_code ag_frame ag_running ag_suspended co_argcount co_cellvars co_code co_consts
        co_filename co_firstlineno co_flags co_freevars co_kwonlyargcount co_lines co_lnotab co_name
        co_names co_nlocals co_positions co_posonlyargcount co_qualname co_stacksize co_varnames cr_await
        cr_code cr_frame cr_origin cr_running cr_suspended f_back f_builtins f_code f_globals f_lasti
        f_lineno f_locals f_trace f_trace_lines f_trace_opcodes func_closure func_code func_defaults
        func_dict func_doc func_globals func_kwdefaults func_name gi_code gi_frame gi_running gi_suspended
        gi_yieldfrom tb_frame tb_lasti tb_lineno tb_next with_traceback""",
    "reaches modules outside of the data; work with the values": """
        bltns builtins cloudpickle copyreg ctypeslib delattr docscrape exec getattr globals importlib
        inspect linecache locals np os pa pathlib pd pickle pydoc setattr shutil socket subprocess sys
        tempfile threading traceback""",
    "lets objects pass for what they are not; define a class that has this one as its base": "register",
    "changes how Ray runs the script; remove it": """
        accurate_map_phase_timing autoscaling_config checkpoint_config custom_execution_callback_classes
        dataset_logger_id delta_config enable_arrow_backed_pandas_conversion execution_callback_classes
        get_config iceberg_config issue_detectors_config lance_config max_errored_blocks
        op_resource_reservation_enabled override_object_store_memory_limit_fraction remove_config
        retried_io_errors runtime_env s3_try_create_dir scheduling_strategy_large_args set_config
        set_dataset_logger_id use_polars use_polars_sort write_file_retry_on_errors""",
}

# Each name with the end of the sentence ".name …".
REFUSED: Final = {name: reason + _USE_COLUMN for reason, names in _REASONS.items() for name in names.split()}
