"""The context of a trace as text: what is one, what is none, and that a process without spans passes it on."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.telemetry import tracing
from raylane_common.telemetry.context import span_id_of, trace_id_of, valid, valid_state
from tests.helpers.recorded import recorded_spans

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


def _members(count: int, length: int) -> list[str]:
    return [f"k{number}=".ljust(length, "v") for number in range(count)]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (" rojo=1 ,\t, congo=a b~!,", "rojo=1,congo=a b~!"),
        ("fw529a3039@dt=FfAAA,0a_-*/=x~y", "fw529a3039@dt=FfAAA,0a_-*/=x~y"),
        (",".join(_members(32, 10)), ",".join(_members(32, 10))),
        # What is too long loses long members first, and then the last ones.
        (",".join(["long=" + "x" * 124, *_members(5, 100)]), ",".join(_members(5, 100))),
        (",".join(_members(10, 100)), ",".join(_members(5, 100))),
        # A long one that fits stays.
        (",".join(["long=" + "x" * 250, *_members(2, 20)]), ",".join(["long=" + "x" * 250, *_members(2, 20)])),
    ],
)
def test_a_state_is_read_in_its_order(given: str, read: str) -> None:
    assert valid_state(given) == read


@pytest.mark.parametrize(
    "given",
    [
        *(
            None,
            17,
            b"a=1",
            ["a=1"],
            "",
            ",,",
            "a",
            "=1",
            "a=",
            "A=1",
            "\u00e9=1",
            "a=\u00e9",
            "a=1\n",
            "a=\x7f",
            "a b=1",
        ),
        *("a=1,a=2", "a=1,b", "a=" + "x" * 257, "k" * 257 + "=1", ",".join(_members(33, 9)), "a=1," * 100_000),
    ],
)
def test_anything_else_is_no_state(given: object) -> None:
    assert valid_state(given) == ""


@given(st.text(max_size=40) | st.lists(st.from_regex(r"[a-z0-9@*]{1,9}=[ -~]{1,40}", fullmatch=True)).map(",".join))
def test_a_state_that_is_read_is_short_plain_and_read_as_itself(text: str) -> None:
    read = valid_state(text)
    assert len(read) <= 512
    assert read.isascii()
    assert read == "" or read.isprintable()
    assert valid_state(read) == read


@pytest.mark.parametrize("is_recorded", [False, True])
def test_the_state_goes_with_its_parent(is_recorded: bool) -> None:
    with recorded_spans() if is_recorded else nullcontext():
        assert tracing.carried() == {}
        with tracing.span("outer", parent=CONTEXT, state="rojo=1, congo=t61"):
            with tracing.span("inner"):
                carried = tracing.carried()
            with tracing.span("another job", parent="hostile", state="rojo=1"):
                assert "tracestate" not in tracing.carried()
            with tracing.span("a third", parent=CONTEXT):
                assert "tracestate" not in tracing.carried()
        assert tracing.carried() == {}
    assert carried["tracestate"] == "rojo=1,congo=t61"
    assert trace_id_of(carried["traceparent"]) == trace_id_of(CONTEXT)
