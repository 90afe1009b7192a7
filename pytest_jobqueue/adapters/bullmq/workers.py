"""What a service's workers are, in place of an application object, and where they lead.

```python
{
    "queue": "mail",  # its name
    "processor": process,  # async def process(job, token), or (job, token, signal)
    "options": {"prefix": "bull", "lockDuration": 30_000},  # those of bullmq.Worker, if any
    "setup": add_listeners,  # called with each bullmq.Worker that is made, if given
    "producers": [mail],  # the service's own Queue and FlowProducer objects that are there already, if any
}
```

BullMQ gives each object a connection of its own. Those that are made for a test lead to our Redis from the
start; the clients of `producers`, and one given as the option `connection`, lead there until `restore`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import redis.asyncio

from pytest_jobqueue.adapters.pools import Repointed
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KEYS = ("queue", "processor", "options", "setup", "producers")


@dataclass(frozen=True)
class WorkerOf:
    """What makes a worker of one queue.

    Attributes:
        queue: Its name.
        processor: The service's own.
        options: For `bullmq.Worker`, without what names a place.
        setup: Called with each worker.
        producers: The service's own queues and flow producers.
    """

    queue: str
    processor: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    setup: Callable[[Any], object] | None = None
    producers: Sequence[Any] = ()

    @property
    def prefix(self) -> str:
        """What all its keys begin with."""
        return str(self.options.get("prefix", "bull"))


def workers_of(app: Any, only: Sequence[str] | None) -> list[WorkerOf]:
    """The workers, in their order; `only` those of these queues, if given, in that order.

    Raises:
        UsageError: A mapping, or `only`, says what cannot be.
    """
    found: dict[str, WorkerOf] = {}
    for one in [app] if isinstance(app, Mapping) else app:
        worker = _worker_of(one)
        if worker.queue in found:
            raise UsageError(f"there are two processors for the queue {worker.queue!r}; give one")
        found[worker.queue] = worker
    for name in only or ():
        if name not in found:
            raise UsageError(
                f"the settings name the queue {name!r}, which has no processor{did_you_mean(name, found)} "
                f"(there are {', '.join(found)})"
            )
    return [found[name] for name in only or found]


def _worker_of(one: Any) -> WorkerOf:
    if not isinstance(one, Mapping) or not isinstance(one.get("queue"), str):
        raise UsageError(f"{one!r} is no worker; write {{'queue': 'name', 'processor': process}}")
    for key in one:
        if key not in _KEYS:
            raise UsageError(
                f"the worker of {one['queue']!r} has {key!r}{did_you_mean(str(key), _KEYS)} "
                f"(there can be {', '.join(_KEYS)})"
            )
    if not callable(one.get("processor")):
        raise UsageError(f"the processor of {one['queue']!r} is {one.get('processor')!r}; it is a function")
    options = dict(one.get("options") or {})
    if options.get("backend", "redis") != "redis":
        raise UsageError(
            f"the worker of {one['queue']!r} is for the backend {options['backend']!r}, and a test runs on "
            "Redis: give its options without 'backend'"
        )
    return WorkerOf(
        one["queue"], one["processor"], options, one.get("setup"), tuple(one.get("producers") or ())
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A guess at what was meant, as the rest of a sentence."""
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


class Led:
    """The service's own clients, which lead to our Redis until `restore`.

    Args:
        workers: Whose.
        url: Our Redis.

    Raises:
        UsageError: One of the producers has no Redis client.
    """

    def __init__(self, workers: Iterable[WorkerOf], url: str) -> None:
        self._clients = list({id(client): client for client in _clients(workers)}.values())
        self._pools = [Repointed(client.connection_pool, url) for client in self._clients]
        self._let_go()

    def restore(self) -> None:
        """Lead where they led before."""
        for pool in self._pools:
            pool.restore()
        self._let_go()

    def _let_go(self) -> None:
        # BullMQ's clients keep one connection for themselves, and take a new one when they have none.
        for client in self._clients:
            client.connection = None


def _clients(workers: Iterable[WorkerOf]) -> Iterable[Any]:
    for worker in workers:
        given = worker.options.get("connection")
        if isinstance(given, redis.asyncio.Redis):
            yield given
        for producer in worker.producers:
            client = getattr(getattr(producer, "backend", None), "conn", None)
            if not isinstance(client, redis.asyncio.Redis):
                raise UsageError(
                    f"the producers of {worker.queue!r} have {producer!r} among them, which is no Queue or "
                    "FlowProducer of BullMQ on a single Redis"
                )
            yield client
