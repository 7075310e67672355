"""The hook by which notebooks show models. The wire has no pictures: the producer side registers how it shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Bundle = Mapping[str, object]
"""What a notebook may show, by media type; it takes what it shows best."""

HTML = "text/html"
_show: Callable[[object], Bundle] | None = None


def show_with(show: Callable[[object], Bundle]) -> None:
    """Makes notebooks show models with this function. It is called with what is shown, and must not raise."""
    global _show
    _show = show


class Bundled:
    """What a notebook shows in its own way, if somebody has registered how."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle | None:
        return None if _show is None else _show(self)


class Shown(Bundled):
    """What a notebook shows as HTML, if somebody has registered how."""

    def _repr_html_(self) -> str | None:
        bundle = self._repr_mimebundle_()
        html = None if bundle is None else bundle.get(HTML)
        return html if isinstance(html, str) else None
