"""Random tables and questions, and their answers by DuckDB, with which those of both engines are compared."""
