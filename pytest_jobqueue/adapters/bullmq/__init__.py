"""The adapter for BullMQ (Python): queues, each with its processor.

```
binding ── workers ─► what the service's workers are: read, checked, led to our Redis, put back
        ├─ life ────► BullMQ's own queues and workers, in one event loop; one job by such a worker
        └─ store ───► what is there, looked at without a loop
```

BullMQ has no application object, so a mapping stands for it; `workers` says what can be in it. What BullMQ
does not document is listed at the head of `life` and `store`; tried on 3.0.6 and 3.4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.settings import Settings

NEEDS = ("bullmq>=3.0",)
CAPS = Caps(
    acks=True,
    dead_letters=True,
    delays=True,
    retries=True,
    results=True,
    priorities=True,
    dependencies=True,
    periodic=True,
)


def bind(app: Any, url: str, settings: Settings) -> SyncFace:
    """Join workers of BullMQ to the Redis at `url`.

    Args:
        app: A mapping with `queue` and `processor`, or a list of them, in the order in which queues are
            looked at.
        url: The Redis.
        settings: Of these, `queues` is about BullMQ.

    Raises:
        UsageError: A mapping says what cannot be.
    """
    from pytest_jobqueue.adapters.bullmq.binding import BullMQBinding
    from pytest_jobqueue.adapters.loops import SyncFace

    return SyncFace(BullMQBinding(app, url, queues=settings.queues), url)
