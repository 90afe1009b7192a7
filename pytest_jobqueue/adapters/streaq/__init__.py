"""The adapter for streaQ: a `streaq.Worker`.

```
binding ── place ──► the service's worker leads to our Redis, in whichever loop it is; later as before
        ├─ life ───► a worker of streaQ at work in one event loop, one job when it is asked
        ├─ run ────► what streaQ made of that job
        └─ store ──► what is there, looked at without a loop
```

streaQ documents little of what is used here; the names stand at the head of `place`, `life` and `store`,
and were tried on 7.0.0 and 7.2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.settings import Settings

NEEDS = ("streaq>=7.0",)
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


def bind(app: Any, url: str, settings: Settings) -> SyncFace:
    """Join a worker of streaQ to the Redis at `url`.

    Raises:
        UsageError: The settings name a queue that is not the worker's.
    """
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.adapters.streaq.binding import StreaqBinding

    return SyncFace(StreaqBinding(app, url, queues=settings.queues), url)
