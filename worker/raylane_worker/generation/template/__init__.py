"""Writes code from templates: a strict grammar reads the prompt, and every form of it has a template."""
