"""Where a queue leads: to our Redis while it lasts, and afterwards as before.

The pool of the queue's client is led there, so that every object that shares the client is. What a queue
keeps about the server and about a loop is private to it: `_version` (the server's), `_pubsub` (one
connection, and a task that listens), `_op_sem` (a semaphore; a loop that had to wait keeps it for itself).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from saq.queue.redis import RedisQueue

from pytest_jobqueue.adapters.pools import Repointed
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from saq.queue import Queue


class Place:
    """A queue that leads to another Redis, until `restore`.

    Args:
        queue: The service's.
        url: Where it is to lead.

    Raises:
        UsageError: The queue is not in Redis.
    """

    def __init__(self, queue: Queue, url: str) -> None:
        if not isinstance(queue, RedisQueue):
            raise UsageError(
                f"the queue {queue.name!r} is a {type(queue).__name__}, which is not in Redis; for tests on "
                "a Redis make it Queue.from_url('redis://…')"
            )
        self.queue: Any = queue
        self._was = dict(vars(queue))
        self._limit = queue._op_sem._value  # noqa: SLF001 (see the head of this file)
        self._repointed = Repointed(queue.redis.connection_pool, url)
        queue._version = None  # noqa: SLF001
        self._renew()

    def _renew(self) -> None:
        queue = self.queue
        queue._pubsub = type(queue._pubsub)(queue.redis.pubsub(), prefix=queue._pubsub.prefix)  # noqa: SLF001
        queue._op_sem = asyncio.Semaphore(self._limit)  # noqa: SLF001

    async def release(self) -> None:
        """Close, in the running loop, what the queue opened in it."""
        try:
            await self.queue.disconnect()
            await self.queue._pubsub.pubsub.aclose()  # noqa: SLF001
        finally:
            self._renew()

    def restore(self) -> None:
        """Lead where it led before."""
        vars(self.queue).clear()
        vars(self.queue).update(self._was)
        self._repointed.restore()
