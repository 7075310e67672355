"""Shows answers: as text for people, as charts (Vega-Lite, SVG, PNG), and as CSV and Parquet. Nothing here does I/O.

See docs/decisions/0041.
"""
