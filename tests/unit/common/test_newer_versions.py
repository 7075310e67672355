"""What a newer version wrote is kept as an opaque value, never an exception of a library."""

from __future__ import annotations

import json

from raylane_common.wire.base import OpaqueResult
from raylane_common.wire.generate import Checkpoint
from raylane_common.wire.jobs import EventType, JobEvent, JobRecord
from raylane_common.wire.sources import FileSource, OpaqueSource

RECORD = {"v": "1", "kind": "upload", "lane": "upload", "status": "succeeded", "enqueued_at": "1"}
CSV = {
    "type": "file",
    "filename": "a.csv",
    "s3_uri": "s3://b/a.csv",
    "size_bytes": 1,
    "rows": 1,
    "columns": [],
    "job_id": "j",
}


def test_a_result_of_an_unknown_type_is_kept_whole() -> None:
    exported = {"type": "exported", "uri": "s3://b/x", "parts": [1, 2]}
    record = JobRecord.from_hash("j", RECORD | {"result": json.dumps(exported)})
    assert isinstance(record.result, OpaqueResult)
    assert record.result.type == "exported"
    assert record.result.model_dump() == exported
    assert JobRecord.model_validate_json(record.model_dump_json()).result == record.result


def test_a_known_result_with_fields_of_another_shape_is_kept_whole() -> None:
    upload = {"type": "upload", "objects": ["a", "b"]}
    record = JobRecord.from_hash("j", RECORD | {"result": json.dumps(upload)})
    assert isinstance(record.result, OpaqueResult)
    assert record.result.model_dump() == upload


def test_a_source_of_an_unknown_type_keeps_its_name_and_fields() -> None:
    parquet = {"type": "parquet", "filename": "a.parquet", "job_id": "up", "row_groups": 7}
    checkpoint = Checkpoint.model_validate({"sources_used": [CSV, parquet], "generator": "template"})
    known, unknown = checkpoint.sources_used
    assert isinstance(known, FileSource)
    assert isinstance(unknown, OpaqueSource)
    assert (unknown.name, unknown.type, unknown.job_id) == ("a.parquet", "parquet", "up")
    assert unknown.model_dump() == parquet


def test_an_event_of_an_unknown_type_keeps_its_type() -> None:
    assert JobEvent.model_validate({"id": "1-0", "type": "metric", "at": 1}).type == "metric"
    assert JobEvent.model_validate({"id": "1-0", "type": "status", "at": 1}).type is EventType.STATUS
