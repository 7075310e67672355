"""The options that many commands share: one by one, and in groups that a command takes as one argument."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_type_hints

import typer

import raylane

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane.options import JobOptions

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
After = Annotated[
    list[str] | None,
    typer.Option("--after", metavar="JOB", help="Start once this job has succeeded. May be repeated."),
]
Delay = Annotated[
    float | None,
    typer.Option("--delay", min=0, metavar="SECONDS", help="Start no sooner than in this time.", show_default=False),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="Start no sooner than at this time, such as 2030-01-31T08:00.", show_default=False
    ),
]
Expires = Annotated[
    float | None,
    typer.Option("--expires", metavar="SECONDS", help="Fail unless started within this time.", show_default=False),
]
Priority = Annotated[
    Literal["high", "normal", "low"], typer.Option("--priority", help="Each step is a head start of an hour.")
]
Unique = Annotated[
    str | None,
    typer.Option(
        "--unique", metavar="KEY", help="While a job with this key lives, take that one instead.", show_default=False
    ),
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
OfSession = Annotated[
    str | None, typer.Option("--session", "-s", metavar="ID", help="Of this session only.", show_default=False)
]
OfKind = Annotated[
    Literal["upload", "tables", "generate", "ray"] | None,
    typer.Option("--kind", help="Of this kind only.", show_default=False),
]
OfCode = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="With this error code only.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", metavar="1-1000", help="The newest ones only.")]


@dataclass(frozen=True)
class Output:
    """How a command that waits for nothing was called."""

    as_json: Json = False
    redis_url: RedisUrl = None


@dataclass(frozen=True)
class Call:
    """How a command that may wait for its job was called."""

    wait: Wait = True
    timeout_s: Timeout = None
    as_json: Json = False
    redis_url: RedisUrl = None


@dataclass(frozen=True)
class Order:
    """How the jobs of a command are to run."""

    job_id: JobId = None
    after: After = None
    delay_s: Delay = None
    at: At = None
    expires_s: Expires = None
    priority: Priority = "normal"

    def options(self) -> JobOptions:
        """The same for `Producer`. Raises `InvalidRequest` if `at` is no time; one without a zone is this machine's."""
        return {
            "job_id": self.job_id,
            "after": self.after or None,
            "delay_s": self.delay_s,
            "at": None if self.at is None else _time(self.at),
            "expires_s": self.expires_s,
            "priority": self.priority,
        }


@dataclass(frozen=True)
class OneOrder(Order):
    """How the one job of a command is to run."""

    unique: Unique = None

    def options(self) -> JobOptions:
        """As `Order.options`."""
        return {**super().options(), "unique": self.unique}


OUTPUT: Final = Output()
WAIT: Final = Call()
NO_WAIT: Final = Call(wait=False)
ORDER: Final = Order()
ONE_ORDER: Final = OneOrder()


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Lets the command take groups, such as `Call`, as arguments: the fields of each become options of the command.

    The argument's default gives the defaults of its options.
    """
    signature = inspect.signature(command, eval_str=True)
    groups = {name: each.default for name, each in signature.parameters.items() if is_dataclass(each.annotation)}
    options = {name: _options_of(group) for name, group in groups.items()}

    @wraps(command)
    def called(**values: Any) -> None:  # whatever the command line holds
        made = {
            name: type(group)(**{option.name: values.pop(option.name) for option in options[name]})
            for name, group in groups.items()
        }
        command(**values, **made)

    parameters = [each for name, each in signature.parameters.items() if name not in groups]
    parameters += [option for name in groups for option in options[name]]
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by typer
    return called


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
        found = datetime.fromisoformat(text)
        return found.astimezone() if found.tzinfo is None else found
    except (ValueError, OverflowError) as error:
        raise raylane.InvalidRequest.field("at", f"{text} is no time such as 2030-01-31T08:00") from error
