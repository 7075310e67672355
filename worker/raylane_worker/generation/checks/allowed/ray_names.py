"""The names of Ray that generated code may use."""

from __future__ import annotations

from typing import Final

# Not listed because of what they can reach: readers, `ray.data.expressions.download`, actors and jobs of others,
# `runtime_env`, `util`, the internals and imports of each module.
RAY: Final = {
    "ray": """ObjectRef __version__ available_resources cluster_resources data exceptions get init is_initialized
        method put remote shutdown wait""",
    "ray.data": """ActorPoolStrategy DataContext Dataset ExecutionOptions ExecutionResources Schema TaskPoolStrategy
        aggregate context dataset datasource datatype exceptions expressions from_arrow from_items from_numpy
        from_pandas grouped_data range""",
    "ray.data.aggregate": """AbsMax AggregateFn AggregateFnV2 AsList Count CountDistinct Max Mean Min
        MissingValuePercentage Quantile Std Sum Unique ValueCounter VectorizedAggregateFnV2 ZeroPercentage""",
    "ray.data.block": "Block",
    "ray.data.context": "DataContext",
    "ray.data.dataset": "Dataset MaterializedDataset Schema",
    "ray.data.datasource": "PartitionStyle Partitioning partitioning",
    "ray.data.datasource.partitioning": "PartitionStyle Partitioning",
    "ray.data.datatype": "DataType",
    "ray.data.exceptions": "RayDataUserCodeException SystemException UserCodeException",
    "ray.data.expressions": "col lit monotonically_increasing_id random star udf",
    "ray.data.grouped_data": "GroupedData",
    "ray.exceptions": """GetTimeoutError ObjectLostError OutOfMemoryError RayActorError RayError RayTaskError
        TaskCancelledError WorkerCrashedError""",
}
