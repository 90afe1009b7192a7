"""Looking at what lies in Redis. Nothing here writes.

Dramatiq's keys are described at the head of its `dispatch.lua`, which is not promised to stay; they are the
same in 1.17.0 and 2.2.1. A queue is a list of ids and a hash of messages; its delay queue (`.DQ`) likewise;
its dead letters (`.XQ`) are a sorted set and a hash; and each worker has a set of what it fetched.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dramatiq.common import dq_name, xq_name

from pytest_jobqueue.adapters.dramatiq.messages import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dramatiq.brokers.redis import RedisBroker


class Store:
    """The read side of one broker's keys; messages come with the name of the list that they are in."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    def ready(self, queues: Iterable[str]) -> list[tuple[str, bytes]]:
        """What is on the queues, in their order."""
        names = list(queues)
        return self._messages(names, self._send([("lrange", self.key(name), 0, -1) for name in names]))

    def delayed(self, queues: Iterable[str]) -> list[tuple[str, bytes]]:
        """What is on the delay queues, in their order."""
        return self.ready(map(dq_name, queues))

    def dead(self, queues: Iterable[str]) -> list[tuple[str, bytes]]:
        """The dead letters of the queues, oldest first in each."""
        names = [xq_name(name) for name in queues]
        return self._messages(names, self._send([("zrange", self.key(name), 0, -1) for name in names]))

    def fetched(self, queues: Iterable[str]) -> list[tuple[str, bytes]]:
        """What some worker fetched and has not acknowledged."""
        names = [name for queue in queues for name in (queue, dq_name(queue))]
        workers = [
            worker.decode() for worker in self._send([("zrange", self.key("__heartbeats__"), 0, -1)])[0]
        ]
        pairs = [(worker, name) for worker in workers for name in names]
        held = self._send([("smembers", self.key(f"__acks__.{worker}.{name}")) for worker, name in pairs])
        return self._messages([name for _, name in pairs], [sorted(ids) for ids in held])

    def sizes(self, queues: Iterable[str]) -> int:
        """How many messages are on the queues and their delay queues together."""
        names = [name for queue in queues for name in (queue, dq_name(queue))]
        return sum(self._send([("llen", self.key(name)) for name in names]))

    def _messages(self, names: Sequence[str], ids: Sequence[Sequence[bytes]]) -> list[tuple[str, bytes]]:
        filled = [(name, list(some)) for name, some in zip(names, ids, strict=True) if some]
        found = self._send([("hmget", self.key(f"{name}.msgs"), some) for name, some in filled])
        return [
            (name, data)
            for (name, _), group in zip(filled, found, strict=True)
            for data in group
            if data is not None
        ]

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        if not commands:
            return []
        pipe = self._broker.client.pipeline(transaction=False)
        for name, *args in commands:
            getattr(pipe, name)(*args)
        replies: list[Any] = pipe.execute()
        return replies

    def key(self, name: str) -> str:
        """A name with the broker's namespace."""
        return f"{self._broker.namespace}:{name}"


def eta(data: bytes) -> float:
    """When a delayed message is due, in milliseconds since the epoch; what does not say so never is."""
    message = decode(data)
    found = message.options.get("eta") if message is not None else None
    return found if isinstance(found, (int, float)) else math.inf
