"""The producer for tests: the real one, on a Redis inside the process. See docs/decisions/0012."""
