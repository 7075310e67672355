"""Turns a prompt and sources into code: the generators, and the checks that code must pass before it may run."""
