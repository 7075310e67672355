"""The base of the models that are stored or sent. See docs/decisions/0054."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import VERSION, BaseModel, ConfigDict

# Before pydantic 2.14, two threads that use a model for the first time may get a part of its parent instead.
BUILT_WHEN_USED: Final = tuple(map(int, VERSION.split(".")[:2])) >= (2, 14)


class Model(BaseModel):
    """A value. pydantic builds what reads and writes it when it is first used: a command uses few of all models."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=BUILT_WHEN_USED)
