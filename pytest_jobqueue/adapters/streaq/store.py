"""What is there, looked at over a connection that needs no loop, and read by the worker's own deserialiser.

The keys are the worker's, and the constants of `streaq.constants`. A priority is a stream with one group of
consumers: what the group was not given yet is ready; what it was given is running, until it has been idle
for so long that a worker takes it again. What is for later is in a sorted set, a job that waits for others
has a set of these, and a result is kept for as long as the job's `ttl` says, without its arguments.

Not documented by streaQ: `_results_set`, `_retry_key`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import ResponseError
from streaq.constants import REDIS_GROUP

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job, error_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaq import Worker

_UNKNOWN = "Unknown"  # as streaQ calls a function whose job it cannot read
_MANY = 1_000_000


class Store:
    """Looks at one worker's queue.

    Args:
        worker: The service's.
        url: The server.
    """

    def __init__(self, worker: Worker[Any], url: str) -> None:
        self._worker: Any = worker
        self._client = redis.Redis.from_url(url)
        self._known: dict[str, Job] = {}  # jobs that were seen before they ended
        self.errors: dict[str, str] = {}  # the last attempts', by job; streaQ keeps none until a job ends

    def pending(self) -> list[Job]:
        """What a worker would take now, in its order."""
        ids: list[bytes] = []
        for priority in self._worker.priorities:
            stream = self._worker.stream_key + priority
            ids += self._ids(stream, self._given(stream, idle=True))
            ids += self._new(stream)
        return self._jobs(ids)

    def running(self) -> list[Job]:
        """What some worker has, or had when it died."""
        ids: list[bytes] = []
        for priority in self._worker.priorities:
            stream = self._worker.stream_key + priority
            again = set(self._given(stream, idle=True))
            ids += self._ids(stream, [entry for entry in self._given(stream) if entry not in again])
        return self._jobs(ids)

    def later(self) -> list[Job]:
        """What is for later, soonest first; what is due stays there until the scheduler looks."""
        found: Any = [
            pair
            for priority in self._worker.priorities
            for pair in self._client.zrange(self._worker.queue_key + priority, 0, -1, withscores=True)
        ]
        found.sort(key=lambda pair: pair[1])
        return self._jobs([task_id for task_id, _ in found], [score / 1000 for _, score in found])

    def waiting(self) -> list[Job]:
        """What waits for other jobs."""
        start = self._worker.dependencies_key
        keys = sorted(self._client.scan_iter(match=f"{_escaped(start)}*", count=1000))
        return self._jobs([key[len(start.encode()) :] for key in keys])

    def failed(self) -> list[Job]:
        """What failed for good, as long as its result is kept."""
        ids: Any = self._client.zrange(self._worker._results_set, 0, -1)  # noqa: SLF001 (see the head)
        found = []
        for task_id, raw in zip(ids, self._values(self._worker.results_key, ids), strict=True):
            data = None if raw is None else self._read(raw)
            if data is not None and not data["s"]:
                found.append((data["ft"], self._ended(task_id.decode(), data)))
        return [job for _, job in sorted(found, key=lambda pair: pair[0])]

    def job(self, task_id: str) -> Job:
        """One job, or what is known of it."""
        found = self._jobs([task_id.encode()])
        return found[0] if found else Job(task_id, _UNKNOWN, queue=self._worker.queue_name)

    def taken(self, task_id: str, data: dict[str, Any] | None, tries: int | None) -> Job:
        """A job as the worker took it, from what it read; or what is known of it."""
        known = self._known.get(task_id)
        if data is None:
            return known or self.job(task_id)
        attempts = known.attempts if tries is None and known else (tries or 1) - 1
        return self._said(task_id, data, attempts or 0, None)

    def ready(self) -> int:
        """How many messages there are."""
        return sum(int(self._client.xlen(self._worker.stream_key + p)) for p in self._worker.priorities)

    def known(self, task_id: str) -> Job | None:
        """A job that was seen before it ended, with its arguments."""
        return self._known.get(task_id)

    def entries(self, task_id: str) -> list[tuple[str, str]]:
        """The entries of a job in the streams: stream and id."""
        found = []
        for priority in self._worker.priorities:
            stream = self._worker.stream_key + priority
            messages: Any = self._client.xrange(stream)
            found += [
                (stream, entry.decode())
                for entry, fields in messages
                if fields[b"task_id"] == task_id.encode()
            ]
        return found

    # Streams

    def _given(self, stream: str, *, idle: bool = False) -> list[bytes]:
        try:
            found: Any = self._client.xpending_range(
                stream, REDIS_GROUP, "-", "+", _MANY, idle=self._worker.idle_timeout if idle else None
            )
        except ResponseError:  # there is no such stream or group yet
            return []
        return [entry["message_id"] for entry in found]

    def _ids(self, stream: str, entries: Iterable[bytes]) -> list[bytes]:
        found: list[bytes] = []
        for entry in entries:
            messages: Any = self._client.xrange(stream, entry, entry)
            found += [fields[b"task_id"] for _, fields in messages]
        return found

    def _new(self, stream: str) -> list[bytes]:
        try:
            groups: Any = self._client.xinfo_groups(stream)
        except ResponseError:
            return []
        last = next((group["last-delivered-id"] for group in groups), b"0-0")
        messages: Any = self._client.xrange(stream, b"(" + last)
        return [fields[b"task_id"] for _, fields in messages]

    # Jobs

    def _jobs(self, ids: list[bytes], due_at: list[float] | None = None) -> list[Job]:
        if not ids:
            return []
        raws = self._values(self._worker.task_key, ids)
        tries = self._values(self._worker._retry_key, ids)  # noqa: SLF001
        rows = zip(ids, raws, tries, due_at or itertools.repeat(None), strict=False)
        return [
            self._job(task_id.decode(), raw, int(count or 0), due)
            for task_id, raw, count, due in rows
            if raw is not None or due_at is None
        ]

    def _values(self, prefix: str, ids: Iterable[bytes]) -> list[bytes | None]:
        keys = [prefix.encode() + task_id for task_id in ids]
        found: Any = self._client.mget(keys) if keys else []
        return list(found)

    def _job(self, task_id: str, raw: bytes | None, tries: int, due_at: float | None) -> Job:
        data = None if raw is None else self._read(raw)
        if data is None:
            known = self._known.get(task_id)
            return known or Job(
                task_id, _UNKNOWN, queue=self._worker.queue_name, attempts=tries, due_at=due_at
            )
        return self._said(task_id, data, tries, due_at)

    def _said(self, task_id: str, data: dict[str, Any], tries: int, due_at: float | None) -> Job:
        found = Job(
            task_id,
            data["f"],
            tuple(data["a"]),
            dict(data["k"]),
            self._worker.queue_name,
            enqueued_at=data["t"] / 1000,
            due_at=due_at,
            attempts=tries,
            error=self.errors.get(task_id),
            raw=data,
        )
        self._known[task_id] = found
        return found

    def _ended(self, task_id: str, data: dict[str, Any]) -> Job:
        known, error = self._known.get(task_id), data["r"]
        return Job(
            task_id,
            known.name if known else data["f"],
            known.args if known else (),
            known.kwargs if known else {},
            self._worker.queue_name,
            enqueued_at=data["ct"] / 1000 or None,
            attempts=data["t"],
            error=error_text(error) if isinstance(error, BaseException) else str(error),
            raw=data,
        )

    def _read(self, raw: bytes) -> dict[str, Any] | None:
        """By the worker's own code, signature and all; None for what it refuses."""
        coroutine = self._worker.deserialize(_as_coredis_gives_it(raw))
        try:
            coroutine.send(None)
        except StopIteration as stop:
            found: dict[str, Any] = stop.value
            return found
        except Exception:  # noqa: BLE001 (the worker will say the same when it takes the job)
            return None
        coroutine.close()
        raise UsageError(
            "the worker's deserializer waits for something, so that jobs can be run but not looked at; give "
            "one that returns at once"
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _as_coredis_gives_it(raw: bytes) -> bytes | str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in "*?[]\\^" else char for char in text)
