"""Random prompts about tables with hostile names; each answer is compared with DuckDB."""
