"""The wire format: one module per kind of job, and the registry that gathers them.

Nothing is imported here, so that a module of one kind stays cheap to import. See docs/decisions/0010.
"""
