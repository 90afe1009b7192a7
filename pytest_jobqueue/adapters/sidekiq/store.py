"""Looking at what lies in Redis: queues, sorted sets, jobs in progress, counters. Nothing here writes.

What is no job is shown as a stand-in, never skipped, so that a count is a count of what is there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import PoisonJobError
from pytest_jobqueue.wire.sidekiq import decode, poison_job, to_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_jobqueue.adapters.sidekiq.link import Link
    from pytest_jobqueue.job import Job
    from pytest_jobqueue.wire.dialects import Dialect, Keys

_SCAN_STEP = 1000


class Store:
    """The read side of one application's keys."""

    def __init__(self, link: Link, keys: Keys, dialect: Dialect) -> None:
        self._link = link
        self._keys = keys
        self._dialect = dialect

    def job(self, raw: bytes, queue: str | None = None, due_at: float | None = None) -> Job:
        """One payload as a job; `queue` is where it lies, else what the payload says."""
        try:
            payload = decode(raw)
        except PoisonJobError:
            return poison_job(raw, queue or "", due_at)
        if queue is None:
            queue = self._keys.bare_queue(payload.queue)
        return to_job(payload, self._dialect, queue, due_at)

    def ready(self, queues: Iterable[str]) -> list[Job]:
        """The jobs on the queues, in the order that a worker takes them."""
        names = list(queues)
        if not names:
            return []
        lists = self._link.send(*(("LRANGE", self._keys.queue(name), 0, -1) for name in names))
        return [
            self.job(raw, name) for name, found in zip(names, lists, strict=True) for raw in reversed(found)
        ]

    def sorted_set(self, key: str) -> list[Job]:
        """The jobs of a sorted set, lowest score first, with the score as their due time."""
        return [self.job(raw, None, score) for raw, score in self.scored(key)]

    def scored(self, key: str, last: int = -1) -> list[tuple[bytes, float]]:
        """Members and scores of a sorted set, lowest first."""
        found = self._link.call("ZRANGE", key, 0, last, "WITHSCORES")
        if found and isinstance(found[0], list):  # a client that was passed in speaks RESP3
            return [(raw, float(score)) for raw, score in found]
        return [(raw, float(score)) for raw, score in zip(found[::2], found[1::2], strict=True)]

    def known_queues(self) -> list[str]:
        """The members of the `queues` set, sorted."""
        return names_of(self._link.call("SMEMBERS", self._keys.queues))

    def in_progress(self) -> list[tuple[str, bytes]]:
        """Queue and payload of every job that some process has in its hands, newest first in each list."""
        keys = sorted(self._scan(f"{_escaped(self._keys.prefix)}queue:*:inprogress"))
        if not keys:
            return []
        lists = self._link.send(*(("LRANGE", key, 0, -1) for key in keys))
        names = [self._keys.queue_in_progress(key.decode("utf-8", "replace")) for key in keys]
        return [(name, raw) for name, found in zip(names, lists, strict=True) for raw in found]

    def queues_in_progress(self, process_id: str) -> list[str]:
        """The queues of which one process has jobs in its hands, sorted."""
        found = self._scan(f"{_escaped(self._keys.prefix)}queue:*:{_escaped(process_id)}:inprogress")
        return sorted(self._keys.queue_in_progress(key.decode("utf-8", "replace")) for key in found)

    def _scan(self, pattern: str) -> set[bytes]:
        keys: set[bytes] = set()
        cursor: Any = b"0"
        while True:
            cursor, found = self._link.call("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_STEP)
            keys.update(found)
            if int(cursor) == 0:
                return keys

    def totals(self, queues: Sequence[str]) -> tuple[int, int, int, dict[str, int]]:
        """Jobs processed and failed so far, jobs that wait to run again, and the length of each queue."""
        keys = self._keys
        processed, failed, retries, *lengths = self._link.send(
            ("GET", keys.stat("processed")),
            ("GET", keys.stat("failed")),
            ("ZCARD", keys.retry),
            *(("LLEN", keys.queue(queue)) for queue in queues),
        )
        named = {f"{keys.prefix}{queue}": length for queue, length in zip(queues, lengths, strict=True)}
        return int(processed or 0), int(failed or 0), retries, named


def names_of(members: Iterable[bytes]) -> list[str]:
    """Queue names as text, sorted."""
    return sorted(name.decode("utf-8", "replace") for name in members)


def _escaped(text: str) -> str:
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)
