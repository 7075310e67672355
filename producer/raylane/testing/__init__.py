"""Test doubles for services that use Raylane: a `Producer` without a Redis server, and a Ray cluster without Ray.

`pip install 'raylane[testing]'`

Test what a service enqueues, and how it handles the results:

    async with MemoryProducer() as producer:
        await my_service(producer)
        [job] = producer.enqueued
        await producer.succeed(job.id, make_upload_result(rows=1461))

Test what a client does on a Ray cluster, and how it copes with a failing network:

    ray = FakeRay(token="secret")
    async with Address(ray) as private, Address(ray) as public:
        ...  # point RAYLANE_RAY__PRIVATE_URL at private.url, RAYLANE_RAY__PUBLIC_URL at public.url, and submit
        ray.write("rl-1", "half of it")
        private.break_with(Break.CUT_AFTER, only="POST")
        ray.end("rl-1", exit_code=1)
        assert ray.submissions == 1

Names are loaded when they are first used, because `MemoryProducer` needs no HTTP library and `FakeRay` no fakeredis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane.testing.factories import make_answer as make_answer
    from raylane.testing.factories import make_chart as make_chart
    from raylane.testing.factories import make_columns as make_columns
    from raylane.testing.factories import make_databases_result as make_databases_result
    from raylane.testing.factories import make_file as make_file
    from raylane.testing.factories import make_generate_result as make_generate_result
    from raylane.testing.factories import make_preview_result as make_preview_result
    from raylane.testing.factories import make_record as make_record
    from raylane.testing.factories import make_run as make_run
    from raylane.testing.factories import make_selected_result as make_selected_result
    from raylane.testing.factories import make_source as make_source
    from raylane.testing.factories import make_submit_result as make_submit_result
    from raylane.testing.factories import make_table as make_table
    from raylane.testing.factories import make_table_source as make_table_source
    from raylane.testing.factories import make_upload_result as make_upload_result
    from raylane.testing.factories import make_value as make_value
    from raylane.testing.memory.producer import MemoryProducer as MemoryProducer
    from raylane.testing.memory.sync import SyncMemoryProducer as SyncMemoryProducer
    from raylane.testing.ray.address import Address as Address
    from raylane.testing.ray.address import Break as Break
    from raylane.testing.ray.fake import FakeRay as FakeRay

_HOMES: Final = {
    "raylane.testing.factories": (
        *("make_answer", "make_chart", "make_columns", "make_databases_result", "make_file", "make_generate_result"),
        *("make_preview_result", "make_record", "make_run", "make_selected_result", "make_source"),
        *("make_submit_result", "make_table", "make_table_source", "make_upload_result", "make_value"),
    ),
    "raylane.testing.memory.producer": ("MemoryProducer",),
    "raylane.testing.memory.sync": ("SyncMemoryProducer",),
    "raylane.testing.ray.address": ("Address", "Break"),
    "raylane.testing.ray.fake": ("FakeRay",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "Address",
    "Break",
    "FakeRay",
    "MemoryProducer",
    "SyncMemoryProducer",
    "make_answer",
    "make_chart",
    "make_columns",
    "make_databases_result",
    "make_file",
    "make_generate_result",
    "make_preview_result",
    "make_record",
    "make_run",
    "make_selected_result",
    "make_source",
    "make_submit_result",
    "make_table",
    "make_table_source",
    "make_upload_result",
    "make_value",
]

if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name in _HOME_OF:
            return globals().setdefault(name, getattr(import_module(_HOME_OF[name]), name))
        raise AttributeError(f"module 'raylane.testing' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(set(globals()) | set(__all__))
