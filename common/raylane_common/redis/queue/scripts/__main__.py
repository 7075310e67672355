"""Prints a script as the server runs it, for use from other languages: `NAME [PREFIX]`."""

from __future__ import annotations

import re
import sys
from typing import get_args

from raylane_common.limits import PREFIX_PATTERN
from raylane_common.redis.queue.scripts import Name, source

name, prefix = (*sys.argv[1:], "", "")[:2]
if len(sys.argv) > 3 or name not in get_args(Name) or not re.fullmatch(PREFIX_PATTERN, prefix):
    raise SystemExit(f"usage: python -m {__package__} {'|'.join(get_args(Name))} [PREFIX]")
sys.stdout.write(source(name, prefix))
