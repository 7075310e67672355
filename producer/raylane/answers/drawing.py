"""Draws a chart of an answer as SVG or PNG. It needs the extra `[charts]`, and never the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.answers.vega import vega_lite_text
from raylane_common.errors import MissingPackage

if TYPE_CHECKING:
    from raylane_common.wire.answer import AnswerChart

PNG_SCALE: Final = 2.0
"""Pixels of a PNG for each pixel of the chart: sharp on a screen of today."""


def svg(chart: AnswerChart) -> str:
    """Returns the chart as an SVG document; the same chart is always the same document.

    Raises `MissingPackage` without the extra `[charts]`, and `InvalidRequest` if the chart cannot be drawn.
    """
    try:
        from vl_convert import vegalite_to_svg
    except ModuleNotFoundError as error:
        raise _missing() from error
    # The specification names no address; this makes sure of it.
    return vegalite_to_svg(vega_lite_text(chart), allowed_base_urls=[])


def png(chart: AnswerChart, *, scale: float = PNG_SCALE) -> bytes:
    """Returns the chart as a PNG image with `scale` pixels for each pixel of the SVG. Raises what `svg` raises."""
    try:
        from vl_convert import svg_to_png
    except ModuleNotFoundError as error:
        raise _missing() from error
    return svg_to_png(svg(chart), scale=scale)


def _missing() -> MissingPackage:
    return MissingPackage("drawing charts needs one more package: pip install 'raylane[charts]'")
