"""`raylane settings`: what workers take while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import options, runner

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer

app = typer.Typer(help="Change the cluster's addresses while workers run.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="ray.private_url or ray.public_url.", show_default=False)]


@app.command()
@options.grouped
def show(output: options.Output = options.OUTPUT) -> None:
    """Show what is set; what is not is as each worker was started."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await _show(producer, terminal)

    runner.run(command, output)


@app.command(name="set")
@options.grouped
def set_(
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", show_default=False)],
    output: options.Output = options.OUTPUT,
) -> None:
    """Set one. Running workers take it within moments, and keep it over restarts."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.settings.set(name, value)
        await _show(producer, terminal)

    runner.run(command, output)


@app.command()
@options.grouped
def unset(name: Name, output: options.Output = options.OUTPUT) -> None:
    """Take one back: what each worker was started with holds again."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.settings.unset(name)
        await _show(producer, terminal)

    runner.run(command, output)


async def _show(producer: Producer, terminal: Terminal) -> None:
    found = await producer.settings.all()
    if terminal.as_json:
        terminal.json(dict(found))
    elif found:
        terminal.table(["name", "value"], [[name, value] for name, value in sorted(found.items())])
    else:
        terminal.say("nothing is set; workers use what they were started with")
