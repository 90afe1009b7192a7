"""The adapter for arq: a `WorkerSettings` class, or the same as a dict.

```
binding ── place ──► the settings lead to our Redis; later they are as before
        ├─ life ───► arq's own pool and worker, in one event loop
        ├─ run ────► one job by that worker, and what became of it
        └─ store ──► what is there, looked at without a loop
```

Names that arq does not document, tried on 0.26.3 and 0.28.0, stand at the head of `life` and `place`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters.arq.binding import ArqBinding as ArqBinding
from pytest_jobqueue.adapters.loops import SyncFace

if TYPE_CHECKING:
    from pytest_jobqueue.settings import Settings


def bind(app: Any, url: str, settings: Settings) -> SyncFace:
    """Join arq's worker settings to the Redis at `url`.

    Raises:
        UsageError: arq is too old, or cannot make a worker of them.
    """
    return SyncFace(ArqBinding(app, url, queues=settings.queues), url)
