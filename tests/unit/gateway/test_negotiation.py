"""Which format a client gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.gateway.negotiation import choose
from raylane_common.errors import NotAcceptable

OFFERS = ["application/json", "text/csv", "image/svg+xml", "image/png"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        (" ", "application/json"),
        ("*/*", "application/json"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("text/csv;q=0.5, */*;q=0.1", "text/csv"),
        ("image/*, image/svg+xml;q=0.5", "image/png"),
        ("*/*, application/json;q=0", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "image/svg+xml"),
        ("text/csv;q=2", "text/csv"),
        ("text/csv;q=x", "text/csv"),
    ],
)
def test_the_format_that_a_client_prefers(accept: str, chosen: str) -> None:
    assert choose(accept, OFFERS) == chosen


@given(st.text(max_size=200) | st.lists(st.sampled_from([*OFFERS, "*/*", ";q=0", ";q=1", ",", "q="])).map("".join))
def test_any_header_gets_one_of_the_formats_or_a_refusal_that_lists_them(accept: str) -> None:
    try:
        assert choose(accept, OFFERS) in OFFERS
    except NotAcceptable as refused:
        assert refused.details == {"available": OFFERS}
