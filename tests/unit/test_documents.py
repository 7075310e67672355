"""The pages name files, links and commands that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from raylane.cli.app import app
from raylane_worker.cli.commands import app as worker_app

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
# A path below the repository's root, in backticks; a placeholder or a wildcard matches several.
FILE = re.compile(r"`((?:common|producer|worker|tests|docs)/[\w./{}*,-]+)`")
COMMAND = re.compile(r"`(raylane|raylane-worker) ([^`]+)`")
PROGRAMS = {"raylane": app, "raylane-worker": worker_app}
RECORD = re.compile(r"^\| \[(\d+)\]\(([^)]+)\) \| ([^|]+?) \|", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = FILE.findall((ROOT / page).read_text(encoding="utf-8"))
    missing = [name for name in named if not any(ROOT.glob(re.sub(r"\{[^}]*\}", "*", name).rstrip("/")))]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    links = LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert not [link for link in links if not ((ROOT / page).parent / link).exists()]


def test_every_decision_is_listed_under_its_title_and_says_what_was_decided() -> None:
    records = sorted((ROOT / "docs/decisions").glob("0*.md"))
    listed = RECORD.findall((ROOT / "docs/decisions/README.md").read_text(encoding="utf-8"))
    texts = [record.read_text(encoding="utf-8") for record in records]
    assert [(str(int(number)), file, title) for number, file, title in listed] == [
        (str(int(record.name[:4])), record.name, text.partition("\n")[0].partition(". ")[2])
        for record, text in zip(records, texts, strict=True)
    ]
    assert [record.name for record, text in zip(records, texts, strict=True) if "\n## Decision" not in text] == []


def test_the_way_of_a_job_is_on_the_page_of_the_architecture() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert len(FILE.findall(page)) > 15


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    with (ROOT / "zensical.toml").open("rb") as file:
        navigation = repr(tomllib.load(file)["project"]["nav"])
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"'{page.name}'" not in navigation]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_names_exists(page: str) -> None:
    named = COMMAND.findall((ROOT / page).read_text(encoding="utf-8"))
    unknown = [(program, *words) for program, text in named if (words := unknown_in(PROGRAMS[program], text.split()))]
    assert not unknown


def unknown_in(program: typer.Typer, words: list[str]) -> list[str]:
    """Returns the words that are no command or option where they are."""
    command: Any = typer.main.get_command(program)
    options = {"--help", *options_of(command)}
    for index, word in enumerate(words):
        name = word.strip("…").partition("=")[0]
        if name.startswith("-"):
            if name not in options:
                return words[: index + 1]
        elif name.islower() and (commands := getattr(command, "commands", None)):
            if name not in commands:
                return words[: index + 1]
            command = commands[name]
            options |= options_of(command)
    return []


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
