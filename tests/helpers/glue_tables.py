"""Entries of the Glue catalog, as a crawler or Athena writes them."""

from __future__ import annotations

from typing import Any

TEXT = "org.apache.hadoop.mapred.TextInputFormat"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
ORC = "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat"
LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
ORC_SERDE = "org.apache.hadoop.hive.ql.io.orc.OrcSerde"
OPENX_JSON = "org.openx.data.jsonserde.JsonSerDe"
HIVE_JSON = "org.apache.hive.hcatalog.data.JsonSerDe"


def definition(
    *,
    location: str | None = "s3://lake/sales/orders/",
    input_format: str | None = TEXT,
    serde: str | None = LAZY,
    options: dict[str, str] | None = None,
    parameters: dict[str, str] | None = None,
    columns: dict[str, str] | None = None,
    partitions: dict[str, str] | None = None,
    table_type: str = "EXTERNAL_TABLE",
) -> dict[str, Any]:
    """Returns a table."""
    return {
        "TableType": table_type,
        "Parameters": parameters or {},
        "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in (partitions or {}).items()],
        "StorageDescriptor": descriptor(location, input_format, serde, options, columns or {"id": "bigint"}),
    }


def descriptor(
    location: str | None,
    input_format: str | None = None,
    serde: str | None = None,
    options: dict[str, str] | None = None,
    columns: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the storage descriptor of a table or a partition."""
    serde_info = {"SerializationLibrary": serde, "Parameters": options or {}}
    found = {
        "Columns": [{"Name": name, "Type": kind} for name, kind in (columns or {}).items()],
        "Location": location,
        "InputFormat": input_format,
        "SerdeInfo": {name: value for name, value in serde_info.items() if value is not None},
    }
    return {name: value for name, value in found.items() if value is not None}
