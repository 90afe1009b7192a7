"""The adapter for Huey: a `RedisHuey`, `PriorityRedisHuey` or `RedisExpireHuey` and its registered tasks.

```
binding ── messages ─► a task by name, a task as a Job; nothing is sent
        ├─ place ────► the application leads to our Redis, its eager mode is off; later both are as before
        └─ run ──────► one task through `Huey.execute`, and what its signals say about it
```

All of it is Huey's public API but what stands at the head of `place`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.adapters.huey.binding import HueyBinding as HueyBinding

if TYPE_CHECKING:
    from huey.api import Huey

    from pytest_jobqueue.settings import Settings


def bind(app: Huey, url: str, settings: Settings) -> HueyBinding:  # noqa: ARG001 (none of them is about Huey)
    """Join a Huey application to the Redis at `url`.

    Raises:
        UsageError: It is too old, or keeps its tasks elsewhere than in Redis.
    """
    return HueyBinding(app, url)
