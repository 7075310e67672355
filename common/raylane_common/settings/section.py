"""What all sections of the settings have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from raylane_common.model import Model


class Section(Model):
    """Settings of one concern. An unknown name is refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


def with_defaults(given: object, defaults: Mapping[str, Mapping[str, object]]) -> object:
    """Adds to each section the fields that it lacks. A value that is not a section is left for pydantic to refuse."""
    if not isinstance(given, Mapping):
        return given
    sections: dict[str, object] = {
        name: dict(section) if isinstance(section, Mapping | BaseModel) else section for name, section in given.items()
    }
    for name, fields in defaults.items():
        section = sections.setdefault(name, {})
        if isinstance(section, dict):
            sections[name] = {**fields, **section}
    return sections
