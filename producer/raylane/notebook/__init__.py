"""How notebooks show answers, results, records and sources: as HTML, and charts as pictures and Vega-Lite.

`html_of(answer)` returns the HTML, for pages of your own.

Nothing here does I/O. Whatever comes from outside is escaped. See docs/decisions/0047.
"""

from raylane.notebook.bundles import bundle_of, html_of

__all__ = ["bundle_of", "html_of"]
