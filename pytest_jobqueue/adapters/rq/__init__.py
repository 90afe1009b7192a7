"""The adapter for RQ: a `Queue`, a list of them, or django-rq's configuration.

```
binding ── client ─────► what a producer asks for, by `Queue.enqueue_call` and its kin
        ├─ place ──────► the service's own connections lead to our Redis; later they are as before
        ├─ runner ─────► one job through `SimpleWorker`, and what it says about it; alarm is its time limit
        ├─ upkeep ─────► RQ's scheduler and maintenance, one step when a test asks for it
        └─ store ──────► what is there: queues and registries
```

What RQ does not document is used in `runner`, `upkeep` and `place` only, and listed at the head of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.rq.binding import RQBinding
    from pytest_jobqueue.settings import Settings

NEEDS = ("rq>=2.0",)
CAPS = Caps(
    acks=True,
    dead_letters=True,
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    priorities=True,
    dependencies=True,
    periodic=True,
)
CAPS_IF = {
    "periodic": "RQ 2.3 and newer",
}


def bind(app: Any, url: str, settings: Settings) -> RQBinding:
    """Join RQ queues to the Redis at `url`.

    Args:
        app: A queue; a list or tuple of them, in the worker's order; or django-rq (the module, or its name),
            for all queues of `RQ_QUEUES`.
        url: The Redis.
        settings: Of these, `queues` and `default_queue` are about RQ.

    Raises:
        UsageError: A queue cannot be led to another Redis.
    """
    from pytest_jobqueue.adapters.rq.binding import RQBinding

    return RQBinding(app, url, queues=settings.queues, default_queue=settings.default_queue)
