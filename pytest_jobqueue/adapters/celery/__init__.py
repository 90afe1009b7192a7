"""The adapter for Celery: an application whose broker is Redis, and its registered tasks.

```
binding ── place ────► the application leads to our Redis and is not eager; later it is as before
        ├─ client ───► a call becomes `Task.apply_async`
        ├─ store ────► the queues' lists and what is unacknowledged, read without taking anything
        ├─ fetch ────► the next message is taken off its list
        ├─ worker ───► one message through Celery's own consumer, request and tracer (pool, limits)
        └─ remote ───► revocations that somebody broadcasts
all of them ── innards ─► the names that Celery and kombu do not document
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from celery import Celery

    from pytest_jobqueue.adapters.celery.binding import CeleryBinding
    from pytest_jobqueue.settings import Settings

NEEDS = ("celery[redis]>=5.4",)
CAPS = Caps(
    acks=True,
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    priorities=True,
    dependencies=True,
    periodic=True,
)
CAPS_IF = {
    "acks": "`task_acks_late`",
    "results": "with a result backend",
}


def bind(app: Celery, url: str, settings: Settings) -> CeleryBinding:
    """Join a Celery application to the Redis at `url`.

    Raises:
        UsageError: The application is configured for another kind of broker.
    """
    from pytest_jobqueue.adapters.celery.binding import CeleryBinding

    return CeleryBinding(app, url, queues=settings.queues)
