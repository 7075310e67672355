"""Says what to do about wrong usage: typer's messages say what is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from raylane_common.nearest import NearestNames

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.exceptions import TyperException

# What people type who know other programs.
_OTHER_WORDS: Final = {
    "ask": "raylane run FILE PROMPT uploads and asks, raylane generate PROMPT --run asks",
    "delete": "raylane remove NAME removes a source, raylane reset all of them",
    "describe": "raylane status JOB shows a job, raylane sources --profile the sources",
    "exec": "raylane ray submit FILE runs a script",
    "help": "write raylane --help, or raylane COMMAND --help",
    "info": "raylane top shows the queue, raylane doctor what is wrong",
    "list": "raylane jobs lists jobs, raylane sources sources, raylane tables list tables",
    "log": "raylane follow JOB prints what happens, raylane result JOB --log the output of the run",
    "login": "raylane context set NAME names a deployment",
    "logs": "raylane follow JOB prints what happens, raylane result JOB --log the output of the run",
    "ls": "raylane jobs lists jobs, raylane sources sources, raylane tables list tables",
    "ps": "write raylane jobs, or raylane top",
    "query": "raylane run FILE PROMPT uploads and asks, raylane generate PROMPT --run asks",
    "rm": "raylane remove NAME removes a source, raylane reset all of them",
    "session": "a session needs no command: --session ID makes it; raylane sources --session ID lists what it has",
    "sessions": "a session needs no command: --session ID makes it; raylane sources --session ID lists what it has",
    "show": "raylane status JOB shows a job, raylane result JOB its answer",
    "start": "workers are started with raylane-worker run, and all on one machine with raylane-worker dev",
    "stop": "raylane cancel JOB stops a job",
    "submit": "raylane ray submit FILE runs a script, raylane run FILE PROMPT asks about a file",
    "version": "write raylane --version",
    "wait": "raylane result JOB --wait waits for a job",
    "worker": "workers are started with raylane-worker run, and all on one machine with raylane-worker dev",
    "workers": "raylane lanes lists them; one is started with raylane-worker run",
}
_ARGUMENTS: Final = {
    "JOB": "raylane jobs lists the ids",
    "PROMPT": "Write what to compute in quotes, as in 'sum of amount by region'",
    "FILE": "Name a local file, or s3://BUCKET/KEY",
    "DATABASE": "raylane tables databases lists them",
    "DATABASE.TABLE...": "raylane tables list DATABASE lists them",
    "VALUE": "The name and the value are two words, as in ray.max_runs 3",
    "ID": "raylane ray runs lists the ids",
}
_BEFORE_THE_COMMAND: Final = ("--context", "--version")
_SHORT: Final = {"-h": "--help", "-v": "--version", "-V": "--version"}
# pydantic's words, for which the value of an option is a field.
_VALUES: Final[tuple[tuple[str, str], ...]] = (
    (r"^Value error, ", ""),
    (r"^Input should be a valid number.*", "must be a number"),
    (r"^Input should be a valid integer.*", "must be a whole number"),
    (r"^Input should be greater than or equal to (\S+)$", r"must be at least \1"),
    (r"^Input should be less than or equal to (\S+)$", r"must be at most \1"),
    (r"^Input should be a finite number$", "must be a finite number"),
)


def explain(error: TyperException) -> None:
    """Adds to the message of the error what to do. Doing that twice changes nothing."""
    if not hasattr(error, "_is_explained"):
        error._is_explained = True  # type: ignore[attr-defined]  # an exception takes any attribute
        _explanation_of(error)(error)


def _explanation_of(error: Any) -> Callable[[Any], None]:  # Any: the classes are internal to typer
    if hasattr(error, "possibilities"):
        return _unknown_option
    if hasattr(error, "param_type"):
        return _missing
    if hasattr(error, "param_hint"):
        return _wrong_value
    if error.message.startswith("No such command"):
        return _unknown_command
    if error.message.startswith("Got unexpected extra argument"):
        return _too_many
    return lambda _: None


def _unknown_option(error: Any) -> None:
    name, context = error.option_name, error.ctx
    if context is None or error.message != f"No such option: {name}":
        return
    error.possibilities = None
    known = [option for parameter in context.command.params for option in (*parameter.opts, *parameter.secondary_opts)]
    nearest = NearestNames([option for option in known if option.startswith("--")]).find(name, 1)
    path = context.command_path
    if context.parent is not None and name in _BEFORE_THE_COMMAND:
        program, _, command = path.partition(" ")
        error.message += f". It comes before the command: {program} {name} … {command}"
    elif name in _SHORT:
        error.message += f". Did you mean {_SHORT[name]}?"
    elif context.parent is None and not nearest:
        error.message += f". Options of a command come after it: {path} COMMAND {name} …"
    elif nearest:
        error.message += f". Did you mean {nearest[0]}?"
    elif "PROMPT" in _arguments_of(context.command):
        error.message += f". A prompt that begins with - comes after --, as in {path} -- '-1 as the limit'"
    else:
        error.message += f". {path} --help lists the options"


def _missing(error: Any) -> None:
    if (hint := _ARGUMENTS.get(_name_of(error.param))) and not error.message:
        error.message = hint


def _wrong_value(error: Any) -> None:
    for pattern, words in _VALUES:
        error.message = re.sub(pattern, words, error.message)
    if error.message == "must be a number" and getattr(error.param, "metavar", "") == "SECONDS":
        error.message = "must be a number of seconds, such as 90"
    value, is_choice, choices = error.message.partition(" is not one of ")
    if is_choice and (nearest := NearestNames(re.findall(r"'([^']+)'", choices)).find(value.strip("'"), 1)):
        error.message = f"{error.message.rstrip('.')}; did you mean {nearest[0]}?"


def _unknown_command(error: Any) -> None:
    found = re.match(r"No such command '([^']*)'", error.message)
    if found is None or error.ctx is None:
        return
    hint = _OTHER_WORDS.get(found[1].lower()) if error.ctx.parent is None else None
    if hint:
        error.message = f"{found[0]}; {hint}"
    elif error.message == f"{found[0]}.":
        error.message = f"{found[0]}; there are {', '.join(sorted(error.ctx.command.commands))}"


def _too_many(error: Any) -> None:
    arguments = _arguments_of(error.ctx.command)
    if "(-" in error.message:
        error.message += ". Options come before --"
    elif "PROMPT" in arguments:
        error.message += ". Put quotes around the prompt, as in 'sum of amount by region'"
    elif "FILE" in arguments:
        error.message += ". It takes one file; write the command once for each"
    elif "JOB" in arguments:
        error.message += ". It takes one job; write the command once for each"
    elif not arguments:
        error.message += ". It takes options only"


def _arguments_of(command: Any) -> set[str]:
    return {_name_of(parameter) for parameter in command.params if parameter.param_type_name == "argument"}


def _name_of(parameter: Any) -> str:
    """Returns the name of an argument as the help shows it, such as PROMPT."""
    return str(getattr(parameter, "metavar", None) or getattr(parameter, "name", ""))
