"""Test doubles for services that use Raylane: a `Producer` without a Redis server, and a Ray cluster without Ray.

`pip install 'raylane[testing]'`

Test what a service enqueues, and how it handles the results:

    async with MemoryProducer() as producer:
        await my_service(producer)
        [job] = producer.enqueued
        await producer.succeed(job.id, UploadResult(...))

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
    from raylane.testing.memory.producer import MemoryProducer
    from raylane.testing.memory.sync import SyncMemoryProducer
    from raylane.testing.ray.address import Address, Break
    from raylane.testing.ray.fake import FakeRay

__all__ = ["Address", "Break", "FakeRay", "MemoryProducer", "SyncMemoryProducer"]

_HOMES: Final = {
    "Address": "raylane.testing.ray.address",
    "Break": "raylane.testing.ray.address",
    "FakeRay": "raylane.testing.ray.fake",
    "MemoryProducer": "raylane.testing.memory.producer",
    "SyncMemoryProducer": "raylane.testing.memory.sync",
}

if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))
        raise AttributeError(f"module 'raylane.testing' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(set(globals()) | set(__all__))
