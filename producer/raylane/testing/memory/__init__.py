"""The producer for tests: the real one, on an in-process Redis. See docs/decisions/0012."""
