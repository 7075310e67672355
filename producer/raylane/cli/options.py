"""The options that many commands share, and the bundle in which a command hands them on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(metavar="FILE", help="A file of this machine.", show_default=False)]
Job = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.", show_default=False)]
Session = Annotated[
    str | None,
    typer.Option(
        "--session",
        "-s",
        envvar="RAYLANE_SESSION",
        metavar="ID",
        help="The session to work in. Yours to choose; none is made up.",
        show_default=False,
    ),
]
JobId = Annotated[
    str | None,
    typer.Option("--job-id", metavar="ID", help="Idempotency key: the same id twice is one job.", show_default=False),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result, or print the job's id at once.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", min=0, metavar="SECONDS", help="Wait at most this long; the job goes on.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, also for an error.")]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url", envvar="RAYLANE_REDIS__URL", metavar="URL", help="Where the queue lives.", show_default=False
    ),
]


@dataclass(frozen=True)
class Call:
    """What every command needs to know about how it was called."""

    as_json: bool
    redis_url: str | None
    wait: bool = True
    timeout_s: float | None = None
