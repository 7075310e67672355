from __future__ import annotations

import copy
import pickle
import re

import pytest

from raylane_common import errors
from raylane_common.errors import ErrorInfo, InvalidRequest, JobTimeout, RayAuth, RaylaneError, UnknownError


def _all_errors(base: type[RaylaneError] = RaylaneError) -> list[type[RaylaneError]]:
    found = [base]
    for child in base.__subclasses__():
        if child.__module__.startswith(errors.__name__):
            found += _all_errors(child)
    return found


CODED = [error for error in _all_errors() if "code" in error.__dict__ and error not in (RaylaneError, UnknownError)]


def test_the_tree_at_the_head_of_the_module_is_the_tree_in_the_code() -> None:
    drawn = re.findall(r"[├└]── (\w+)(?:\s+(\w+))?(\s+yes)?", errors.__doc__ or "")
    assert {name for name, _, _ in drawn} == {error.__name__ for error in _all_errors()} - {
        "RaylaneError",
        "UnknownError",
    }
    assert {name: code for name, code, _ in drawn if code} == {error.__name__: error.code for error in CODED}
    assert {name for name, _, yes in drawn if yes} == {error.__name__ for error in CODED if error.retryable_by_default}


def test_codes_are_unique() -> None:
    codes = [error.code for error in CODED]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", CODED, ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_the_wire_as_itself(kind: type[RaylaneError]) -> None:
    sent = kind("it broke", details={"field": "x", "n": [1, {"a": None}]})
    info = ErrorInfo.model_validate_json(sent.info().model_dump_json())
    received = RaylaneError.from_info(info)
    assert type(received) is kind
    assert (received.message, received.retryable, received.details) == (sent.message, sent.retryable, sent.details)
    assert str(received) == f"it broke [{kind.code}]"


def test_an_error_of_a_newer_version_keeps_its_code() -> None:
    info = ErrorInfo(code="from_the_future", message="m", retryable=True, details={"a": 1})
    received = RaylaneError.from_info(info)
    assert isinstance(received, UnknownError)
    assert received.retryable
    assert received.info() == info
    assert str(received) == "m [from_the_future]"


def test_an_error_of_a_newer_version_can_be_copied_and_sent_to_another_process() -> None:
    sent = RaylaneError.from_info(ErrorInfo(code="from_the_future", message="m", details={"a": 1}))
    for received in (pickle.loads(pickle.dumps(sent)), copy.deepcopy(sent)):  # our own bytes
        assert received.info() == sent.info()


def test_retryable_is_data_that_one_error_may_change() -> None:
    assert JobTimeout("late").retryable
    assert not JobTimeout("late", retryable=False).retryable
    assert not RayAuth("no").retryable


def test_a_field_error_names_the_field_in_message_and_details() -> None:
    error = InvalidRequest.field("filename", "must not be empty")
    assert error.message == "filename: must not be empty"
    assert error.details == {"field": "filename"}


def test_a_dependency_of_a_dead_letter_stays_outside_its_job() -> None:
    info = ErrorInfo(code="dependency_failed", message="m", outside_job=True)
    assert RaylaneError.from_info(info).outside_job
    assert RaylaneError.from_info(info).info() == info
    assert not RaylaneError.from_info(ErrorInfo(code="dependency_failed", message="m")).outside_job
    assert RaylaneError.from_info(ErrorInfo(code="worker_lost", message="m")).outside_job
