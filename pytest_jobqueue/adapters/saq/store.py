"""What is there, looked at over a connection that needs no loop, with the queue's own deserialiser.

Three keys: a list of what is ready, a list of what workers have, and a sorted set of everything unfinished,
whose score says when a job is due that is in neither list. The bodies, of finished jobs too, are keys of
their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from saq.job import Status

from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saq.job import Job as SaqJob
    from saq.queue.redis import RedisQueue

UNKNOWN = "<unknown>"


class Store:
    """Looks at one queue.

    Args:
        url: The server.
        queue: The queue.

    Attributes:
        positional: Which arguments of a job were given by position, by its key.
    """

    def __init__(self, url: str, queue: RedisQueue) -> None:
        self._client = redis.Redis.from_url(url)
        self._queue = queue
        self.positional: dict[str, list[str]] = {}

    def ready(self) -> list[Job]:
        """What a worker would take, in its order."""
        return self._bodies(self._list("queued"))

    def active(self) -> list[Job]:
        """What workers have."""
        return self._bodies(self._list("active"))

    def later(self) -> list[Job]:
        """What is in no list and has a time, soonest first."""
        found: Any = self._client.zrangebyscore(
            self._queue.namespace("incomplete"), 1, "inf", withscores=True
        )
        listed = {*self._list("queued"), *self._list("active")} if found else set()
        scores = {job_id: score for job_id, score in found if job_id not in listed}
        return self._bodies(scores, list(scores.values()))

    def failed(self) -> list[Job]:
        """Failed and aborted jobs, as long as their bodies are kept, oldest first."""
        ids = list(self._client.scan_iter(match=f"{self._queue.job_id('')}*"))
        jobs = [job for job in self._bodies(ids) if getattr(job.raw, "status", None) in FAILED]
        return sorted(jobs, key=lambda job: job.raw.completed)

    def _list(self, name: str) -> list[bytes]:
        found: Any = self._client.lrange(self._queue.namespace(name), 0, -1)
        return list(found)

    def _bodies(self, ids: Iterable[bytes], due: Sequence[float | None] = ()) -> list[Job]:
        ids = list(ids)
        values: Any = self._client.mget(ids) if ids else []
        times = due or [None] * len(ids)
        return [
            self._read(job_id, data, due_at) for job_id, data, due_at in zip(ids, values, times, strict=True)
        ]

    def _read(self, job_id: bytes, data: bytes | None, due_at: float | None) -> Job:
        try:
            found = self._queue.deserialize(data)
        except Exception:  # noqa: BLE001 (whatever the service's own deserialiser makes of strange bytes)
            found = None
        if found is None:
            return self.unreadable(job_id, data)
        return self.job(found, due_at)

    def unreadable(self, job_id: bytes, data: bytes | None = None) -> Job:
        """A job whose body is gone, or is none."""
        key = self._queue.job_key_from_id(job_id.decode())
        return Job(key, UNKNOWN, queue=self._queue.name, raw=data)

    def job(self, found: SaqJob, due_at: float | None = None, *, attempts: int | None = None) -> Job:
        """SAQ's job as ours."""
        kwargs = dict(found.kwargs or {})
        names = self.positional.get(found.key, [])
        args = tuple(kwargs.pop(name) for name in names if name in kwargs)
        return Job(
            found.key,
            found.function,
            args,
            kwargs,
            self._queue.name,
            enqueued_at=found.queued / 1000 if found.queued else None,
            due_at=due_at,
            attempts=found.attempts if attempts is None else attempts,
            error=_last_line(found.error),
            raw=found,
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


FAILED = (Status.FAILED, Status.ABORTED)


def _last_line(text: str | None) -> str | None:
    """Of a traceback, which SAQ keeps whole, what it says."""
    return text.strip().rpartition("\n")[2] if text else None
