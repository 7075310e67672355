"""Turns a prompt and sources into code: the generators, and the checks that code passes before it may run."""
