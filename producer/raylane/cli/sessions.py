"""`raylane sources`, `reset`, `restore` and `history`: what a session has and had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import options, runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer
    from raylane_common.wire.sources import AnySource

app = typer.Typer()


@app.command()
@options.grouped
def sources(session: options.Session = None, output: options.Output = options.OUTPUT) -> None:
    """List what the session may read."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        _show(await producer.sources(runner.need_session(session)), terminal)

    runner.run(command, output)


@app.command()
@options.grouped
def reset(session: options.Session = None, output: options.Output = options.OUTPUT) -> None:
    """Forget the session's sources and history. Jobs stay readable by id."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        removed = await producer.reset(runner.need_session(session))
        if terminal.as_json:
            terminal.json({"removed": removed})
        else:
            terminal.text(f"{removed} source{'' if removed == 1 else 's'} removed")

    runner.run(command, output)


@app.command()
@options.grouped
def restore(job: options.Job, output: options.Output = options.OUTPUT) -> None:
    """Put the sources that a generate job used back into its session."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        _show(await producer.restore(job), terminal)

    runner.run(command, output)


@app.command()
@options.grouped
def history(
    session: options.Session = None,
    limit: options.Limit = 50,
    full: Annotated[bool, typer.Option("--full", help="With the code and the output of each.")] = False,
    output: options.Output = options.OUTPUT,
) -> None:
    """List what the session did, newest first."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        entries = await producer.history(runner.need_session(session), limit=limit)
        if terminal.as_json:
            terminal.models(*entries, many=True)
        else:
            from raylane.cli.render import show_history

            show_history(entries, terminal, full=full)

    runner.run(command, output)


def _show(found: Sequence[AnySource], terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.models(*found, many=True)
    else:
        from raylane.cli.render import show_sources

        show_sources(found, terminal)
