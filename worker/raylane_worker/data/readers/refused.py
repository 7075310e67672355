"""What the process that reads workbooks raises. Our own errors take longer to import than a workbook to read."""

from __future__ import annotations


class Refused(Exception):
    """A workbook that cannot be read right. `field` is the option that does not fit it, if there is one."""

    def __init__(self, problem: str, *, field: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.field = field
