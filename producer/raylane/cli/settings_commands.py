"""`raylane settings show`, `set` and `unset`: settings that workers apply while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import parameters, runner
from raylane.cli.columns import key, text

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer

app: typer.Typer = typer.Typer(
    name="settings",
    help="Change addresses and limits of the cluster, the bucket, and the limits of sessions while workers run.",
    no_args_is_help=True,
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="ray.private_url, ray.public_url, ray.new_cluster, ray.max_runs, ray.warm_runs, storage.bucket, "
        "sessions.max_sources, sessions.max_bytes or uploads.part_bytes.",
        show_default=False,
    ),
]


@app.command("show")
@parameters.grouped
def show_settings(output: parameters.OutputOptions = parameters.OUTPUT) -> None:
    """Show the values that are set. For all others, a worker uses what it was started with."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await _show(producer, terminal)

    runner.execute(command, output)


@app.command("set")
@parameters.grouped
def set_setting(
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", show_default=False)],
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Set a value. Running workers apply it within seconds, and workers that start later use it too."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.settings.set(name, value)
        await _show(producer, terminal)

    runner.execute(command, output)


@app.command("unset")
@parameters.grouped
def unset_setting(name: Name, output: parameters.OutputOptions = parameters.OUTPUT) -> None:
    """Remove a value. Each worker then uses the setting that it was started with."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.settings.unset(name)
        await _show(producer, terminal)

    runner.execute(command, output)


async def _show(producer: Producer, terminal: Terminal) -> None:
    values = await producer.settings.all()
    if terminal.as_json:
        terminal.json(dict(values))
    elif values:
        terminal.table(
            [key("name"), text("value", 1, wraps=True)], [[name, value] for name, value in sorted(values.items())]
        )
    else:
        terminal.note("nothing is set; workers use the settings that they were started with")
