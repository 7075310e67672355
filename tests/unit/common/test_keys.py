"""The keys of a deployment: which there are, and how a prefix changes them."""

from __future__ import annotations

import inspect

import pytest
from pydantic import ValidationError

from raylane_common.redis.keys import Keys
from raylane_common.settings import RedisSettings


def all_keys(keys: Keys) -> list[str]:
    """Every key that an object spells, for the argument x."""
    methods = inspect.getmembers(keys, inspect.ismethod)
    spelled = [method("x") for name, method in methods if not name.startswith("_") and name != "parts_of_job"]
    names = [text for text in keys.in_scripts.values() if not text.startswith(":")]
    return [*spelled, *names, *keys.immortal, keys.route, keys.settings, keys.settings_changed]


def test_without_a_prefix_the_keys_are_those_of_the_wire_format() -> None:
    keys = Keys()
    assert {key.partition(":")[0] for key in all_keys(keys)} == {"raylane", "arq"}
    assert (keys.job("j"), keys.queue("ray")) == ("raylane:job:j", "raylane:queue:ray")


def test_every_key_of_a_prefix_begins_with_it_as_a_hash_tag() -> None:
    plain, prefixed = all_keys(Keys()), all_keys(Keys("acme"))
    assert len(plain) > 40
    assert prefixed == [f"{{acme}}:{key}" for key in plain]


def test_a_key_of_a_job_is_taken_apart() -> None:
    keys = Keys("acme")
    assert keys.parts_of_job(keys.job("j")) == ("j", "")
    assert keys.parts_of_job(keys.job_body("j")) == ("j", ":body")


@pytest.mark.parametrize("prefix", ["a{b", "a}", "a*", "a:b", "a b", "a'b", "a\n", "ä", "a" * 65])
def test_a_prefix_that_would_break_keys_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="prefix"):
        RedisSettings(prefix=prefix)


@pytest.mark.parametrize("prefix", ["", "a", "Team-1.eu_west", "a" * 64])
def test_a_prefix_of_plain_characters_is_taken(prefix: str) -> None:
    assert RedisSettings(prefix=prefix).prefix == prefix
