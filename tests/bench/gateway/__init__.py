"""Measures the gateway under many clients at once."""
