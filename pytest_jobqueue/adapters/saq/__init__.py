"""The adapter for SAQ: a Redis queue, or the settings of a worker of one.

```
binding ── calls ──► what is asked for, in SAQ's words
        ├─ place ──► the queue leads to our Redis; later it is as before
        ├─ life ───► SAQ's own worker, in one event loop, and what became of one job
        └─ store ──► what is there, looked at without a loop
```

Names that SAQ does not document, tried on 0.24.0 and 0.26.4, stand at the head of `place`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.settings import Settings

NEEDS = ("saq[redis]>=0.24", "typing_extensions>=4.0")
CAPS = Caps(
    acks=True,
    dead_letters=True,
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    periodic=True,
)


def bind(app: Any, url: str, settings: Settings) -> SyncFace:  # noqa: ARG001 (none of them is about SAQ)
    """Join a SAQ queue, or a worker's settings, to the Redis at `url`.

    Raises:
        UsageError: The queue is not in Redis.
    """
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.adapters.saq.binding import SaqBinding

    return SyncFace(SaqBinding(app, url), url)
