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

from pytest_jobqueue.adapters.loops import SyncFace
from pytest_jobqueue.adapters.saq.binding import SaqBinding as SaqBinding

if TYPE_CHECKING:
    from pytest_jobqueue.settings import Settings


def bind(app: Any, url: str, settings: Settings) -> SyncFace:  # noqa: ARG001 (none of them is about SAQ)
    """Join a SAQ queue, or a worker's settings, to the Redis at `url`.

    Raises:
        UsageError: SAQ is too old, or the queue is not in Redis.
    """
    return SyncFace(SaqBinding(app, url), url)
