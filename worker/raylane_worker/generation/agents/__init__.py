"""Writes code with strands agents and a model. Importing any module of this package may import strands."""
