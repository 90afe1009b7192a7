"""The adapter for go-workers2 and Sidekiq, built in: a dict of name to function, or a `Handlers` registry.

It speaks the queue format of both programs in Python.

```
binding ── client ───────► what a producer writes
        ├─ worker ───────► take, run (runner), record what became of it; lanes are its queues
        ├─ scheduler ────► due jobs become ready
        ├─ store ────────► what is there
        └─ process ──────► the heartbeat
all of them ── link ─────► one connection
```
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from pytest_jobqueue.adapters.sidekiq.binding import CAPS as CAPS
from pytest_jobqueue.adapters.sidekiq.binding import CAPS_IF as CAPS_IF
from pytest_jobqueue.adapters.sidekiq.binding import SidekiqBinding as SidekiqBinding
from pytest_jobqueue.handlers import Handlers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_jobqueue.handlers import Handler
    from pytest_jobqueue.settings import Settings


def bind(app: Handlers | Mapping[str, Handler], url: str, settings: Settings) -> SidekiqBinding:
    """Join handlers to the Redis at `url`, in the dialect that the settings name."""
    return SidekiqBinding(
        app,
        url,
        dialect=settings.dialect,
        namespace=settings.namespace,
        process_id=settings.process_id,
        queues=settings.queues,
        middleware=app.middleware if isinstance(app, Handlers) else (),
        random=Random(settings.seed),  # noqa: S311 (spreads retries, keeps no secret)
        default_queue=settings.default_queue,
    )
