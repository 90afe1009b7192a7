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

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from pytest_jobqueue.adapters.loops import SyncFace
    from pytest_jobqueue.settings import Settings

NEEDS = ("arq>=0.26",)
CAPS = Caps(
    acks=True,
    dead_letters=True,
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    periodic=True,
)


def bind(app: Any, url: str, settings: Settings) -> SyncFace:
    """Join arq's worker settings to the Redis at `url`.

    Raises:
        UsageError: arq cannot make a worker of them.
    """
    from pytest_jobqueue.adapters.arq.binding import ArqBinding
    from pytest_jobqueue.adapters.loops import SyncFace

    return SyncFace(ArqBinding(app, url, queues=settings.queues), url)
