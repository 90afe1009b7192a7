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

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from huey.api import Huey

    from pytest_jobqueue.adapters.huey.binding import HueyBinding
    from pytest_jobqueue.settings import Settings

NEEDS = ("huey>=2.5",)
CAPS = Caps(
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    priorities=True,
    dependencies=True,
    periodic=True,
)
CAPS_IF = {
    "results": "unless `results=False`",
    "priorities": "a `PriorityRedisHuey`",
}


def bind(app: Huey, url: str, settings: Settings) -> HueyBinding:  # noqa: ARG001 (none of them is about Huey)
    """Join a Huey application to the Redis at `url`.

    Raises:
        UsageError: It keeps its tasks elsewhere than in Redis.
    """
    from pytest_jobqueue.adapters.huey.binding import HueyBinding

    return HueyBinding(app, url)
