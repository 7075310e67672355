"""Fuzzers that run for as long as you like; `make test` runs each for a moment."""
