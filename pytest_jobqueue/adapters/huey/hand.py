"""Taking one certain task out of the storage, which Huey itself does with none but the next.

A task is taken by its very bytes: who removes them has it. Not documented by Huey, the same in 2.5.0 and
3.5.4: `RedisStorage.conn`, `.queue_key`, `.schedule_key`; and a priority queue's eight bytes of time before
each task.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TIME = 8


class Stored(NamedTuple):
    """One task as it lies in Redis.

    Attributes:
        data: Its bytes.
        scheduled: Whether it is in the schedule, not on the queue.
        remove: Take it out; 0 when it is not there any more.
    """

    data: bytes
    scheduled: bool
    remove: Callable[[], int]


def stored(storage: Any) -> Iterator[Stored]:
    """All tasks, with a way to take each."""
    conn, queue, schedule = storage.conn, storage.queue_key, storage.schedule_key
    if storage.priority:
        for member in conn.zrange(queue, 0, -1):
            yield Stored(member[_TIME:], False, partial(conn.zrem, queue, member))
    else:
        for data in reversed(conn.lrange(queue, 0, -1)):
            yield Stored(data, False, partial(conn.lrem, queue, -1, data))
    for data in conn.zrange(schedule, 0, -1):
        yield Stored(data, True, partial(conn.zrem, schedule, data))
