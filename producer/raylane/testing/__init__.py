"""For the tests of services that use Raylane: a `Producer` without Redis, and a Ray cluster without Ray.

What a service enqueues, and how it takes the results:

    async with MemoryProducer() as producer:
        await my_service(producer)
        [job] = producer.enqueued
        producer.succeed(job.id, UploadResult(...))

What a worker, or anything else that speaks to Ray, does to a cluster, and what it makes of one that is hard to reach:

    ray = FakeRay(token="secret")
    async with Address(ray) as private, Address(ray) as public:
        ...  # point RAYLANE_RAY__PRIVATE_URL at private.url, RAYLANE_RAY__PUBLIC_URL at public.url, and submit
        ray.write("rl-1", "half of it")
        private.break_with(Break.CUT_AFTER, only="POST")
        ray.end("rl-1", exit_code=1)
        assert ray.submissions == 1

Names are loaded when they are first used: a `MemoryProducer` costs no HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane.testing.memory.producer import MemoryProducer
    from raylane.testing.ray.address import Address, Break
    from raylane.testing.ray.fake import FakeRay

__all__ = ["Address", "Break", "FakeRay", "MemoryProducer"]

_HOMES: Final = {
    "Address": "raylane.testing.ray.address",
    "Break": "raylane.testing.ray.address",
    "FakeRay": "raylane.testing.ray.fake",
    "MemoryProducer": "raylane.testing.memory.producer",
}

if not TYPE_CHECKING:  # a type checker would take any name for good

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))
        raise AttributeError(f"module 'raylane.testing' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(set(globals()) | set(__all__))
