"""Shortens the output of a failed run for a model: no colours, none of Ray's own lines, each exception once.

Ray prints a failure up to six times: in its log, as the cause, and as the exception, each with dozens of its own
frames. Users see the unchanged output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Final

# Enough for every failure that was seen on Ray; about a thousand tokens.
MAX_CHARACTERS: Final = 4_000
_MAX_PRINTED_CHARACTERS: Final = 1_500
_MAX_MESSAGE_CHARACTERS: Final = 800
# The kit says in full what the script must do, and names columns and files.
_MAX_KIT_MESSAGE_CHARACTERS: Final = 3_000
_MAX_LINE_CHARACTERS: Final = 200
_MAX_FRAMES: Final = 10

_COLOUR: Final = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
# A line of Ray's logs, of its job manager, or of another process of Ray; a progress bar; and advice about retries.
_OF_RAY: Final = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\t[A-Z]+ |\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z] \d+ \d+\]"
    r"|Running entrypoint for job |\(([^()]{1,100}(\([^()]{0,100}\))?[^()]{0,100} )?pid=\w+(, ip=[0-9a-f.:]+)?\) "
    r"|\((raylet\b|autoscaler )"
    r"|.{0,100}\d{1,3}%\||.{0,100}\brow/s\]"
    r"|Failed to [a-z A-Z]{1,40} after \d+/\d+ attempts |To change retry attempts, backoff, "
)
_WARNING: Final = re.compile(r"\S{1,300}:\d+: \w{0,50}Warning: ")
_START: Final = "Traceback (most recent call last):"
# The exception of a task, which repeats the traceback of the task.
_TASK: Final = re.compile(r"(ray\.exceptions\.\w+(\(\w+\))?: )?ray::")
_LINK: Final = re.compile(r"(The above exception was the direct cause|During handling of the above exception)\b")
_FRAME: Final = re.compile(r'  File "(?P<path>[^"]*)", line (?P<line>\d+)(, in (?P<name>.*))?')
_OF_KIT: Final = re.compile(r"(.*/)?raylane_run/[^/]*")
_OF_SCRIPT: Final = re.compile(r"(.*/)?main\.py")
# Exceptions of Ray's own control flow, which say nothing about the script.
_EMPTY: Final = ("StopIteration", "ray.data.exceptions.SystemException", "ray.exceptions.UserCodeException")
_MAIN: Final = ", in <module>"
# Ray adds this to the message of the script's exception, where it may be within quotes.
_ADVICE: Final = re.compile(r"(\\n|\n)Failed to [a-z A-Z]{1,40} after \d+/\d+ attempts .*", re.DOTALL)


@dataclass
class _Output:
    """What was found in the output: printed lines, and the script's frames by exception, the last one last.

    `of_kit` are the exceptions that the kit raised.
    """

    printed: list[str] = field(default_factory=list)
    failures: dict[str, list[str]] = field(default_factory=dict)
    of_kit: set[str] = field(default_factory=set)

    def add(self, message: list[str], frames: list[str], *, of_kit: bool) -> None:
        text = "\n".join(message)
        if advice := _ADVICE.search(text):
            quote = text[-1] if text[-1] in "'\"" else ""
            text = text[: advice.start()] + quote
        frames = list(dict.fromkeys(self.failures.pop(text, []) + frames))
        self.failures[text] = sorted(frames, key=lambda frame: _MAIN not in frame)
        if of_kit:
            self.of_kit.add(text)


def shorten(output: str, *, is_cut: bool, with_printed: bool = True) -> str:
    """Returns what a model needs of the end of a failed run's output, at most 4,000 characters.

    Of each traceback it keeps the exception and the frames of `main.py`. `is_cut` says that the output has lost its
    beginning, so that it may begin within a line and within a traceback. Without `with_printed`, it leaves out what
    is no exception, which may be rows of the data.
    """
    lines = _COLOUR.sub("", output).splitlines()
    if is_cut:
        lines = list(dropwhile(lambda line: line.startswith(" ") and not _FRAME.match(line), lines[1:]))
    found = _read(lines)
    parts = [_last("\n".join(found.printed).strip(), _MAX_PRINTED_CHARACTERS)] if with_printed else []
    for message, frames in found.failures.items():
        kept = frames if len(frames) <= _MAX_FRAMES else [*frames[: _MAX_FRAMES // 2], *frames[-_MAX_FRAMES // 2 :]]
        longest = _MAX_KIT_MESSAGE_CHARACTERS if message in found.of_kit else _MAX_MESSAGE_CHARACTERS
        parts.append("\n".join(["Traceback, only the lines of main.py:", *kept, _middle(message, longest)]))
    return _last("\n\n".join(filter(None, parts)), MAX_CHARACTERS)


def _read(lines: list[str]) -> _Output:
    found = _Output()
    frames: list[str] = []
    message: list[str] = []
    in_traceback = own = of_kit = False
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        is_noise = any(pattern.match(line) for pattern in (_OF_RAY, _LINK)) or line.startswith(_EMPTY)
        starts = line.startswith(_START) or _FRAME.match(line) is not None or _TASK.match(line) is not None
        if message and (starts or is_noise or not line.strip()):
            found.add(message, frames, of_kit=of_kit)
            frames, message, in_traceback, of_kit = [], [], False, False
        if starts:
            in_traceback = True
            if frame := _FRAME.match(line):
                own = _OF_SCRIPT.fullmatch(frame["path"]) is not None and "site-packages" not in frame["path"]
                of_kit = _OF_KIT.fullmatch(frame["path"]) is not None
                if own:
                    frames.append(f"  line {frame['line']}, in {frame['name'] or '<module>'}")
        elif is_noise:
            # A message of Ray's log may end with the first line of a task's traceback.
            in_traceback = "ray::" in line
        elif _WARNING.match(line):
            number += number < len(lines) and lines[number].startswith("  ")
        elif message:
            message.append(line)
        elif in_traceback and line.startswith(" "):
            if own and line.startswith("    ") and line.strip(" ^~"):
                frames[-1] += f": {line.strip()[:_MAX_LINE_CHARACTERS]}"
                own = False
        elif in_traceback and line.strip():
            message.append(line)
        elif not in_traceback:
            found.printed.append(line)
    if message:
        found.add(message, frames, of_kit=of_kit)
    return found


def _middle(text: str, longest: int) -> str:
    """Returns the text without its middle if it is too long."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"


def _last(text: str, characters: int) -> str:
    return text if len(text) <= characters else "…" + text[1 - characters :]
