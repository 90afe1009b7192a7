"""The adapter for Taskiq on Redis: `ListQueueBroker`, `RedisStreamBroker`, or the `TaskiqScheduler` of one.

```
binding ── place ────► broker, results and schedules lead to our Redis; later they are as before
        ├─ lanes ────► one message off a list or a stream, by the calls of the broker's own listener
        ├─ run ──────► Taskiq's receiver runs it, and what became of it
        ├─ schedule ─► one round of the scheduler, and what waits in its sources
        └─ messages ─► a message or a schedule as a `Job`
```

Names that Taskiq does not document stand at the head of `schedule`; they were tried on taskiq 0.12.0 and
0.13.0 with taskiq-redis 1.2.0 and 1.2.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.settings import Settings

NEEDS = ("taskiq>=0.12", "taskiq-redis>=1.2")
CAPS = Caps(
    acks=True,
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    periodic=True,
)
CAPS_IF = {
    "acks": "a `RedisStreamBroker`",
    "delays": "with a schedule source",
    "retries": "with a retry middleware",
    "results": "with a result backend",
    "periodic": "with a scheduler",
}


def bind(app: Any, url: str, settings: Settings) -> SyncFace:
    """Join a broker, or a scheduler with its broker, to the Redis at `url`.

    Raises:
        UsageError: The broker is none that keeps its messages in one Redis.
    """
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.adapters.taskiq.binding import TaskiqBinding

    return SyncFace(TaskiqBinding(app, url, queues=settings.queues), url)
