"""`raylane context`: the deployments that a user works with, by name."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

import raylane
from raylane.cli import contexts, parameters, runner
from raylane.cli.columns import fact, key, text

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal

app: typer.Typer = typer.Typer(
    name="context",
    help="Name the deployments that you work with, and choose one: raylane --context NAME …",
    no_args_is_help=True,
)

_UNSET: Final = "'' removes it."


def _field(option: str, metavar: str, meaning: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(
        option, metavar=metavar, help=f"{meaning} {_UNSET}", show_default=False
    )
    return found


Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The context's name.", show_default=False, autocompletion=contexts.names),
]
Json = parameters.Json


@app.command("list")
def list_contexts(as_json: Json = False) -> None:
    """List the contexts; * marks the one that is used."""

    def command(terminal: Terminal) -> None:
        known, active = contexts.load(), contexts.active()
        if as_json:
            terminal.json(
                [
                    {"name": name, "active": active is not None and active.name == name, **context.described()}
                    for name, context in sorted(known.by_name.items())
                ]
            )
        elif known.by_name:
            rows = [
                ["*" if active and active.name == name else "", name, context.redis_url or "", context.session or ""]
                for name, context in sorted(known.by_name.items())
            ]
            terminal.table([key(""), key("context"), text("redis", 1), fact("session", 2)], rows)
        else:
            terminal.note("no contexts; make one with raylane context set NAME --redis-url URL")

    runner.execute_here(command, as_json=as_json)


@app.command()
def use(name: Name, as_json: Json = False) -> None:
    """Make a context the one that is used unless --context or RAYLANE_CONTEXT says otherwise; '' for none."""

    def command(terminal: Terminal) -> None:
        with contexts.alone():
            known = contexts.load()
            if name:
                known.named(name)
            contexts.save(replace(known, current=name or None))
        if as_json:
            terminal.json({"current": name or None})
        else:
            terminal.line(f"using {name}" if name else "using no context")

    runner.execute_here(command, as_json=as_json)


@app.command("set")
def set_context(
    name: Name,
    redis_url: Annotated[str | None, _field("--redis-url", "URL", "URL of Redis, without a password.")] = None,
    username: Annotated[str | None, _field("--username", "NAME", "ACL user of Redis.")] = None,
    password_file: Annotated[
        str | None, _field("--password-file", "FILE", "File that holds the password of Redis.")
    ] = None,
    password_env: Annotated[
        str | None, _field("--password-env", "VARIABLE", "Variable that holds the password of Redis.")
    ] = None,
    prefix: Annotated[str | None, _field("--prefix", "TEXT", "What every key begins with.")] = None,
    ca_file: Annotated[str | None, _field("--ca-file", "FILE", "PEM file with the authorities for rediss://.")] = None,
    session: Annotated[str | None, _field("--session", "ID", "The session to work in.")] = None,
    as_json: Json = False,
) -> None:
    """Make a context, or change fields of it. It holds no secret, only where one is."""
    given = {
        "redis_url": redis_url,
        "redis_username": username,
        "redis_password_file": password_file,
        "redis_password_env": password_env,
        "redis_prefix": prefix,
        "redis_ca_file": ca_file,
        "session": session,
    }
    changes = {field: value or None for field, value in given.items() if value is not None}

    def command(terminal: Terminal) -> None:
        if not re.match(contexts.NAME_PATTERN, name):
            problem = f"{name!r} must begin with a letter or digit, and have letters, digits, '.', '_' and '-' only"
            raise raylane.InvalidRequest.field("name", problem)
        with contexts.alone():
            known = contexts.load()
            changed = contexts.checked(replace(known.by_name.get(name, contexts.Context()), **changes))
            _check(changed)
            is_first = not known.by_name
            contexts.save(contexts.Contexts({**known.by_name, name: changed}, name if is_first else known.current))
        if as_json:
            terminal.json({"name": name, **changed.described()})
        else:
            terminal.line(f"{name} written to {contexts.path()}" + ("; it is used from now on" if is_first else ""))

    runner.execute_here(command, as_json=as_json)


def _check(context: contexts.Context) -> None:
    """Raises `InvalidRequest` for a URL, a prefix or a session that no command could use."""
    from raylane import arguments
    from raylane_common.errors import InvalidRequest, invalid_requests
    from raylane_common.redis.url import parse
    from raylane_common.settings import RedisSettings

    if context.redis_url is not None:
        try:
            parse(context.redis_url)
        except InvalidRequest as error:
            raise InvalidRequest.field("redis_url", error.message.removeprefix("redis.url: ")) from error
    if context.session is not None:
        arguments.session_id(context.session)
    with invalid_requests():
        RedisSettings.model_validate({"prefix": context.redis_prefix or ""})


@app.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Remove a context."""

    def command(terminal: Terminal) -> None:
        with contexts.alone():
            known = contexts.load()
            known.named(name)
            left = {other: context for other, context in known.by_name.items() if other != name}
            contexts.save(contexts.Contexts(left, None if known.current == name else known.current))
        if as_json:
            terminal.json({"removed": name})
        else:
            terminal.line(f"{name} removed" + ("; no context is used now" if known.current == name else ""))

    runner.execute_here(command, as_json=as_json)


@app.command()
def show(redis_url: parameters.RedisUrl = None, as_json: Json = False) -> None:
    """Show which Redis and session commands use, and what says so. An option comes first, then the environment."""

    def command(terminal: Terminal) -> None:
        from raylane.cli import connecting

        active = contexts.active()
        reached = connecting.reached(redis_url)
        of_context = f"the context {active.name}" if active else ""
        source = {"context": of_context}.get(reached.source, reached.source)
        session = runner.session_or_none(None)
        says_session = of_context if active and session == active.context.session else "RAYLANE_SESSION"
        facts = {
            "context": (active.name if active else None, active.chosen_where if active else None),
            "redis": (contexts.without_password(reached.redis.url.get_secret_value()), source),
            "user": (reached.redis.username, source),
            "prefix": (reached.redis.prefix or None, source),
            "session": (session, says_session if session else None),
        }
        if as_json:
            terminal.json({name: {"value": value, "from": where} for name, (value, where) in facts.items()})
            return
        rows = [[name, value, f"from {where}"] for name, (value, where) in facts.items() if value is not None]
        terminal.table([key("what"), key("value"), text("from", 1, wraps=True)], rows)
        if active and active.context.redis_url and reached.source != "context":
            terminal.note(f"{reached.source} overrides the context {active.name}")

    runner.execute_here(command, as_json=as_json)
