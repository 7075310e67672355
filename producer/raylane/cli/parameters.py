"""The parameters that commands share, and groups of them that a command takes as one argument."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

import raylane
from raylane.cli import completion
from raylane_common.wire.names import JobKind, Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane.options import JobOptions

File = Annotated[Path, typer.Argument(metavar="FILE", help="A local file.", show_default=False)]
Data = Annotated[
    str, typer.Argument(metavar="FILE", help="A local file, or s3://BUCKET/KEY to read it there.", show_default=False)
]
Job = Annotated[
    str,
    typer.Argument(metavar="JOB", help="A job's id.", show_default=False, autocompletion=completion.job_ids),
]
Session = Annotated[
    str | None,
    typer.Option(
        "--session",
        "-s",
        metavar="ID",
        help="The session to work in. You choose its id. Default: RAYLANE_SESSION, else that of the context.",
        show_default=False,
    ),
]
JobId = Annotated[
    str | None,
    typer.Option(
        "--job-id", metavar="ID", help="Idempotency key: using an id twice makes one job.", show_default=False
    ),
]
After = Annotated[
    list[str] | None,
    typer.Option("--after", metavar="JOB", help="Start once this job has succeeded. May be repeated."),
]
Delay = Annotated[
    float | None,
    typer.Option(
        "--delay", min=0, metavar="SECONDS", help="Do not start before this time has passed.", show_default=False
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="Do not start before this time, e.g. 2030-01-31T08:00.", show_default=False
    ),
]
Expires = Annotated[
    float | None,
    typer.Option("--expires", metavar="SECONDS", help="Fail unless started within this time.", show_default=False),
]
JobPriority = Annotated[Priority, typer.Option("--priority", help="Each step is a head start of one hour.")]
Unique = Annotated[
    str | None,
    typer.Option(
        "--unique",
        metavar="KEY",
        help="Use the unfinished job of the same kind with this key, if there is one.",
        show_default=False,
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result, or print the job's id at once.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", min=0, metavar="SECONDS", help="Wait at most this long; the job continues.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, even for an error.")]
RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        help="URL of Redis. Default: RAYLANE_REDIS__URL, else that of the context.",
        show_default=False,
    ),
]
OnlySession = Annotated[
    str | None, typer.Option("--session", "-s", metavar="ID", help="Only of this session.", show_default=False)
]
OnlyKind = Annotated[JobKind | None, typer.Option("--kind", help="Only of this kind.", show_default=False)]
OnlyCode = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="Only with this error code.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", metavar="1-1000", help="How many to list, newest first.")]


@dataclass(frozen=True)
class OutputOptions:
    """The options of a command that does not wait for a job."""

    as_json: Json = False
    redis_url: RedisUrl = None


@dataclass(frozen=True)
class WaitOptions:
    """The options of a command that may wait for its job."""

    wait: Wait = True
    timeout_s: Timeout = None
    as_json: Json = False
    redis_url: RedisUrl = None


@dataclass(frozen=True)
class JobsOptions:
    """The options that say when the jobs of a command run, and in which order."""

    job_id: JobId = None
    after: After = None
    delay_s: Delay = None
    at: At = None
    expires_s: Expires = None
    priority: JobPriority = Priority.NORMAL

    def options(self) -> JobOptions:
        """Returns the options for `Producer`. An `at` without a time zone is local time.

        Raises `InvalidRequest` if `at` is not a time.
        """
        return {
            "job_id": self.job_id,
            "after": self.after or None,
            "delay_s": self.delay_s,
            "at": None if self.at is None else _time(self.at),
            "expires_s": self.expires_s,
            "priority": self.priority,
        }


@dataclass(frozen=True)
class OneJobOptions(JobsOptions):
    """The same for a command that enqueues one job, which may have a unique key."""

    unique: Unique = None

    def options(self) -> JobOptions:
        """Returns the options of `JobsOptions` and the unique key."""
        return {**super().options(), "unique": self.unique}


OUTPUT: Final = OutputOptions()
WAIT: Final = WaitOptions()
NO_WAIT: Final = WaitOptions(wait=False)
JOBS: Final = JobsOptions()
ONE_JOB: Final = OneJobOptions()


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Lets the command take groups, such as `WaitOptions`: each field of a group becomes an option of the command.

    The default of the argument provides the defaults of these options.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {name: each.default for name, each in signature.parameters.items() if is_dataclass(each.annotation)}
    options = {name: _options_of(group) for name, group in groups.items()}

    @wraps(command)
    def with_groups(**values: Any) -> None:  # Any: the values have the types of the options
        made = {
            name: type(group)(**{option.name: values.pop(option.name) for option in options[name]})
            for name, group in groups.items()
        }
        command(**values, **made)

    parameters = [each for name, each in signature.parameters.items() if name not in groups]
    parameters += [option for name in groups for option in options[name]]
    with_groups.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # typer reads it
    return with_groups


def _options_of(group: Any) -> list[inspect.Parameter]:
    types = get_type_hints(type(group), include_extras=True)
    return [
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, each.name), annotation=types[each.name]
        )
        for each in fields(group)
    ]


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone() if time.tzinfo is None else time
    except (ValueError, OverflowError) as error:
        raise raylane.InvalidRequest.field("at", f"{text} is not a time such as 2030-01-31T08:00") from error
