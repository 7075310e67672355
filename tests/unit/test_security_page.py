"""The policies in docs/security.md allow what workers and runs do, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.iam.access_control import IAMPolicy, PermissionResult

from raylane_worker.data.layout import original_key, prepared_key, transfer_key

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
WORKER, RUN = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.S))
SOURCE = f"arn:aws:s3:::BUCKET/{original_key('ada', 'sales.csv')}"
COPY = f"arn:aws:s3:::BUCKET/{prepared_key('ada', 'sales.csv')}"
TRANSFER = f"arn:aws:s3:::BUCKET/{transfer_key('0' * 32)}"
IN_PARTS = ("GetObject", "PutObject", "AbortMultipartUpload", "ListMultipartUploadParts")
OUTPUT = "arn:aws:s3:::BUCKET/sessions/ada/runs/rl-1/part-0.parquet"


def allows(policy: dict[str, Any], action: str, resource: str, **conditions: str) -> bool:
    # moto takes a condition that does not hold for a denial, so each statement is asked on its own.
    documents = [json.dumps({**policy, "Statement": [statement]}) for statement in policy["Statement"]]
    asked = [
        IAMPolicy({"policy_document": document}).is_action_permitted(
            action, resource, incoming_condition_values=conditions
        )
        for document in documents
    ]
    return PermissionResult.PERMITTED in asked


@pytest.mark.parametrize(
    ("policy", "action", "resource"),
    [
        *((WORKER, f"s3:{action}", SOURCE) for action in IN_PARTS),
        *((WORKER, f"s3:{action}", COPY) for action in IN_PARTS),
        *((WORKER, f"s3:{action}", TRANSFER) for action in (*IN_PARTS, "DeleteObject")),
        (WORKER, "s3:GetObject", OUTPUT),
        (WORKER, "s3:ListBucketMultipartUploads", "arn:aws:s3:::BUCKET"),
        (WORKER, "s3:ListBucket", "arn:aws:s3:::TABLES"),
        *((WORKER, f"glue:{action}", "*") for action in ("GetDatabases", "GetTables", "GetTable")),
        (RUN, "s3:GetObject", SOURCE),
        (RUN, "s3:GetObject", COPY),
        (RUN, "s3:GetObject", "arn:aws:s3:::TABLES/sales/part-0.parquet"),
        (RUN, "s3:ListBucket", "arn:aws:s3:::TABLES"),
        (RUN, "s3:PutObject", OUTPUT),
        (RUN, "s3:AbortMultipartUpload", OUTPUT),
    ],
)
def test_what_workers_and_runs_do_is_allowed(policy: dict[str, Any], action: str, resource: str) -> None:
    assert allows(policy, action, resource)


@pytest.mark.parametrize(
    ("policy", "action", "resource"),
    [
        (WORKER, "s3:PutObject", OUTPUT),
        (WORKER, "s3:PutObject", "arn:aws:s3:::OTHER/sessions/ada/csv/sales.csv"),
        (WORKER, "s3:DeleteObject", SOURCE),
        (WORKER, "glue:DeleteTable", "*"),
        (RUN, "s3:PutObject", SOURCE),
        *((RUN, f"s3:{action}", TRANSFER) for action in ("GetObject", "PutObject", "ListMultipartUploadParts")),
        (RUN, "s3:DeleteObject", OUTPUT),
        (RUN, "s3:GetObject", "arn:aws:s3:::BUCKET/backups/all.csv"),
        (RUN, "s3:GetObject", "arn:aws:s3:::OTHER/sessions/ada/csv/sales.csv"),
        (RUN, "s3:PutObject", "arn:aws:s3:::TABLES/sales/part-0.parquet"),
        *((policy, action, "*") for policy in (WORKER, RUN) for action in ("iam:CreateUser", "sts:AssumeRole")),
        *((policy, "s3:PutBucketPolicy", "arn:aws:s3:::BUCKET") for policy in (WORKER, RUN)),
    ],
)
def test_everything_else_is_not(policy: dict[str, Any], action: str, resource: str) -> None:
    assert not allows(policy, action, resource)


def test_the_nodes_of_ray_reach_only_each_other_and_what_is_listed() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    spec = yaml.safe_load(block)["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ours = {"podSelector": spec["podSelector"]}
    assert spec["ingress"][0] == {"from": [ours]}
    assert [port["port"] for port in spec["ingress"][1]["ports"]] == [8265]
    assert spec["egress"][0] == {"to": [ours]}
    assert all(rule["ports"] for rule in spec["egress"][1:])
