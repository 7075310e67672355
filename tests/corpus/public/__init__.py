"""Files of public packages, read by Raylane, pandas and DuckDB. `python -m tests.corpus.public`."""
