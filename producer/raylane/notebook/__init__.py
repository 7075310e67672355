"""How notebooks show answers, results, records and sources: as HTML, and charts as pictures and Vega-Lite.

Nothing here does I/O. Whatever comes from outside is escaped. See docs/decisions/0047.
"""

from raylane.notebook.bundles import bundle_of

__all__ = ["bundle_of"]
