"""The adapter for Dramatiq: a `RedisBroker` with its actors and middleware.

```
binding ── messages ─► an actor's message, a message as a Job; nothing is sent
        ├─ store ────► what is there: queues, delay queues, acknowledgements, dead letters
        ├─ place ────► the broker and its backends lead to our Redis; later all is as before
        └─ bench ────► Dramatiq's own consumer and worker, one message at a time (recorder notes what happens)
             ├─ limits ► time limits, by a thread that ends
             └─ loop ──► async actors, in the thread that asks
```

What is not Dramatiq's public API stands at the heads of `bench`, `store` and `limits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.adapters import Caps

if TYPE_CHECKING:
    from dramatiq.broker import Broker

    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding
    from pytest_jobqueue.settings import Settings

NEEDS = ("dramatiq[redis]>=1.17",)
CAPS = Caps(
    acks=True,
    dead_letters=True,
    delays=True,
    retries=True,
    kwargs=True,
    results=True,
    dependencies=True,
)
CAPS_IF = {
    "results": "with the `Results` middleware",
}


def bind(app: Broker, url: str, settings: Settings) -> DramatiqBinding:
    """Join a Dramatiq broker to the Redis at `url`.

    Raises:
        UsageError: It is no `RedisBroker`.
    """
    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding

    return DramatiqBinding(app, url, queues=settings.queues)
