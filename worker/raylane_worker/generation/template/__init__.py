"""Writes code from templates: a strict grammar parses the prompt, and each of its forms has a template."""
