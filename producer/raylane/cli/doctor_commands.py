"""`raylane doctor`: what is wrong with a deployment, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

import raylane
from raylane.cli import parameters, process, runner, traced
from raylane.cli.process import ExitCode
from raylane.cli.render import renders
from raylane.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane_common.settings import RedisSettings, Settings
    from raylane_common.wire.checks import Check, ChecksResult

app: typer.Typer = typer.Typer()

# Within the part of the usual ten seconds that Redis has.
_GIVE_UP_S: Final = 2.0
# A longer name of an address only moves its own line.
_WIDEST_AREA: Final = 24


@app.command()
@parameters.grouped
def doctor(
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, max=60, metavar="SECONDS", help="All checks together end by then.")
    ] = 10,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Check the settings, Redis, the workers, and what they use: S3, Glue, the model, Ray. Exit with 1 for a problem.

    Workers write a small object to S3 and delete it; nothing else changes, and no request is sent to the model.
    """
    terminal = Terminal(as_json=output.as_json)
    with runner.exits(terminal):
        with traced.spans_sent(terminal):
            found = process.run_interruptible(_found(timeout, output.redis_url))
        is_well = not any(check.state == "problem" for check in found)
        if output.as_json:
            checks: list[JsonValue] = [check.model_dump(mode="json") for check in found]
            terminal.json({"ok": is_well, "version": raylane.__version__, "checks": checks})
        else:
            _show(found, terminal)
    if not is_well:
        raise typer.Exit(ExitCode.FAILED)


async def _found(timeout_s: float, redis_url: str | None) -> list[Check]:
    from raylane.cli import connecting
    from raylane_common.wire.checks import not_tried, problem

    found = _of_this_process()
    try:
        settings = connecting.settings(redis_url)
        with traced.command_span():
            async with raylane.Producer(_impatient(settings)) as producer:
                return [*found, *await producer.operator.examine(timeout_s=timeout_s)]
    except raylane.RaylaneError as error:
        # A wrong setting or URL, on which the others may depend. It is not told twice.
        found = [check for check in found if check.message.partition(" ")[0] not in error.message]
        return [*found, problem("settings", error.message), not_tried("Redis", "and the rest, because of the settings")]


def _of_this_process() -> list[Check]:
    """Checks the environment of this process: variables that have no effect, and whether traces can be sent."""
    from raylane_common.telemetry.sending import missing_package
    from raylane_common.wire.checks import ok, warning

    found = [warning("settings", text.removeprefix("warning: ")) for text in process.variable_warnings()]
    missing = missing_package()
    if missing is not None:
        found.append(
            warning(
                "traces",
                f"an exporter is configured, but {missing.module} is missing",
                f"pip install {missing.install}",
            )
        )
    return found or [ok("settings", "every RAYLANE_ variable here is known")]


def _impatient(settings: Settings) -> Settings:
    """Returns settings with which the reason is told, and not only that the time is up, when Redis is away."""
    redis: RedisSettings = settings.redis.model_copy(
        update={
            "connect_timeout_s": min(settings.redis.connect_timeout_s, _GIVE_UP_S),
            "socket_timeout_s": min(settings.redis.socket_timeout_s, _GIVE_UP_S),
            "give_up_s": _GIVE_UP_S,
        }
    )
    return settings.model_copy(update={"redis": redis})


@renders("ChecksResult")
def show_checks(result: ChecksResult, terminal: Terminal) -> None:
    """Prints what one worker has found."""
    terminal.line(f"{result.worker}, version {result.version}")
    _show(result.checks, terminal)


def _show(found: Sequence[Check], terminal: Terminal) -> None:
    width = min(_WIDEST_AREA, max((len(check.area) for check in found), default=0))
    for check in found:
        lanes = f" ({', '.join(check.lanes)})" if check.lanes else ""
        terminal.item(f"{check.state.replace('_', ' '):<9}  {check.area:<{width}}  ", f"{check.message}{lanes}")
        if check.hint:
            terminal.item(f"{'':<9}  {'':<{width}}  -> ", check.hint)
