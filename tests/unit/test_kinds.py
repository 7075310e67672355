"""One kind in one place: everything that has to agree about the kinds of jobs does."""

from __future__ import annotations

from importlib import import_module
from typing import get_args, get_type_hints

import pytest

from raylane_common.settings import Settings
from raylane_common.wire.base import JobKind
from raylane_common.wire.kinds import KINDS, KnownResult, Request
from raylane_common.wire.registry import describe, lane_of
from raylane_common.wire.upload import UploadRequest
from raylane_worker.context import JobContext
from raylane_worker.handlers import HANDLERS


def test_every_kind_is_registered_has_a_handler_and_a_retry_policy() -> None:
    assert list(KINDS) == list(HANDLERS) == list(Settings(_env_file=None).retries) == list(JobKind)


def test_the_unions_hold_the_requests_and_results_of_every_kind_and_no_others() -> None:
    assert set(get_args(Request)) == {request for kind in KINDS.values() for request in kind.requests}
    assert set(get_args(KnownResult)) == {result for kind in KINDS.values() for result in kind.results}


@pytest.mark.parametrize("name", JobKind)
def test_the_requests_of_a_kind_belong_to_it_and_reach_its_handler(name: JobKind) -> None:
    kind = KINDS[name]
    assert {request.kind for request in kind.requests} == {name}
    names = {**vars(import_module(f"raylane_common.wire.{name}")), "JobContext": JobContext}
    hints = get_type_hints(HANDLERS[name].run, localns=names)
    assert set(get_args(hints["request"]) or (hints["request"],)) == set(kind.requests)


def test_a_record_of_a_newer_kind_has_a_history_without_words() -> None:
    assert describe("of_tomorrow", {"filename": "a.csv"}) == ""
    assert describe("upload", {"filename": "a.csv"}) == "a.csv"
    assert describe("upload", {"filename": 7}) == ""


def test_an_upload_of_an_older_producer_names_no_action() -> None:
    payload = {"filename": "a.csv", "size_bytes": 3, "sha256": "0" * 64}
    assert KINDS[JobKind.UPLOAD].adapter.validate_python(payload) == UploadRequest.model_validate(payload)


def test_every_kind_has_a_lane_with_settings() -> None:
    lanes = Settings(_env_file=None).lanes
    assert {lane_of(kind).value for kind in JobKind} <= set(type(lanes).model_fields)
