"""Taking one message off its list, as a worker does and without waiting.

A worker asks for the right end of all its lists at once (`BRPOP`; `LMPOP` is the same without waiting). It
would hold a message for later until its time has come; here that one goes back where it was, and what lies
behind is looked through instead, until nothing for later lies before what is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.utils.encoding import bytes_to_str
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_jobqueue.adapters.celery.store import Found, Store

_AT_ONCE = 16  # messages that are read to find one that is ready


class Fetch:
    """Takes messages off the lists of a store.

    Args:
        store: Where the queues are and what their bytes mean.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._client: Any = store.client
        self._later_ahead = False
        self._is_new = True  # Redis 7 and newer

    def take(self, queues: Sequence[str]) -> Found | None:
        """Take the message that a worker would run next; None when none of these queues has one."""
        lists = {key: queue for step in self._store.steps(queues) for queue, key in step}
        if not self._later_ahead:
            found = self._first(lists)
            if found is None or found.ready:
                return found
            self.put_back(found)
        self._later_ahead = False
        for found in self._in_order(lists):
            if not found.ready:
                self._later_ahead = True
            elif self._client.lrem(found.key, -1, found.raw):  # or somebody was faster
                return found
        return None

    def put_back(self, found: Found) -> None:
        """Leave a message where it was taken from."""
        self._client.rpush(found.key, found.raw)

    def _first(self, lists: dict[str, str]) -> Found | None:
        popped = self._pop(list(lists))
        if not popped:
            return None
        name = bytes_to_str(popped[0])
        return self._store.read(lists[name], name, popped[1])

    def _pop(self, keys: list[str]) -> Any:
        """The last of the first list that has any, with that list's name."""
        if self._is_new:
            try:
                popped = self._client.execute_command("LMPOP", len(keys), *keys, "RIGHT")
                return popped and (popped[0], popped[1][0])
            except ResponseError:
                self._is_new = False
        with self._client.pipeline(transaction=True) as pipe:
            pipe.brpop(keys, timeout=1)  # in a transaction it does not wait
            return pipe.execute()[0]

    def _in_order(self, lists: dict[str, str]) -> Iterator[Found]:
        """All messages, from the right ends on, further and further while somebody asks."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in lists:
                pipe.lrange(key, -_AT_ONCE, -1)
            heads = pipe.execute()
        for (key, queue), part in zip(lists.items(), heads, strict=True):
            seen, head = 0, part
            while head:
                yield from (self._store.read(queue, key, raw) for raw in reversed(head))
                seen += len(head)
                full = len(head) == _AT_ONCE
                head = self._client.lrange(key, -seen - _AT_ONCE, -seen - 1) if full else []
