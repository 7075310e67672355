"""Prints a script as the server runs it, for use from other languages."""

from __future__ import annotations

import sys
from typing import get_args

from raylane_common.redis.queue.scripts import Name, source

if len(sys.argv) != 2 or sys.argv[1] not in get_args(Name):
    raise SystemExit(f"usage: python -m {__package__} {'|'.join(get_args(Name))}")
sys.stdout.write(source(sys.argv[1]))
