"""The producer for programs without `async`: the same methods, which wait for what they return.

from raylane.sync import Producer

with Producer(redis_url="redis://127.0.0.1:6379/0") as producer:
    producer.upload("sales.csv", session_id="ada").result(timeout_s=60)
    job = producer.generate("sum of amount by region", session_id="ada", execute=True)
    for event in job.follow():
        print(event.status or event.progress or event.text or event.line)

It may be used by many threads at once, at the level of a module, before and after a fork, in a notebook, and where an
event loop runs (which then waits as well). See docs/decisions/0047.
"""

from raylane.sync.cluster import ClusterActions
from raylane.sync.handle import JobHandle
from raylane.sync.operator import OperatorActions
from raylane.sync.producer import Producer
from raylane.sync.settings import SettingsActions
from raylane.sync.tables import TableActions

__all__ = ["ClusterActions", "JobHandle", "OperatorActions", "Producer", "SettingsActions", "TableActions"]
