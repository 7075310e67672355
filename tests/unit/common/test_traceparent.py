"""The context of a trace as text: what is one, what is none, and that a process without spans passes it on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.telemetry import tracing
from raylane_common.telemetry.context import span_id_of, trace_id_of, valid

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (CONTEXT, CONTEXT),
        (CONTEXT[:-2] + "00", CONTEXT[:-2] + "00"),
        ("cc" + CONTEXT[2:], CONTEXT),
        ("cc" + CONTEXT[2:] + "-what-the-future-adds", CONTEXT),
    ],
)
def test_a_context_is_read_in_the_form_of_version_00(given: str, read: str) -> None:
    assert valid(given) == read
    assert trace_id_of(valid(given)) == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert span_id_of(valid(given)) == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "given",
    [
        "",
        None,
        17,
        b"bytes",
        ["list"],
        CONTEXT + "\n",
        " " + CONTEXT,
        CONTEXT + "-more",
        CONTEXT + "x",
        CONTEXT.upper(),
        CONTEXT[:-1],
        "ff" + CONTEXT[2:],
        "00-" + "0" * 32 + CONTEXT[35:],
        CONTEXT[:36] + "0" * 16 + "-01",
        "cc" + CONTEXT[2:] + "-" + "x" * 100_000,
        CONTEXT.replace("4", "\u0664"),
        "00-" + "g" * 32 + "-00f067aa0ba902b7-01",
    ],
)
def test_anything_else_is_no_context(given: object) -> None:
    assert valid(given) == ""


@given(st.text(max_size=300) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,20})?"))
def test_what_is_read_is_plain_and_read_as_itself(text: str) -> None:
    read = valid(text)
    assert read == "" or re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", read, re.ASCII)
    assert valid(read) == read


def test_a_process_without_spans_passes_a_context_on() -> None:
    assert tracing.current() == ""
    with tracing.span("outer", parent=CONTEXT) as span:
        assert not span.is_recorded
        assert tracing.current() == CONTEXT
        assert tracing.trace_id() == CONTEXT[3:35]
        with tracing.span("inner"):
            assert tracing.current() == CONTEXT
        with tracing.span("another job", parent="hostile"):
            assert tracing.current() == ""
    assert tracing.current() == ""
